// SPDX-License-Identifier: Apache-2.0
#include "dns/wire_reader.hpp"

#include "base/text.hpp"
#include "dns/name.hpp"

namespace sealpost::dns {

namespace {

constexpr std::size_t wire_name_octets = 255;  // RFC 1035 §2.3.4, length octets and root included

void append_label(std::string& name, std::span<const std::uint8_t> label) {
  if (!name.empty()) name += '.';
  for (const std::uint8_t octet : label) {
    const char c = text::lower(static_cast<char>(octet));
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_') {
      name += c;
    } else {
      name += '\\';
      name += static_cast<char>('0' + octet / 100);
      name += static_cast<char>('0' + octet / 10 % 10);
      name += static_cast<char>('0' + octet % 10);
    }
  }
}

}  // namespace

bool WireReader::take(std::size_t count) noexcept {
  if (ok_ && count <= end_ - position_) {
    position_ += count;
    return true;
  }
  ok_ = false;
  return false;
}

std::uint8_t WireReader::u8() noexcept { return take(1) ? message_[position_ - 1] : std::uint8_t{0}; }

std::uint16_t WireReader::u16() noexcept {
  const auto high = u8();
  return static_cast<std::uint16_t>(high << 8 | u8());
}

std::uint32_t WireReader::u32() noexcept {
  const std::uint32_t high = u16();
  return high << 16 | u16();
}

std::span<const std::uint8_t> WireReader::octets(std::size_t count) noexcept {
  if (!take(count)) return {};
  return message_.subspan(position_ - count, count);
}

WireReader WireReader::part(std::size_t count) noexcept {
  WireReader inner = *this;
  if (take(count)) {
    inner.end_ = inner.position_ + count;
  } else {
    inner.ok_ = false;
  }
  return inner;
}

std::string WireReader::name() {
  std::string name;
  std::size_t wire_length = 1;    // the root's own octet
  std::size_t at = position_;     // where the next label is read
  std::size_t limit = end_;       // a pointer may lead out of this part, but only backwards
  std::size_t least = position_;  // each pointer must lead before all that was read of this name so far
  bool jumped = false;
  while (ok_) {
    if (at >= limit) break;
    const std::uint8_t length = message_[at];
    if (length == 0) {
      if (!jumped) position_ = at + 1;
      return name;
    }
    if ((length & 0xC0) == 0xC0) {
      if (at + 1 >= limit) break;
      const std::size_t target = static_cast<std::size_t>(length & 0x3F) << 8 | message_[at + 1];
      if (!jumped) position_ = at + 2;
      if (target >= least) break;
      jumped = true;
      limit = least;
      at = least = target;
      continue;
    }
    if ((length & 0xC0) != 0) break;  // extended label types were never deployed (RFC 6891 §5)
    wire_length += 1u + length;
    if (length >= limit - at || wire_length > wire_name_octets) break;
    append_label(name, message_.subspan(at + 1, length));
    at += 1u + length;
  }
  ok_ = false;
  return {};
}

}  // namespace sealpost::dns
