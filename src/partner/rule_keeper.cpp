// SPDX-License-Identifier: Apache-2.0
#include "partner/rule_keeper.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "partner/rule_calendar.hpp"

namespace sealpost::app {
namespace {

using State = RulesStore::Found::State;

constexpr const char* weaker_trouble = "weaker rules";
constexpr const char* unread_trouble = "record of rules in force";
constexpr const char* unwritten_trouble = "rules in force not kept";

void log_news(const RuleNews& news) {
  const std::string held =
      news.held ? "yes, the former demand stays in force: nothing says that it is on purpose" : "";
  std::string domains;
  for (const std::string& domain : news.domains) domains += (domains.empty() ? "" : " ") + domain;
  const char* way = news.way == RuleNews::Way::weaker     ? "weaker"
                    : news.way == RuleNews::Way::stronger ? "stronger"
                                                          : "change";
  log::write(news.way == RuleNews::Way::weaker ? log::Level::warning : log::Level::info, "rule_changed",
             {{news.setting ? "setting" : "partner", news.subject},
              {way, news.text},
              {"domains", domains},
              {"file", news.file},
              {"held", held},
              {"approved_by", news.approved_by},
              {"reason", news.reason}});
}

}  // namespace

RuleKeeper::Admission RuleKeeper::admit(Config wanted, SystemTime now) const {
  Admission admission;
  admission.before = last_ ? *last_ : store_.load();
  const bool known = admission.before.state == State::known;
  admission.guarded = guard_rules(known ? &admission.before.rules : nullptr, std::move(wanted), now);
  if (admission.before.state == State::unreadable)
    admission.guarded.config.delivery.hold_all =
        "the record of the rules in force cannot be read, so what must be demanded is unknown";
  return admission;
}

Expected<void> RuleKeeper::commit(const Admission& admission, Moment moment, SystemTime now) {
  if (admission.before.state == State::unreadable) {
    health_.raise(
        unread_trouble, admission.before.trouble + "; all mail waits",
        "make the file readable and reload; or, when the partner files and the configuration say what you "
        "want, remove " +
            store_.directory() + " and restart");
    return {};
  }
  health_.clear(unread_trouble);
  if (!admission.before.trouble.empty())
    log::warning("rules_record_mended",
                 {{"why", admission.before.trouble}, {"do", "nothing; the copy was good"}});
  for (const RuleNews& news : admission.guarded.news) log_news(news);
  const auto kept = keep(admission, moment == Moment::start ? "start" : "reload", now);
  if (!kept && moment == Moment::reload) return kept.error();
  tell(admission, now);
  last_.emplace();
  last_->state = State::known;
  last_->rules = rules_in_force(admission.guarded.config);
  last_->sha256 = kept ? *kept : admission.before.sha256;
  if (kept) {
    unwritten_.reset();
    health_.clear(unwritten_trouble);
    return {};
  }
  unwritten_ = admission;
  health_.raise(unwritten_trouble, "the rules in force could not be written down: " + kept.error().detail,
                "make room or mend the disk; it is tried again every minute");
  return {};
}

Expected<std::string> RuleKeeper::keep(const Admission& admission, const std::string& what, SystemTime now) {
  const Guarded& guarded = admission.guarded;
  // What their dates made of the former rules comes before.
  if (admission.before.state == State::known)
    if (auto kept = keep_dates(admission.before.rules, admission.before.sha256, now); !kept)
      return kept.error();
  const RulesStore::Told newest = store_.last_told();
  const auto sha256 = store_.save(rules_in_force(guarded.config), now);
  if (!sha256) return sha256.error();
  std::string before = admission.before.sha256;
  std::vector<RuleNews> news = guarded.news;
  // A process ended between writing the record and its history: the change has not been told.
  if (!last_ && !newest.sha256.empty() && newest.sha256 != before) {
    before = newest.sha256;
    if (const auto former = store_.set(before)) {
      news = guard_rules(&*former, guarded.config, now).news;
      for (RuleNews& each : news) each.held = false;
    }
  }
  looked_ = now;
  if (*sha256 == before && news.empty()) return sha256;
  nlohmann::json entry = history_entry(now, what, guarded.config.sources, before, *sha256, news);
  std::string told = *sha256 + entry["changes"].dump() + entry["files"].dump();
  if (told == last_told_) return sha256;
  if (auto written = store_.append(std::move(entry)); !written) return written.error();
  last_told_ = std::move(told);
  return sha256;
}

// Each date once: those after the newest entry have not been told, since every entry is written behind the dates before it.
Expected<bool> RuleKeeper::keep_dates(const RulesInForce& rules, const std::string& sha256, SystemTime now) {
  if (!looked_) looked_ = store_.last_told().when;
  if (!looked_) return false;
  bool more = false;
  for (const SystemTime when : turns_between(rules.partners, *looked_, now)) {
    const std::vector<RuleNews> news = news_of_date(rules, when);
    if (!news.empty()) {
      if (auto written = store_.append(history_entry(when, "calendar", {}, sha256, sha256, news)); !written)
        return written.error();
      for (const RuleNews& each : news) log_news(each);
      more = true;
    }
    looked_ = when;
  }
  looked_ = std::max(*looked_, now);
  return more;
}

void RuleKeeper::tell(const Admission& admission, SystemTime now) {
  std::string what;
  for (const RuleNews& news : admission.guarded.news)
    if (news.held && news.way == RuleNews::Way::weaker)
      what += (what.empty() ? "" : " | ") + (news.setting ? news.subject : "'" + news.subject + "'") + ": " +
              news.text;
  if (what.empty()) return health_.clear(weaker_trouble);
  health_.raise(
      weaker_trouble,
      "the files ask for less than what was in force, and nothing says that it is on purpose; the former "
      "demands stay in force: " +
          what,
      "restore the files; or add what 'sealpost check' prints, and reload");
  log::warning("rules_held", {{"why", what},
                              {"do", "restore the files, or add to one of them: " +
                                         entries_to_write(admission.guarded.news, now)}});
}

bool RuleKeeper::tend(SystemTime now) {
  if (unwritten_) {
    if (const auto kept = keep(*unwritten_, "start", now); !kept) return false;
    unwritten_.reset();
    health_.clear(unwritten_trouble);
    return true;
  }
  if (!last_) return false;
  const auto more = keep_dates(last_->rules, last_->sha256, now);
  return more && *more;
}

}  // namespace sealpost::app
