// SPDX-License-Identifier: Apache-2.0
//
// The dates that partner rules carry, told while the relay runs: ahead of time and on the day, so that no rule or
// exception begins or ends unsaid. `sealpost check` and every reload say the same of what lies near at that moment.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "event/loop.hpp"
#include "event/task.hpp"
#include "partner/rule_guard.hpp"
#include "sealpost/partner.hpp"

namespace sealpost::app {

struct RuleDate {
  enum class What : std::uint8_t { starts, ends, review, exception_ends };
  What what;
  SystemTime when{};
  std::string partner;
  std::string detail;  // of an exception its reason and who approved it, of a review its owner
};

// Every date of every rule, the earliest first.
std::vector<RuleDate> dates_of(const std::vector<PartnerRule>& rules);

// What is to be said of a date, for log and `status`: "the exception 'renewal, ticket 4711' ends on ...".
std::string in_words(const RuleDate& date, SystemTime now);

// The dates whose turn to be told came after `last` and not after `now`: 30 days, 7 days and one day ahead, and when
// they are there.
std::vector<RuleDate> due(const std::vector<RuleDate>& dates, SystemTime last, SystemTime now);

// What becomes of the demands at `when`, at which a rule begins or ends or an exception ends: the set as it decides just before
// compared with itself as it decides then, as `check --against` compares two. Empty: nothing.
std::vector<RuleNews> news_of_date(const RulesInForce& rules, SystemTime when);

// The moments after `from` and not after `to` at which that may be, the earliest first.
std::vector<SystemTime> turns_between(const std::vector<PartnerRule>& rules, SystemTime from, SystemTime to);

class RuleCalendar {
 public:
  using Rules = std::function<std::vector<PartnerRule>()>;  // those in force now
  RuleCalendar(event::Loop& loop, Rules rules) : loop_(loop), rules_(std::move(rules)) {}

  // For ever: looks once a minute and writes one log line for each date that is due.
  event::Task<void> run();
  // What lies in the 30 days ahead, for `status`.
  std::vector<std::string> ahead() const;

 private:
  event::Loop& loop_;
  Rules rules_;
};

}  // namespace sealpost::app
