// SPDX-License-Identifier: Apache-2.0
#include "partner/rule_calendar.hpp"

#include <algorithm>
#include <array>

#include "base/log.hpp"
#include "event/wait.hpp"
#include "rules/rule_change.hpp"
#include "rules/rule_hold.hpp"

namespace sealpost::app {
namespace {

using namespace std::chrono_literals;
using What = RuleDate::What;

constexpr auto look_every = 1min;
constexpr std::array<std::chrono::hours, 4> told_ahead{30 * 24h, 7 * 24h, 24h, 0h};

std::string_view name_of(What what) noexcept {
  switch (what) {
    case What::starts: return "rule_starts";
    case What::ends: return "rule_ends";
    case What::review: return "rule_review";
    case What::exception_ends: return "exception_ends";
  }
  return "";
}

// The rules as they decide at a moment, without their dates.
std::vector<PartnerRule> as_of(const std::vector<PartnerRule>& rules, SystemTime moment) {
  std::vector<PartnerRule> then;
  for (const PartnerRule& rule : rules) {
    if ((rule.starts && moment < *rule.starts) || (rule.ends && moment >= *rule.ends)) continue;
    PartnerRule plain = rule;
    plain.level = level_at(rule, moment);
    plain.starts.reset();
    plain.ends.reset();
    plain.exceptions.clear();
    then.push_back(std::move(plain));
  }
  return then;
}

// Rules with a date at that moment, and those that may govern a domain of theirs instead.
std::vector<PartnerRule> concerned(const std::vector<PartnerRule>& rules, SystemTime when) {
  std::vector<std::string> patterns;
  for (const PartnerRule& rule : rules) {
    const bool dated =
        rule.starts == when || rule.ends == when ||
        std::ranges::any_of(rule.exceptions, [&](const auto& exception) { return exception.until == when; });
    if (dated) patterns.insert(patterns.end(), rule.domains.begin(), rule.domains.end());
  }
  const auto meets = [&](const std::string& one) {
    return std::ranges::any_of(patterns, [&](const std::string& other) {
      return one == other || covers(one, other) || covers(other, one) ||
             covers(one, rules::example_of(other));
    });
  };
  std::vector<PartnerRule> found;
  for (const PartnerRule& rule : rules)
    if (std::ranges::any_of(rule.domains, meets)) found.push_back(rule);
  return found;
}

void add(std::vector<RuleDate>& dates, What what, SystemTime when, const PartnerRule& rule,
         std::string detail) {
  RuleDate date;
  date.what = what;
  date.when = when;
  date.partner = rule.name;
  date.detail = std::move(detail);
  dates.push_back(std::move(date));
}

}  // namespace

std::vector<RuleDate> dates_of(const std::vector<PartnerRule>& rules) {
  std::vector<RuleDate> dates;
  for (const PartnerRule& rule : rules) {
    if (rule.starts) add(dates, What::starts, *rule.starts, rule, "");
    if (rule.ends) add(dates, What::ends, *rule.ends, rule, "");
    if (rule.review_by) add(dates, What::review, *rule.review_by, rule, rule.owner);
    for (const PartnerException& exception : rule.exceptions)
      add(dates, What::exception_ends, exception.until, rule,
          "'" + exception.reason + "', approved by " + exception.approved_by);
  }
  std::stable_sort(dates.begin(), dates.end(),
                   [](const RuleDate& a, const RuleDate& b) { return a.when < b.when; });
  return dates;
}

std::string in_words(const RuleDate& date, SystemTime now) {
  const bool past = date.when <= now;
  const std::string on = " on " + to_rfc3339(date.when);
  switch (date.what) {
    case What::starts: return (past ? "the rule is in force since" : "the rule comes into force") + on;
    case What::ends:
      return past ? "the rule ended" + on + "; mail to its domains is sent without it"
                  : "the rule ends" + on + "; from then on mail to its domains is sent without it";
    case What::review:
      return (past ? "the rule's review was due" : "the rule's review is due") + on +
             (date.detail.empty() ? "" : "; owner: " + date.detail);
    case What::exception_ends:
      return "the exception " + date.detail + (past ? ", ended" : ", ends") + on +
             (past ? "; the rule holds in full again" : "; then the rule holds in full again");
  }
  return "";
}

std::vector<RuleDate> due(const std::vector<RuleDate>& dates, SystemTime last, SystemTime now) {
  std::vector<RuleDate> found;
  for (const RuleDate& date : dates) {
    const bool turn = std::any_of(told_ahead.begin(), told_ahead.end(), [&](std::chrono::hours before) {
      const SystemTime at = date.when - before;
      return last < at && at <= now;
    });
    if (turn) found.push_back(date);
  }
  return found;
}

std::vector<SystemTime> turns_between(const std::vector<PartnerRule>& rules, SystemTime from, SystemTime to) {
  std::vector<SystemTime> turns;
  for (const RuleDate& date : dates_of(rules))
    if (date.what != What::review && date.when > from && date.when <= to &&
        (turns.empty() || turns.back() != date.when))
      turns.push_back(date.when);
  return turns;
}

std::vector<RuleNews> news_of_date(const RulesInForce& rules, SystemTime when) {
  const auto all = concerned(rules.partners, when);
  const SystemTime just_before = when - std::chrono::microseconds(1);
  std::vector<RuleNews> news;
  for (const rules::RuleChange& change : rules::compare_rule_sets(
           as_of(all, just_before), as_of(all, when), when, rules.settings.minimum, rules.settings.minimum)) {
    const std::string& subject = change.before.empty() ? change.after : change.before;
    const auto rule = std::ranges::find_if(all, [&](const PartnerRule& one) { return one.name == subject; });
    const auto add_news = [&](RuleNews::Way way, const std::vector<std::string>& texts) {
      if (texts.empty()) return;
      RuleNews one;
      one.way = way;
      one.subject = subject;
      one.domains = change.domains;
      for (const std::string& text : texts) one.text += (one.text.empty() ? "" : "; ") + text;
      one.gone = change.after.empty();
      if (rule != all.end()) one.file = rule->file;
      news.push_back(std::move(one));
    };
    add_news(RuleNews::Way::weaker, change.change.weaker);
    add_news(RuleNews::Way::stronger, change.change.stronger);
    add_news(RuleNews::Way::other, change.change.other);
  }
  return news;
}

event::Task<void> RuleCalendar::run() {
  SystemTime last = loop_.date();
  for (;;) {
    co_await event::sleep_for(loop_, look_every);
    const SystemTime now = loop_.date();
    for (const RuleDate& date : due(dates_of(rules_()), last, now)) {
      const auto level =
          date.when <= now && date.what != What::starts ? log::Level::warning : log::Level::info;
      log::write(level, name_of(date.what),
                 {{"partner", date.partner}, {"when", to_rfc3339(date.when)}, {"what", in_words(date, now)}});
    }
    last = now;
  }
}

std::vector<std::string> RuleCalendar::ahead() const {
  const SystemTime now = loop_.date();
  std::vector<std::string> lines;
  for (const RuleDate& date : dates_of(rules_()))
    if (date.when > now && date.when <= now + told_ahead.front())
      lines.push_back(date.partner + ": " + in_words(date, now));
  return lines;
}

}  // namespace sealpost::app
