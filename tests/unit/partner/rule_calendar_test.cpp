// SPDX-License-Identifier: Apache-2.0
#include "partner/rule_calendar.hpp"

#include <doctest.h>

using namespace sealpost;
using namespace sealpost::app;
using namespace std::chrono_literals;

namespace {

constexpr SystemTime noon{std::chrono::seconds(1'767'268'800)};  // 2026-01-01T12:00:00Z

std::vector<PartnerRule> rules_with_an_exception_until(SystemTime until) {
  PartnerException exception;
  exception.until = until;
  exception.reason = "renewal, ticket 4711";
  exception.approved_by = "ciso@here.example";
  PartnerRule rule;
  rule.name = "Noord";
  rule.exceptions.push_back(exception);
  return {rule};
}

std::size_t told(const std::vector<RuleDate>& dates, SystemTime last, SystemTime now) {
  return due(dates, last, now).size();
}

}  // namespace

TEST_CASE("a date is told 30, 7 and one day ahead and when it is there, each once") {
  const auto dates = dates_of(rules_with_an_exception_until(noon));
  REQUIRE(dates.size() == 1);
  std::size_t count = 0;
  for (SystemTime now = noon - 40 * 24h; now < noon + 48h; now += 7min) count += told(dates, now, now + 7min);
  CHECK(count == 4);
  CHECK(told(dates, noon - 1s, noon) == 1);
  CHECK(told(dates, noon, noon + 1h) == 0);
  CHECK(told(dates, noon - 31 * 24h, noon + 1h) == 1);  // a clock that jumped: one line, not four
}

TEST_CASE("an exception says before and when it ends, for whom, why and who approved it") {
  const auto dates = dates_of(rules_with_an_exception_until(noon));
  REQUIRE(dates.size() == 1);
  CHECK(dates.front().partner == "Noord");
  CHECK(in_words(dates.front(), noon - 1h) ==
        "the exception 'renewal, ticket 4711', approved by ciso@here.example, ends on 2026-01-01T12:00:00Z; "
        "then "
        "the rule holds in full again");
  CHECK(in_words(dates.front(), noon) ==
        "the exception 'renewal, ticket 4711', approved by ciso@here.example, ended on 2026-01-01T12:00:00Z; "
        "the "
        "rule holds in full again");
}

TEST_CASE("every date of a rule is in the calendar, the earliest first") {
  auto rules = rules_with_an_exception_until(noon + 2h);
  rules.front().starts = noon - 1h;
  rules.front().ends = noon + 4h;
  rules.front().review_by = noon + 3h;
  rules.front().owner = "privacy@here.example";
  const auto dates = dates_of(rules);
  REQUIRE(dates.size() == 4);
  CHECK(dates[0].what == RuleDate::What::starts);
  CHECK(dates[1].what == RuleDate::What::exception_ends);
  CHECK(dates[2].what == RuleDate::What::review);
  CHECK(dates[3].what == RuleDate::What::ends);
  CHECK(in_words(dates[2], noon) ==
        "the rule's review is due on 2026-01-01T15:00:00Z; owner: privacy@here.example");
}
