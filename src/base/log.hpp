// SPDX-License-Identifier: Apache-2.0
//
// The log: one line per event, key=value or JSON, safe against injection (T-48): every value is escaped, so
// one event is one line of printable ASCII whatever a peer sent. Lines are buffered and flushed when a loop
// is about to wait (its owner calls flush()), at warnings, when the buffer fills and at exit. Thread-safe. A
// value is cut at 2048 octets. The daemon writes in the background (log_sink.hpp): nobody waits for the log.
//
//   log::info("delivered", {{"id", id}, {"rcpt", recipient}, {"mx", host}, {"reply", 250}});
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>

#include "sealpost/clock.hpp"
#include "sealpost/expected.hpp"

namespace sealpost::log {

enum class Level : std::uint8_t { debug, info, warning, error };
enum class Format : std::uint8_t { text, json };

class Field {
 public:
  Field(std::string_view key_, std::string_view value_) : key(key_), text(value_) {}
  Field(std::string_view key_, const char* value_) : key(key_), text(value_) {}
  Field(std::string_view key_, const std::string& value_) : key(key_), text(value_) {}
  template <class Int>
  requires std::is_integral_v<Int> Field(std::string_view key_, Int value_)
      : key(key_), number(static_cast<std::int64_t>(value_)), is_number(true) {}
  std::string_view key;   // a literal: lower case, '_' between words
  std::string_view text;  // valid for the duration of the call
  std::int64_t number = 0;
  bool is_number = false;
};
using Fields = std::initializer_list<Field>;

// Where lines go (a descriptor that outlives the process's use of the log, by default 2) and how they look.
void configure(int fd, Format format, Level least);
// Into a file, which reopen() opens again. What is refused and why: log_file.hpp.
Expected<void> configure(const std::string& path, Format format, Level least);
// From now on a thread writes, and no other one waits for it.
void write_in_background();
// The file under its name, which may be another one by now (logrotate). When it cannot be opened the old one is
// written on, and says so. Nothing to do without a file.
void reopen() noexcept;
// Lines get out also when the process dies by SIGSEGV, SIGABRT and the like, as far as that is possible.
void last_words_at_crash();
bool enabled(Level level) noexcept;
void write(Level level, std::string_view event, Fields fields);
inline void debug(std::string_view event, Fields fields) {
  if (enabled(Level::debug)) write(Level::debug, event, fields);
}
inline void info(std::string_view event, Fields fields) {
  if (enabled(Level::info)) write(Level::info, event, fields);
}
inline void warning(std::string_view event, Fields fields) { write(Level::warning, event, fields); }
inline void error(std::string_view event, Fields fields) { write(Level::error, event, fields); }
void flush() noexcept;  // in the background: hands over, and does not wait
// Waits until what was logged before is written, at most `limit`; for who is about to end the process.
bool finish(Duration limit) noexcept;
std::uint64_t dropped() noexcept;  // lines, since start
std::size_t waiting();             // octets
// Where the time stamps come from: the system's clock, or simulated time. Null: the system again.
void use_clock(SystemTime (*now)()) noexcept;

// One line as it would be written, without time stamp and newline: what tests look at.
std::string format_line(Format format, std::string_view event, Fields fields);

}  // namespace sealpost::log
