// SPDX-License-Identifier: Apache-2.0
//
// MessageId: the queue id, a ULID. 48 bits of milliseconds and 80 random bits, so ids are unique across nodes
// and sort by arrival. Text form: 26 characters of Crockford base32.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "sealpost/clock.hpp"

namespace sealpost {

class MessageId {
 public:
  MessageId() noexcept = default;  // all zero: no message
  explicit MessageId(const std::array<std::uint8_t, 16>& bytes) noexcept : bytes_(bytes) {}
  static MessageId make(
      SystemTime now);  // random part from the system; monotonic within a thread's millisecond
  // The id of a DSN: a function of the message, the recipients and their outcome, so that a crash between
  // building and recording it cannot create a second one (D-17). `when` gives the time part.
  static MessageId derive(const MessageId& parent, std::string_view what, SystemTime when);
  static std::optional<MessageId> parse(std::string_view text) noexcept;
  std::string to_string() const;
  const std::array<std::uint8_t, 16>& bytes() const noexcept { return bytes_; }
  SystemTime time() const noexcept;
  auto operator<=>(const MessageId&) const = default;

 private:
  std::array<std::uint8_t, 16> bytes_{};
};

struct MessageIdHash {
  std::size_t operator()(const MessageId& id) const noexcept;
};

}  // namespace sealpost
