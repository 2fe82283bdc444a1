// SPDX-License-Identifier: Apache-2.0
//
// Sessions that a demand of our own ended: a partner rule, or the sender's REQUIRETLS. What others publish was complied
// with, so their report counts a success or nothing (counted.hpp); whoever runs this relay must see it all the same.
// Rows of tlsrpt.db; never part of a report.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tlsrpt/counting/recorder.hpp"
#include "tlsrpt/counting/store.hpp"

namespace sealpost::tlsrpt {

// Stands where a policy type does, in lists beside those of RFC 8460.
inline constexpr const char* own_rule_type = "own-rule";

struct Refusal {
  std::string day, domain;
  std::string source, origin;  // "partner" and the rule's name, "requiretls" or "message"
  std::string result_type, reason_code, mx_host;
  auto operator<=>(const Refusal&) const = default;
};
using SeenRefusals = std::map<Refusal, std::uint64_t>;  // sessions of each kind

// Bounded in kinds (Pending::most_kinds); false: what `record` shows did not fit.
bool note_refusal(SeenRefusals& seen, const SessionRecord& record);

class Refusals {
 public:
  explicit Refusals(Store& store) noexcept : store_(store) {}
  Expected<void> keep(const SeenRefusals& seen);  // all or none
  Expected<SeenRefusals> of_day(const std::string& day, const std::string& domain);

 private:
  Store& store_;
};

}  // namespace sealpost::tlsrpt
