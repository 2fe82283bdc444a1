// SPDX-License-Identifier: Apache-2.0
//
// A failed session in words a postmaster can act on: what happened, the likely cause, and what to do or whom to ask.
// One table from the result types of RFC 8460 §4.3 and our reason codes (plain_words.cpp). Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sealpost/clock.hpp"

namespace sealpost::tlsrpt {

enum class Way : std::uint8_t {
  to_them,  // our mail to others: the remedy says what to ask them
  to_us,    // their mail to us, from a report of theirs: the remedy is our own work
};

struct Circumstances {
  std::string result_type, reason_code;
  std::string mx_host;  // may be unknown
  std::string domain;
  std::optional<SystemTime> certificate_expires;  // of the host, when it has been seen
  SystemTime now{};
  Way way = Way::to_them;
};

struct PlainWords {
  std::string what, cause, remedy;
  bool operator==(const PlainWords&) const = default;
};

// What no row of the table knows is said as it is.
PlainWords in_plain_words(const Circumstances& circumstances);

// "3 days ago", "in 5 hours", "just now"
std::string when_in_words(SystemTime then, SystemTime now);

// Result types with a row that holds for every reason code, for the test that compares them with RFC 8460 §4.3.
std::vector<std::string_view> known_result_types();

}  // namespace sealpost::tlsrpt
