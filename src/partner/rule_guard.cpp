// SPDX-License-Identifier: Apache-2.0
#include "partner/rule_guard.hpp"

#include <algorithm>
#include <set>

#include "rules/rule_hold.hpp"

namespace sealpost::app {
namespace {

using Rules = std::vector<PartnerRule>;

std::string joined(const std::vector<std::string>& texts) {
  std::string all;
  for (const std::string& text : texts) all += (all.empty() ? "" : "; ") + text;
  return all;
}

// An exception carries its own date, reason and name: it is a dated line already.
Rules without_exceptions(Rules rules) {
  for (PartnerRule& rule : rules) rule.exceptions.clear();
  return rules;
}

std::string subject_of(const rules::RuleChange& change) {
  return change.before.empty() ? change.after : change.before;
}

const PartnerRule* rule_named(const Rules& rules, const std::string& name) {
  const auto found = std::ranges::find_if(rules, [&](const PartnerRule& rule) { return rule.name == name; });
  return found == rules.end() ? nullptr : &*found;
}

class Guard {
 public:
  Guard(const RulesInForce& before, Config& wanted, SystemTime now)
      : before_(before), wanted_(wanted), now_(now) {
    settings();
    rules();
  }
  std::vector<RuleNews> take() { return std::move(news_); }

 private:
  void settings();
  void rules();
  void note(const rules::RuleChange& change, const std::set<std::string>& held);
  void approve(RuleNews& news, const WeakerEntry& entry) {
    news.approved_by = entry.approved_by;
    news.reason = entry.reason;
    news.written = entry.file + ":" + std::to_string(entry.line);
  }

  const RulesInForce& before_;
  Config& wanted_;
  SystemTime now_;
  std::vector<RuleNews> news_;
};

void Guard::settings() {
  const auto changes =
      compare_settings(before_.settings, before_.partners, floor_settings(wanted_), wanted_.partners, now_);
  for (const SettingChange& change : changes) {
    RuleNews news;
    news.way = static_cast<RuleNews::Way>(change.way);
    news.setting = true;
    news.subject = change.key;
    news.text = change.text;
    news.file = wanted_.source;
    if (change.way == SettingChange::Way::weaker) {
      if (const WeakerEntry* entry = entry_for_setting(wanted_.weaker, change.key, now_)) {
        approve(news, *entry);
      } else {
        news.held = true;
        hold_setting(change, before_.settings, wanted_);
      }
    }
    news_.push_back(std::move(news));
  }
}

void Guard::rules() {
  const auto compare = [&](const Rules& before, const Rules& after) {
    // The minimum of [tls] is news once, above.
    auto changes = rules::compare_rule_sets(before, after, now_, wanted_.minimum, wanted_.minimum);
    for (rules::RuleChange& change : changes)
      if (rules::stands_for_no_rule(change.before)) change.before.clear();
    std::erase_if(changes, [](const auto& change) { return change.before.empty() && change.after.empty(); });
    return changes;
  };
  std::set<std::string> held;
  for (const auto& change :
       compare(without_exceptions(before_.partners), without_exceptions(wanted_.partners)))
    if (!change.change.weaker.empty() &&
        entry_for_rule(wanted_.weaker, subject_of(change), change.after.empty(), now_) == nullptr)
      held.insert(change.domains.begin(), change.domains.end());
  for (const auto& change : compare(before_.partners, wanted_.partners)) note(change, held);
  if (!held.empty())
    wanted_.partners = rules::hold_rules(before_.partners, std::move(wanted_.partners), held);
}

void Guard::note(const rules::RuleChange& change, const std::set<std::string>& held) {
  const PartnerRule* after = rule_named(wanted_.partners, change.after);
  const PartnerRule* before = rule_named(before_.partners, change.before);
  const auto add = [&](RuleNews::Way way, const std::vector<std::string>& texts, bool is_held) {
    RuleNews news;
    news.way = way;
    news.subject = subject_of(change);
    news.domains = change.domains;
    news.text = joined(texts) + (change.from ? ", from " + to_rfc3339(*change.from) : "");
    news.gone = change.after.empty();
    news.held = is_held;
    if (after != nullptr || before != nullptr) news.file = after != nullptr ? after->file : before->file;
    if (way == RuleNews::Way::weaker && !is_held) {
      if (const WeakerEntry* entry = entry_for_rule(wanted_.weaker, news.subject, news.gone, now_)) {
        approve(news, *entry);
      } else if (after != nullptr) {
        if (const PartnerException* exception = exception_at(*after, change.from.value_or(now_))) {
          news.approved_by = exception->approved_by;
          news.reason = exception->reason;
          news.written = after->file + ":" + std::to_string(after->line);
        }
      }
    }
    news_.push_back(std::move(news));
  };
  const bool is_held =
      std::ranges::any_of(change.domains, [&](const auto& one) { return held.contains(one); });
  if (!change.change.weaker.empty()) add(RuleNews::Way::weaker, change.change.weaker, is_held);
  if (!change.change.stronger.empty()) add(RuleNews::Way::stronger, change.change.stronger, is_held);
  if (change.kind == rules::RuleChange::Kind::added && change.change.stronger.empty())
    add(RuleNews::Way::other, {"a new rule that enforces nothing"}, false);
  else if (change.kind == rules::RuleChange::Kind::gone && change.change.weaker.empty())
    add(RuleNews::Way::other, {"the rule is gone; it enforced nothing"}, false);
  else if (!change.change.other.empty())
    add(RuleNews::Way::other, change.change.other, is_held);
}

}  // namespace

RulesInForce rules_in_force(const Config& config) {
  RulesInForce rules;
  rules.settings = floor_settings(config);
  rules.partners = config.partners;
  return rules;
}

bool Guarded::holds() const noexcept {
  return std::ranges::any_of(news, [](const RuleNews& each) { return each.held; });
}

Guarded guard_rules(const RulesInForce* before, Config wanted, SystemTime now) {
  Guarded guarded;
  guarded.config = std::move(wanted);
  if (before != nullptr) guarded.news = Guard(*before, guarded.config, now).take();
  return guarded;
}

std::string entries_to_write(const std::vector<RuleNews>& news, SystemTime now) {
  std::set<std::string> settings, removed, lowered;
  for (const RuleNews& each : news) {
    if (!each.held || each.way != RuleNews::Way::weaker) continue;
    (each.setting ? settings : each.gone ? removed : lowered).insert(each.subject);
  }
  const auto list = [](const std::set<std::string>& all) {
    return std::vector<std::string>(all.begin(), all.end());
  };
  std::string text;
  const auto add = [&](const std::string& entry) { text += (text.empty() ? "" : "\n") + entry; };
  if (!lowered.empty() || !settings.empty()) add(entry_to_write(list(lowered), list(settings), false, now));
  if (!removed.empty()) add(entry_to_write(list(removed), {}, true, now));
  return text;
}

}  // namespace sealpost::app
