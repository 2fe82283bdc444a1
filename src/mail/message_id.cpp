// SPDX-License-Identifier: Apache-2.0
#include "mail/message_id.hpp"

#include <algorithm>
#include <cstring>
#include <span>

#include "base/digest.hpp"
#include "base/random.hpp"
#include "base/text.hpp"

namespace sealpost {
namespace {

constexpr std::string_view letters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";  // Crockford: no I, L, O, U
constexpr std::size_t text_length = 26;                                   // 130 bits, the first two are zero
constexpr std::size_t time_octets = 6;
using Bytes = std::array<std::uint8_t, 16>;

std::int64_t milliseconds_of(SystemTime time) noexcept {
  const auto count = std::chrono::floor<std::chrono::milliseconds>(time).time_since_epoch().count();
  return std::clamp<std::int64_t>(count, 0, (std::int64_t{1} << 48) - 1);
}

void put_time(Bytes& bytes, std::int64_t milliseconds) noexcept {
  for (std::size_t i = 0; i < time_octets; ++i)
    bytes[i] = static_cast<std::uint8_t>(milliseconds >> (8 * (time_octets - 1 - i)));
}

// The random part as one big-endian number, plus one.
void increment(Bytes& bytes) noexcept {
  for (std::size_t i = bytes.size(); i-- > time_octets;)
    if (++bytes[i] != 0) return;
}

}  // namespace

MessageId MessageId::make(SystemTime now) {
  thread_local Bytes last{};
  thread_local std::int64_t last_time = -1;
  const std::int64_t time = milliseconds_of(now);
  // Same millisecond, or the clock was set back by less than a second: go on counting, so that ids stay
  // sorted.
  if (time <= last_time && last_time - time < 1000) {
    increment(last);
    return MessageId(last);
  }
  last_time = time;
  put_time(last, time);
  random_bytes(std::span(last).subspan(time_octets));
  last[time_octets] &= 0x7f;  // room to count: a wrap within one millisecond is out of reach
  return MessageId(last);
}

MessageId MessageId::derive(const MessageId& parent, std::string_view what, SystemTime when) {
  std::string input = "sealpost derived message id 1";
  input += '\0';
  input.append(reinterpret_cast<const char*>(parent.bytes_.data()), parent.bytes_.size());
  input += what;
  const Sha256 digest = sha256(input);
  MessageId id;
  put_time(id.bytes_, milliseconds_of(when));
  std::copy_n(digest.begin(), id.bytes_.size() - time_octets, id.bytes_.begin() + time_octets);
  return id;
}

std::optional<MessageId> MessageId::parse(std::string_view text) noexcept {
  if (text.size() != text_length || text.front() > '7') return std::nullopt;
  MessageId id;
  unsigned held = 0;
  std::uint32_t bits = 0;
  std::size_t out = 0;
  for (std::size_t i = 0; i < text_length; ++i) {
    const char c = text[i] >= 'a' && text[i] <= 'z' ? static_cast<char>(text[i] - ('a' - 'A')) : text[i];
    const std::size_t value = letters.find(c);
    if (value == letters.npos) return std::nullopt;
    bits = bits << 5 | static_cast<std::uint32_t>(value);
    held += i == 0 ? 3 : 5;  // 26 letters hold 130 bits; the first letter brings only three
    if (held < 8) continue;
    held -= 8;
    id.bytes_[out++] = static_cast<std::uint8_t>(bits >> held);
  }
  return id;
}

std::string MessageId::to_string() const {
  std::string text;
  text.reserve(text_length);
  std::uint32_t bits = 0;
  unsigned held = 2;  // two leading zero bits
  for (const std::uint8_t byte : bytes_) {
    bits = bits << 8 | byte;
    held += 8;
    for (; held >= 5; held -= 5) text += letters[bits >> (held - 5) & 31];
  }
  return text;
}

SystemTime MessageId::time() const noexcept {
  std::int64_t milliseconds = 0;
  for (std::size_t i = 0; i < time_octets; ++i) milliseconds = milliseconds << 8 | bytes_[i];
  return SystemTime(std::chrono::milliseconds(milliseconds));
}

std::size_t MessageIdHash::operator()(const MessageId& id) const noexcept {
  std::uint64_t tail;  // the random part: already uniform
  std::memcpy(&tail, id.bytes().data() + 8, sizeof tail);
  return static_cast<std::size_t>(tail);
}

}  // namespace sealpost
