// SPDX-License-Identifier: Apache-2.0
//
// Reading a DNS message (RFC 1035 §4) octet by octet, never past its end. One failed read makes all later
// ones fail, so callers may read a whole record and look at ok() once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace sealpost::dns {

class WireReader {
 public:
  explicit WireReader(std::span<const std::uint8_t> message) noexcept
      : message_(message), end_(message.size()) {}

  bool ok() const noexcept { return ok_; }
  bool at_end() const noexcept { return position_ == end_; }
  std::uint8_t u8() noexcept;
  std::uint16_t u16() noexcept;
  std::uint32_t u32() noexcept;
  std::span<const std::uint8_t> octets(std::size_t count) noexcept;
  // A possibly compressed name as text in lower case, no trailing dot; octets that are no part of a mail name
  // are written as \DDD, so that they can never be mistaken for one. Pointers must lead strictly backwards
  // (RFC 1035 §4.1.4: to a prior occurrence), which also bounds them; the whole name is at most 255 octets on
  // the wire.
  std::string name();
  // The next `count` octets as a reader of their own that may still follow name pointers into the whole
  // message.
  WireReader part(std::size_t count) noexcept;

 private:
  bool take(std::size_t count) noexcept;

  std::span<const std::uint8_t> message_;
  std::size_t position_ = 0;
  std::size_t end_;
  bool ok_ = true;
};

}  // namespace sealpost::dns
