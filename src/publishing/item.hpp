// SPDX-License-Identifier: Apache-2.0
//
// One thing that an own domain publishes: what should be there, what is, and what to do about the difference.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sealpost::publishing {

enum class State : std::uint8_t {
  ok,
  differs,  // something is there, and it is not right
  absent,
  unknown,  // could not be asked: `why` says what kept us from it. Says nothing of the domain
};
// "ok", "differs", "absent", "could not be asked"
std::string_view name_of(State state) noexcept;

struct Item {
  Item() = default;
  Item(std::string what_, std::string name_, std::string type_)
      : what(std::move(what_)), name(std::move(name_)), type(std::move(type_)) {}
  std::string what;  // "MTA-STS record"
  std::string name;  // of the record, without the last dot; or the URL of the policy
  std::string type;  // "TXT", "TLSA", "MX"; "HTTPS" for the policy, "DNSSEC" for the signatures of a zone
  std::vector<std::string>
      publish;  // values that should be there; of the policy, its lines. Empty: not ours to say
  std::vector<std::string> found;  // values that are there, printable
  State state = State::unknown;
  bool optional = false;  // mail does not suffer without it
  std::string why;        // in words, printable; also of what is ok and worth knowing
  std::string remedy;     // what to do; empty: nothing
};

// "NAME. IN TYPE VALUE" for each value to publish, as a zone file has it: a text as quoted strings of at most 255 octets
// (RFC 1035 §5.1). Of the policy: its lines.
std::vector<std::string> zone_lines(const Item& item);

// What a survey comes to: 0 all is well, 1 something is not, 75 nothing is wrong as far as could be seen.
int exit_code_of(const std::vector<Item>& items) noexcept;

}  // namespace sealpost::publishing
