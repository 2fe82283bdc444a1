// SPDX-License-Identifier: Apache-2.0
#include "admin/trials.hpp"

#include <algorithm>

namespace sealpost::admin {
namespace {

constexpr std::size_t most_reasons = 10;  // per host or rule; the rest is a number

history::Terms terms_of(const delivery::RulesPtr& rules, SystemTime now) {
  history::Terms terms;
  terms.minimum = rules->settings.minimum;
  terms.dane_satisfies_sts = rules->settings.dane_satisfies_sts;
  terms.now = now;
  return terms;
}

std::function<bool(std::string_view)> covered_by(std::vector<std::string> patterns) {
  return [patterns = std::move(patterns)](std::string_view domain) {
    return std::ranges::any_of(patterns, [&](const auto& pattern) { return covers(pattern, domain); });
  };
}

std::vector<std::string> patterns_of(const std::vector<PartnerRule>& rules) {
  std::vector<std::string> patterns;
  for (const PartnerRule& rule : rules)
    patterns.insert(patterns.end(), rule.domains.begin(), rule.domains.end());
  return patterns;
}

// A draft speaks about the domains it names, and about those of rules it replaces by name.
std::vector<std::string> patterns_touched(const std::vector<PartnerRule>& active,
                                          const std::vector<PartnerRule>& draft) {
  std::vector<std::string> patterns = patterns_of(draft);
  for (const PartnerRule& rule : active) {
    const auto same = [&](const PartnerRule& other) { return other.name == rule.name; };
    if (std::ranges::any_of(draft, same))
      patterns.insert(patterns.end(), rule.domains.begin(), rule.domains.end());
  }
  return patterns;
}

Error nothing_recorded() { return Error(Errc::unavailable, "no sessions are recorded"); }

Json time_or_null(SystemTime time) { return time == SystemTime{} ? Json() : Json(to_rfc3339(time)); }

Json to_json(const std::vector<history::Reason>& reasons) {
  Json all = Json::array();
  for (const history::Reason& reason : reasons) {
    if (all.size() == most_reasons) break;
    all.push_back({{"sessions", reason.sessions},
                   {"result_type", reason.result_type},
                   {"text", reason.text},
                   {"first", time_or_null(reason.first)},
                   {"last", time_or_null(reason.last)}});
  }
  return all;
}

}  // namespace

event::Task<Expected<RuleReadiness>> Trials::readiness(delivery::RulesPtr rules, unsigned days) const {
  if (recorder_ == nullptr) co_return nothing_recorded();
  const SystemTime now = home_.date();
  std::function<Expected<RuleReadiness>(history::Store&)> query =
      [rules, now, days](history::Store& store) -> Expected<RuleReadiness> {
    history::Query wanted;
    wanted.since = now - std::chrono::days(days);
    wanted.wanted = covered_by(patterns_of(rules->partners));
    history::ReadinessOf counted(rules->partners, terms_of(rules, now));
    const auto found = store.each(wanted, [&](const history::Recorded& recorded) { counted.add(recorded); });
    if (!found) return found.error();
    RuleReadiness all;
    all.rules = counted.take();
    all.left_out = found->left_out;
    all.damaged = found->damaged;
    all.cut = found->cut;
    return all;
  };
  co_return co_await recorder_->ask<RuleReadiness>(home_, std::move(query));
}

event::Task<Expected<RuleReadiness>> Trials::recent_readiness(delivery::RulesPtr rules, Duration age) {
  const bool recent = known_rules_ == rules && home_.steady() - known_at_ < age;
  if (recent) co_return known_;
  auto found = co_await readiness(rules, readiness_days);
  if (!found) co_return found.error();
  known_ = *found;
  known_rules_ = std::move(rules);
  known_at_ = home_.steady();
  co_return std::move(*found);
}

event::Task<Expected<DraftReplay>> Trials::replay(delivery::RulesPtr rules, std::vector<PartnerRule> draft,
                                                  SystemTime since) const {
  if (recorder_ == nullptr) co_return nothing_recorded();
  const SystemTime now = home_.date();
  std::function<Expected<DraftReplay>(history::Store&)> query =
      [rules, now, since, draft = std::move(draft)](history::Store& store) -> Expected<DraftReplay> {
    history::Query wanted;
    wanted.since = since;
    wanted.wanted = covered_by(patterns_touched(rules->partners, draft));
    const auto found = store.find(wanted);
    if (!found) return found.error();
    DraftReplay done;
    done.replay =
        history::replay(found->sessions, history::with_draft(rules->partners, draft), terms_of(rules, now));
    done.left_out = found->left_out;
    done.damaged = found->damaged;
    done.cut = found->cut;
    return done;
  };
  co_return co_await recorder_->ask<DraftReplay>(home_, std::move(query));
}

event::Task<Expected<history::Suggestions>> Trials::suggest(delivery::RulesPtr rules, std::string domain,
                                                            unsigned days,
                                                            history::SuggestTerms wanted) const {
  if (recorder_ == nullptr) co_return nothing_recorded();
  const SystemTime now = home_.date();
  std::function<Expected<history::Suggestions>(history::Store&)> query =
      [rules, now, days, wanted, domain](history::Store& store) -> Expected<history::Suggestions> {
    history::Query about;
    about.since = now - std::chrono::days(days);
    if (!domain.empty()) about.wanted = [domain](std::string_view name) { return name == domain; };
    const auto found = store.find(about);
    if (!found) return found.error();
    return history::suggest(found->sessions, rules->partners, terms_of(rules, now), wanted);
  };
  co_return co_await recorder_->ask<history::Suggestions>(home_, std::move(query));
}

event::Task<Json> Trials::audit_lines(delivery::RulesPtr rules) const {
  Json lines = Json::array();
  const auto on_trial = [](const PartnerRule& rule) { return rule.audit; };
  if (recorder_ == nullptr || std::ranges::none_of(rules->partners, on_trial)) co_return lines;
  const auto known = co_await readiness(rules, readiness_days);
  if (!known) co_return lines;
  for (std::size_t i = 0; i < rules->partners.size(); ++i) {
    if (!rules->partners[i].audit) continue;
    const history::Readiness& one = known->rules[i];
    lines.push_back(one.partner + ": " + one.to_string(readiness_days, true) +
                    (one.ready() ? "; mode = \"audit\" can go" : ""));
  }
  co_return lines;
}

Json to_json(const history::Readiness& readiness, unsigned days, bool audit) {
  return {{"partner", readiness.partner},
          {"mode", audit ? "audit" : "enforce"},
          {"days", days},
          {"sessions", readiness.sessions},
          {"passed", readiness.passed},
          {"unknown", readiness.unknown},
          {"ready", readiness.ready()},
          {"text", readiness.to_string(days, audit)},
          {"first", time_or_null(readiness.first)},
          {"last", time_or_null(readiness.last)},
          {"reasons", to_json(readiness.reasons)},
          {"different_reasons", readiness.reasons.size()}};
}

Json to_json(const history::Replay& replay) {
  Json hosts = Json::array();
  for (const history::HostReplay& host : replay.hosts) {
    hosts.push_back({{"domain", host.domain},
                     {"mx", host.mx_host},
                     {"sessions", host.sessions},
                     {"passed_then", host.passed_then},
                     {"failed_then", host.failed_then},
                     {"passes_now", host.passes_now},
                     {"fails_now", host.fails_now},
                     {"unknown_now", host.unknown_now},
                     {"newly_failing", host.newly_failing},
                     {"newly_passing", host.newly_passing},
                     {"first", time_or_null(host.first)},
                     {"last", time_or_null(host.last)},
                     {"reasons", to_json(host.reasons)}});
  }
  return {{"sessions", replay.sessions},
          {"passed_then", replay.passed_then},
          {"passes_now", replay.passes_now},
          {"unknown_now", replay.unknown_now},
          {"newly_failing", replay.newly_failing},
          {"newly_passing", replay.newly_passing},
          {"hosts", std::move(hosts)}};
}

std::optional<SystemTime> parse_since(const std::string& text, SystemTime now) {
  if (const auto ago = parse_duration(text)) return now - *ago;
  if (const auto day = from_rfc3339(text + "T00:00:00Z"); day && text.size() == 10) return day;
  return from_rfc3339(text);
}

}  // namespace sealpost::admin
