// SPDX-License-Identifier: Apache-2.0
//
// Questions about rules to the recorded sessions, from the control loop: readiness and replay. The work is
// done on the database's thread.
#pragma once

#include <string>
#include <vector>

#include "admin/control_server.hpp"
#include "delivery/context.hpp"
#include "history/db_recorder.hpp"
#include "history/replay.hpp"
#include "history/suggest.hpp"

namespace sealpost::admin {

constexpr unsigned readiness_days = 30;

struct RuleReadiness {
  std::vector<history::Readiness> rules;  // in the order of the rules in force
  std::uint64_t left_out = 0, damaged = 0;
  bool cut = false;  // there were more sessions than one question reads
};
struct DraftReplay {
  history::Replay replay;
  std::uint64_t left_out = 0, damaged = 0;
  bool cut = false;
};

class Trials {
 public:
  Trials(event::Loop& home, history::DbRecorder* recorder) : home_(home), recorder_(recorder) {}

  // Errc::unavailable: nothing is recorded.
  event::Task<Expected<RuleReadiness>> readiness(delivery::RulesPtr rules, unsigned days) const;
  // The same for readiness_days, and so old at most: for a page, which may be asked for again and again.
  event::Task<Expected<RuleReadiness>> recent_readiness(delivery::RulesPtr rules, Duration age);
  event::Task<Expected<DraftReplay>> replay(delivery::RulesPtr rules, std::vector<PartnerRule> draft,
                                            SystemTime since) const;
  // `domain` empty: all.
  event::Task<Expected<history::Suggestions>> suggest(delivery::RulesPtr rules, std::string domain,
                                                      unsigned days, history::SuggestTerms wanted) const;
  // A line for each rule in audit mode, for `status`.
  event::Task<Json> audit_lines(delivery::RulesPtr rules) const;

 private:
  event::Loop& home_;
  history::DbRecorder* recorder_;
  // What recent_readiness() has found last.
  delivery::RulesPtr known_rules_;
  SteadyTime known_at_{};
  RuleReadiness known_;
};

Json to_json(const history::Readiness& readiness, unsigned days, bool audit);
Json to_json(const history::Replay& replay);
// "7d" or "36h" ago, "2026-01-31", or a time with zone.
std::optional<SystemTime> parse_since(const std::string& text, SystemTime now);

}  // namespace sealpost::admin
