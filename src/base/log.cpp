// SPDX-License-Identifier: Apache-2.0
#include "base/log.hpp"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>

#include "base/log_escape.hpp"
#include "base/log_file.hpp"
#include "base/log_recent.hpp"
#include "base/log_sink.hpp"

namespace sealpost::log {
namespace {

constexpr auto exit_limit = std::chrono::seconds(2);

std::string line_of(Level level, std::string_view event, Fields fields);

// Never destroyed: other static destructors may still log. What is buffered leaves at exit.
Sink& sink() {
  static Sink* const instance = [] {
    std::atexit([] { log::finish(exit_limit); });
    return new Sink(&line_of);
  }();
  return *instance;
}

SystemTime system_now() {
  return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
}

std::atomic<Format> chosen_format{Format::text};
std::atomic<Level> least_level{Level::info};
std::atomic<SystemTime (*)()> current_clock{system_now};

std::string_view name_of(Level level) noexcept {
  switch (level) {
    case Level::debug: return "debug";
    case Level::info: return "info";
    case Level::warning: return "warning";
    case Level::error: return "error";
  }
  return "unknown";
}

// 2026-01-31T23:59:59.123456Z. Calendar arithmetic is done once a second and thread.
void append_time(std::string& out, SystemTime now) {
  thread_local std::chrono::sys_seconds second = std::chrono::sys_seconds::min();
  // Not a string: lines are still written when the thread's objects are gone.
  thread_local std::array<char, 64> text;
  thread_local std::size_t length = 0;
  const auto this_second = std::chrono::floor<std::chrono::seconds>(now);
  if (this_second != second) {
    second = this_second;
    const std::string whole = to_rfc3339(this_second);
    length = std::min(whole.size() - 1, text.size());  // without the Z
    std::copy_n(whole.begin(), length, text.begin());
  }
  out.append(text.data(), length);
  char fraction[] = ".000000Z";
  auto micros = (now - this_second).count();
  for (int i = 6; i > 0; --i, micros /= 10) fraction[i] = static_cast<char>('0' + micros % 10);
  out += fraction;
}

void append_number(std::string& out, std::int64_t number) {
  const fmt::format_int text(number);
  out.append(text.data(), text.size());
}

void append_text_fields(std::string& out, std::string_view event, Fields fields) {
  out += event;
  for (const Field& field : fields) {
    out += ' ';
    out += field.key;
    out += '=';
    if (field.is_number)
      append_number(out, field.number);
    else
      append_text_value(out, field.text);
  }
}

void append_json_fields(std::string& out, std::string_view event, Fields fields) {
  out += "\"event\":";
  append_json_string(out, event);
  for (const Field& field : fields) {
    out += ",\"";
    out += field.key;
    out += "\":";
    if (field.is_number)
      append_number(out, field.number);
    else
      append_json_string(out, field.text);
  }
  out += '}';
}

}  // namespace

void configure(int fd, Format format, Level least) {
  sink().use(fd);
  chosen_format = format;
  least_level = least;
}

Expected<void> configure(const std::string& path, Format format, Level least) {
  auto file = open_log_file(path);
  if (!file) return file.error();
  sink().use(std::move(*file), path);
  chosen_format = format;
  least_level = least;
  return {};
}

void write_in_background() { sink().write_in_background(); }
void reopen() noexcept { sink().reopen(); }
bool finish(Duration limit) noexcept { return sink().finish(limit); }
std::uint64_t dropped() noexcept { return sink().dropped(); }
std::size_t waiting() { return sink().waiting(); }

namespace {
extern "C" void dying(int number) {
  sink().last_words();
  ::raise(number);  // the default action again: SA_RESETHAND
}
}  // namespace

void last_words_at_crash() {
  static_cast<void>(sink());
  struct sigaction action {};
  action.sa_handler = dying;
  action.sa_flags = static_cast<int>(SA_RESETHAND | SA_NODEFER);
#ifdef __SANITIZE_ADDRESS__
  for (const int number : {SIGABRT}) ::sigaction(number, &action, nullptr);  // the rest is the sanitizer's
#else
  for (const int number : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL}) ::sigaction(number, &action, nullptr);
#endif
}

bool enabled(Level level) noexcept { return level >= least_level.load(std::memory_order_relaxed); }

void use_clock(SystemTime (*now)()) noexcept { current_clock = now != nullptr ? now : system_now; }

namespace {

SystemTime time_of_line() { return current_clock.load(std::memory_order_relaxed)(); }

void append_line(std::string& line, Format format, SystemTime now, Level level, std::string_view event,
                 Fields fields) {
  if (format == Format::text) {
    append_time(line, now);
    line += ' ';
    line += name_of(level);
    line += ' ';
    append_text_fields(line, event, fields);
  } else {
    line += "{\"time\":\"";
    append_time(line, now);
    line += "\",\"level\":\"";
    line += name_of(level);
    line += "\",";
    append_json_fields(line, event, fields);
  }
  line += '\n';
}

std::string line_of(Level level, std::string_view event, Fields fields) {
  std::string line;
  append_line(line, chosen_format.load(std::memory_order_relaxed), time_of_line(), level, event, fields);
  return line;
}

}  // namespace

void write(Level level, std::string_view event, Fields fields) {
  if (!enabled(level)) return;
  thread_local std::string line;
  line.clear();
  const Format format = chosen_format.load(std::memory_order_relaxed);
  const SystemTime now = time_of_line();  // one, wherever the line goes
  append_line(line, format, now, level, event, fields);
  if (keeps_recent()) {
    std::string kept;
    if (format == Format::json)
      kept = line;
    else
      append_line(kept, Format::json, now, level, event, fields);
    add_recent(std::move(kept));
  }
  sink().add(line, level >= Level::warning);
}

void flush() noexcept { sink().flush(); }

std::string format_line(Format format, std::string_view event, Fields fields) {
  std::string line;
  if (format == Format::text) {
    append_text_fields(line, event, fields);
  } else {
    line += '{';
    append_json_fields(line, event, fields);
  }
  return line;
}

}  // namespace sealpost::log
