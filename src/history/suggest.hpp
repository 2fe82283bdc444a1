// SPDX-License-Identifier: Apache-2.0
//
// Rules proposed from what was observed: for each domain without one, the strongest plain rule that every
// recorded session would have passed. Proposals are for people to review: they come in audit mode. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "history/replay.hpp"

namespace sealpost::history {

struct SuggestTerms {
  SuggestTerms() = default;
  std::uint64_t least_sessions = 20;               // fewer say little
  std::chrono::seconds least_span{7 * 24 * 3600};  // between the first and the last
  std::size_t most = 50;                           // proposals
};

struct Suggestion {
  PartnerRule rule;
  std::uint64_t sessions = 0;
  std::vector<std::string> hosts;
  SystemTime first{}, last{};
  bool always_tls13 = false;
};

struct Suggestions {
  std::vector<Suggestion> proposals;                                  // those with most sessions first
  std::uint64_t domains = 0;                                          // looked at
  std::uint64_t has_rule = 0, too_few = 0, none_holds = 0, more = 0;  // why the others are not there
};

Suggestions suggest(const std::vector<Recorded>& sessions, const std::vector<PartnerRule>& rules,
                    const Terms& terms, const SuggestTerms& wanted);

// As a partner file has it, with what it rests on as a comment.
std::string to_toml(const Suggestion& suggestion);

}  // namespace sealpost::history
