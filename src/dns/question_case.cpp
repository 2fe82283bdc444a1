// SPDX-License-Identifier: Apache-2.0
#include "dns/question_case.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

#include "base/planted.hpp"
#include "base/random.hpp"

namespace sealpost::dns {
namespace {

constexpr std::size_t header_octets = 12;

bool is_letter(std::uint8_t octet) noexcept {
  return (octet >= 'a' && octet <= 'z') || (octet >= 'A' && octet <= 'Z');
}

// Name, type and class of the first question; empty when the message ends before them, or the name is compressed.
std::span<const std::uint8_t> question_of(std::span<const std::uint8_t> message) noexcept {
  std::size_t at = header_octets;
  while (at < message.size() && message[at] != 0) {
    if (message[at] > 63) return {};
    at += message[at] + std::size_t{1};
  }
  if (at + 5 > message.size()) return {};
  return message.subspan(header_octets, at + 5 - header_octets);
}

}  // namespace

void mix_case(std::span<std::uint8_t> query) {
  if (planted(Plant::one_case)) return;
  const std::size_t name_octets = question_of(query).size();
  if (name_octets < 5) return;
  std::array<std::uint8_t, 32> random{};  // a bit for each of 255 octets
  random_bytes(random);
  std::size_t bit = 0, label_left = 0;
  for (std::uint8_t& octet : query.subspan(header_octets, name_octets - 5)) {
    if (label_left == 0) {
      label_left = octet;
      continue;
    }
    --label_left;
    if (!is_letter(octet)) continue;
    if ((random[bit / 8] >> (bit % 8) & 1) != 0) octet ^= 0x20;
    ++bit;
  }
}

bool echoes_question(std::span<const std::uint8_t> query, std::span<const std::uint8_t> message) noexcept {
  const auto asked = question_of(query), told = question_of(message);
  return !asked.empty() && std::equal(asked.begin(), asked.end(), told.begin(), told.end());
}

}  // namespace sealpost::dns
