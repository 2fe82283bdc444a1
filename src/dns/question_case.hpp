// SPDX-License-Identifier: Apache-2.0
//
// The letters of a question's name in random case ("0x20", RFC 5452 §9.3's extra entropy without a change of protocol).
// Names compare without case and servers copy the question as it came, so who answers without having seen the query
// must guess a bit for every letter, besides its id and its port. c-ares compares questions without case; the octets are
// compared here.
#pragma once

#include <cstdint>
#include <span>

namespace sealpost::dns {

// `query` as make_query() gives it; letters of the name only, each by a random bit.
void mix_case(std::span<std::uint8_t> query);
// Whether the message asks the query's question, octet by octet. False for what is too short to.
bool echoes_question(std::span<const std::uint8_t> query, std::span<const std::uint8_t> message) noexcept;

}  // namespace sealpost::dns
