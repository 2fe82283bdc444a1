// SPDX-License-Identifier: Apache-2.0
//
// The history of the rules in force as the relay keeps it (DATA_DIR/rules-in-force, docs/operating.md), read behind the writer: a line
// is durable there before anything is judged by what it tells, and stays. Blocking.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sealpost/clock.hpp"
#include "sealpost/expected.hpp"

namespace sealpost::ledger {

// The last line that was read: where it stands and its SHA-256, so that another history is not taken for this one. Ends at 0:
// none was.
struct HistoryPlace {
  std::uint64_t begins = 0, ends = 0;
  std::string digest;
};

struct RuleChange {
  SystemTime when{};
  std::string what;           // "start", "reload", "calendar"
  std::string before, after;  // SHA-256 of the sets, hexadecimal; before: empty when there was none
  std::int64_t changes = 0, weaker = 0, held = 0;  // pieces of news; of those
  std::string text;                                // the line
  HistoryPlace place;                              // of it
};

class RuleHistory {
 public:
  RuleHistory() = default;  // there is none
  explicit RuleHistory(std::string directory) : directory_(std::move(directory)) {}

  // Whole lines behind `place`, a bounded number of octets; all of them when the history is another one. What is no line of a
  // history is passed over: a crash tore it, and what it was about to tell did not happen.
  Expected<std::vector<RuleChange>> behind(const HistoryPlace& place) const;
  // The text of a set; "": it is not there any more, or is not what its name says.
  std::string set(const std::string& sha256) const;

 private:
  std::string directory_;  // empty: none
};

}  // namespace sealpost::ledger
