// SPDX-License-Identifier: Apache-2.0
//
// One DNS message from a recursive resolver, read into an Answer (RFC 1035 §4, RFC 6891, RFC 2308). Pure and
// bounded: every length is checked against the message, so its cost is bounded by the 65535 octets a message
// can have. What breaks the format is an error, never half an answer (T-11). Fuzzed by
// tests/fuzz/dns_answer_fuzz.
#pragma once

#include <cstdint>
#include <span>

#include "dns/resolver.hpp"
#include "sealpost/expected.hpp"

namespace sealpost::dns {

constexpr std::size_t alias_cap = 8;              // CNAMEs followed for one question (T-40)
constexpr std::uint32_t ttl_cap = 86400;          // seconds any answer may be kept
constexpr std::uint32_t negative_ttl_cap = 3600;  // absence: RFC 2308 §5 allows up to 3 h

struct Question {
  Question() = default;
  Question(std::string name_, RrType type_) : name(std::move(name_)), type(type_) {}
  std::string name;  // as normal_name() gives it
  RrType type = RrType::a;
  bool operator==(const Question&) const = default;
};

struct ParsedAnswer {
  ParsedAnswer() = default;
  std::uint16_t id = 0;
  bool truncated = false;  // TC: ask again over TCP
  bool authenticated =
      false;  // AD as the server set it; whether to believe it is for the resolver to say (T-10)
  bool incomplete = false;  // aliases lead to `answer.canonical`, and the message does not say what is there
  Answer answer;            // dnssec and expires are left alone
};

Expected<ParsedAnswer> parse_answer(std::span<const std::uint8_t> message, const Question& question);

}  // namespace sealpost::dns
