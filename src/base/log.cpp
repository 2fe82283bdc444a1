// SPDX-License-Identifier: Apache-2.0
#include "base/log.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <mutex>

#include "base/log_escape.hpp"

namespace sealpost::log {
namespace {

constexpr std::size_t flush_at = 64 * 1024;

// Two locks, so that a slow reader of the log holds up those who flush and not those who only add a line.
// Lines keep their order: whoever flushes takes `writing` before taking the lines out.
class Sink {
 public:
  void configure(int fd) {
    flush();
    const std::lock_guard lock(writing_);
    fd_ = fd;
  }

  void add(std::string_view line, bool flush_now) {
    std::size_t size = 0;
    {
      const std::lock_guard lock(adding_);
      lines_ += line;
      size = lines_.size();
    }
    if (flush_now || size >= flush_at) flush();
  }

  void flush() noexcept {
    const std::lock_guard lock(writing_);
    {
      const std::lock_guard inner(adding_);
      lines_.swap(going_out_);
    }
    write_all(going_out_);
    going_out_.clear();
  }

 private:
  // A log that cannot be written must not stop the mail: what a broken descriptor refuses is dropped.
  void write_all(std::string_view bytes) const noexcept {
    while (!bytes.empty()) {
      const ssize_t wrote = ::write(fd_, bytes.data(), bytes.size());
      if (wrote >= 0) {
        bytes.remove_prefix(static_cast<std::size_t>(wrote));
      } else if (errno == EAGAIN) {
        pollfd ready{fd_, POLLOUT, 0};
        if (::poll(&ready, 1, 1000) <= 0) return;
      } else if (errno != EINTR) {
        return;
      }
    }
  }

  std::mutex adding_;
  std::mutex writing_;
  std::string lines_;
  std::string going_out_;
  int fd_ = STDERR_FILENO;
};

// Never destroyed: other static destructors may still log. What is buffered leaves at exit.
Sink& sink() {
  static Sink* const instance = [] {
    std::atexit([] { log::flush(); });
    return new Sink;
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
  thread_local std::string text;
  const auto this_second = std::chrono::floor<std::chrono::seconds>(now);
  if (this_second != second) {
    second = this_second;
    text = to_rfc3339(this_second);
    text.pop_back();  // the Z
  }
  out += text;
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
  sink().configure(fd);
  chosen_format = format;
  least_level = least;
}

bool enabled(Level level) noexcept { return level >= least_level.load(std::memory_order_relaxed); }

void use_clock(SystemTime (*now)()) noexcept { current_clock = now != nullptr ? now : system_now; }

void write(Level level, std::string_view event, Fields fields) {
  if (!enabled(level)) return;
  thread_local std::string line;
  line.clear();
  const SystemTime now = current_clock.load(std::memory_order_relaxed)();
  if (chosen_format.load(std::memory_order_relaxed) == Format::text) {
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
