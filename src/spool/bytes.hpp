// SPDX-License-Identifier: Apache-2.0
//
// Little-endian integers and counted strings, out and in. A ByteReader never reads past its end: after the
// first thing that is not there, it has failed() and gives zeros.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "sealpost/clock.hpp"

namespace sealpost::spool {

template <std::unsigned_integral Int>
void put(std::string& out, Int value) {
  for (std::size_t i = 0; i < sizeof(Int); ++i) out.push_back(static_cast<char>((value >> (8 * i)) & 0xFFu));
}
// At most `most` octets of `text`, preceded by their number in 16 bits.
inline void put_text(std::string& out, std::string_view text, std::size_t most) {
  text = text.substr(0, most);
  put(out, static_cast<std::uint16_t>(text.size()));
  out.append(text);
}
inline void put_time(std::string& out, SystemTime time) {
  put(out, static_cast<std::uint64_t>(time.time_since_epoch().count()));
}

class ByteReader {
 public:
  explicit ByteReader(std::string_view octets) noexcept : left_(octets) {}

  template <std::unsigned_integral Int>
  Int get() noexcept {
    const std::string_view octets = take(sizeof(Int));
    Int value = 0;
    for (std::size_t i = 0; i < octets.size(); ++i)
      value = static_cast<Int>(
          value | static_cast<Int>(static_cast<Int>(static_cast<unsigned char>(octets[i])) << (8 * i)));
    return value;
  }
  std::string_view text(std::size_t most) noexcept {
    const auto length = get<std::uint16_t>();
    if (length > most) fail();
    return take(length);
  }
  SystemTime time() noexcept {
    return SystemTime(std::chrono::microseconds(static_cast<std::int64_t>(get<std::uint64_t>())));
  }
  std::string_view take(std::size_t count) noexcept {
    if (count > left_.size()) fail();
    if (failed_) return {};
    const std::string_view taken = left_.substr(0, count);
    left_.remove_prefix(count);
    return taken;
  }
  // How many elements of at least `each` octets may follow: a count beyond it is a lie (bounds allocation).
  std::uint32_t count(std::size_t each, std::size_t most) noexcept {
    const auto value = get<std::uint32_t>();
    if (value > most || value > left_.size() / each) fail();
    return failed_ ? 0 : value;
  }
  void fail() noexcept {
    failed_ = true;
    left_ = {};
  }
  bool failed() const noexcept { return failed_; }
  bool done() const noexcept { return !failed_ && left_.empty(); }

 private:
  std::string_view left_;
  bool failed_ = false;
};

}  // namespace sealpost::spool
