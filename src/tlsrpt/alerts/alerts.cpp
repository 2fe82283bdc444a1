// SPDX-License-Identifier: Apache-2.0
#include "tlsrpt/alerts/alerts.hpp"

#include <algorithm>
#include <array>

#include "base/log.hpp"

namespace sealpost::tlsrpt {
namespace {

constexpr std::array kinds = {"delivery", "certificate", "mta-sts-refresh", "relay", "received"};
constexpr std::size_t most_alerts = 10'000;
// Nothing was sent there for a week: nobody waits, and nothing would ever end it.
constexpr std::chrono::days forgotten_after{7};

SystemTime time_of(std::int64_t seconds) { return SystemTime(std::chrono::seconds(seconds)); }

bool happened(SystemTime time) noexcept { return time != SystemTime{}; }

}  // namespace

std::string_view name_of(AlertKind kind) noexcept { return kinds[static_cast<std::size_t>(kind)]; }

Expected<void> AlertBook::load(Store& store) {
  auto query = store.statement(
      "SELECT kind, subject, since, last_seen, resolved, raised, mailed, what, how FROM alert ORDER BY "
      "resolved LIMIT ?1");
  if (!query) return query.error();
  sqlite3_bind_int64(query->get(), 1, most_alerts);
  int step = SQLITE_ROW;
  while ((step = sqlite3_step(query->get())) == SQLITE_ROW) {
    const std::string kind = column_text(query->get(), 0);
    State state;
    Alert& alert = state.alert;
    std::size_t number = 0;
    while (number < kinds.size() && kind != kinds[number]) ++number;
    if (number == kinds.size()) continue;  // T-54
    alert.kind = static_cast<AlertKind>(number);
    alert.subject = column_text(query->get(), 1);
    alert.since = time_of(sqlite3_column_int64(query->get(), 2));
    alert.last_seen = time_of(sqlite3_column_int64(query->get(), 3));
    alert.resolved = time_of(sqlite3_column_int64(query->get(), 4));
    alert.raised = time_of(sqlite3_column_int64(query->get(), 5));
    alert.mailed = time_of(sqlite3_column_int64(query->get(), 6));
    alert.what = column_text(query->get(), 7);
    alert.how = column_text(query->get(), 8);
    state.in_table = true;
    if (happened(alert.raised) && !happened(alert.resolved)) counters_.open.fetch_add(1);
    alerts_.emplace(Key(alert.kind, alert.subject), std::move(state));
  }
  if (step != SQLITE_DONE) return store.failure("read alerts");
  return {};
}

Expected<void> AlertBook::use(const AlertSettings& settings, Store& store, SystemTime now) {
  const bool was_on = settings_.enabled;
  settings_ = settings;
  looked_on_.clear();  // what reports say is another thing with another number of reporters
  if (!settings_.enabled) {
    alerts_.clear();
    counters_.open.store(0, std::memory_order_relaxed);
    return {};
  }
  if (!was_on)
    if (auto loaded = load(store); !loaded) return loaded;
  if (settings_.certificate.count() == 0) end_unwanted(AlertKind::certificate, now);
  if (settings_.reporters == 0) end_unwanted(AlertKind::received, now);
  return {};
}

// Nothing that is seen would end them.
void AlertBook::end_unwanted(AlertKind kind, SystemTime now) {
  for (auto& [key, state] : alerts_) {
    if (key.first != kind || happened(state.alert.resolved)) continue;
    state.alert.resolved = now;
    state.alert.what += "; the configuration asks for no such alerts any more";
    state.dirty = true;
  }
}

void AlertBook::observe(const Observation& observation) {
  const Key key(observation.kind, observation.subject);
  const auto found = alerts_.find(key);
  const bool lasts = found != alerts_.end() && !happened(found->second.alert.resolved);
  if (!observation.wrong) {
    if (!lasts) return;
    found->second.alert.resolved = observation.when;
    found->second.dirty = true;
    return;
  }
  if (found == alerts_.end() && alerts_.size() >= most_alerts) {
    counters_.left_out.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  State& state = alerts_[key];
  Alert& alert = state.alert;
  // A success that was not yet told and did not last does not end it: one flapping host is one alert.
  const bool begins = !lasts && !(happened(alert.resolved) && state.dirty && happened(alert.raised));
  if (begins) {
    alert.kind = observation.kind;
    alert.subject = observation.subject;
    alert.since = observation.when;
    alert.raised = SystemTime{};
  }
  alert.resolved = SystemTime{};
  alert.last_seen = observation.when;
  alert.what = observation.what;
  alert.how = observation.how;
  state.idle_since = SystemTime{};
  state.dirty = true;
}

void AlertBook::end_all_but(AlertKind kind, const std::set<std::string>& subjects, SystemTime now) {
  Observation observation;
  observation.kind = kind;
  observation.when = now;
  for (const auto& alert : alerts_) {
    const Key& key = alert.first;
    if (key.first != kind || subjects.contains(key.second)) continue;
    observation.subject = key.second;
    observe(observation);
  }
}

void AlertBook::observe_received(Store& store, SystemTime now) {
  auto newest = store.statement("SELECT ifnull(max(id), 0) FROM received_report");
  if (!newest || sqlite3_step(newest->get()) != SQLITE_ROW) return;  // looked at again soon
  const std::int64_t id = sqlite3_column_int64(newest->get(), 0);
  const std::string today = to_utc_day(now);
  if (settings_.reporters == 0 || (id == newest_report_ && today == looked_on_)) return;
  const auto said = observations_of_reports(store, settings_.reporters, now);
  if (!said) {
    log::error("received_reports_unreadable", {{"why", said.error().detail}});
    return;
  }
  std::set<std::string> subjects;
  for (const Observation& observation : *said) {
    subjects.insert(observation.subject);
    observe(observation);
  }
  end_all_but(AlertKind::received, subjects, now);
  newest_report_ = id;
  looked_on_ = today;
}

bool AlertBook::delivery_lasts() const {
  return std::any_of(alerts_.begin(), alerts_.end(), [](const auto& each) {
    return each.first.first == AlertKind::delivery && !happened(each.second.alert.resolved);
  });
}

// For a while, not at one look: mail is between two lanes for a moment, or not yet placed after a start.
void AlertBook::observe_queue(const std::set<std::string>& waiting, SystemTime now) {
  for (auto& [key, state] : alerts_) {
    if (key.first != AlertKind::delivery || happened(state.alert.resolved)) continue;
    if (waiting.contains(key.second)) {
      state.idle_since = SystemTime{};
    } else if (!happened(state.idle_since)) {
      state.idle_since = now;
    } else if (now - state.idle_since >= settings_.after) {
      state.alert.resolved = now;
      state.alert.what += "; no mail waits for it any more: what waited was returned or removed";
      state.dirty = true;
    }
  }
}

void AlertBook::observe_relay(const std::vector<Health::Trouble>& troubles, SystemTime now) {
  std::set<std::string> causes;
  for (const Health::Trouble& trouble : troubles) causes.insert(trouble.cause);
  end_all_but(AlertKind::relay, causes, now);
  Observation observation;
  observation.kind = AlertKind::relay;
  observation.when = now;
  observation.wrong = true;
  for (const Health::Trouble& trouble : troubles) {
    observation.subject = trouble.cause;
    observation.what = trouble.what;
    observation.how = trouble.how;
    observe(observation);
  }
}

Expected<AlertBook::News> AlertBook::news(Store& store, SystemTime now, bool mailing) {
  News news;
  std::vector<Alert> over;
  std::vector<Key> gone;
  const auto before = alerts_;
  for (auto& [key, state] : alerts_) {
    Alert& alert = state.alert;
    if (happened(alert.resolved) && !state.dirty) {  // told; kept only for what was mailed today
      if (!state.unsaved && to_utc_day(alert.resolved) < to_utc_day(now)) gone.push_back(key);
      continue;
    }
    if (!happened(alert.resolved) && now - alert.last_seen > forgotten_after) {
      alert.resolved = now;
      alert.what += "; not seen again for a week";
      state.dirty = true;
    }
    if (happened(alert.resolved)) {
      if (happened(alert.raised)) {
        news.resolved.push_back(alert);
        if (mailing && alert.mailed >= alert.raised) over.push_back(alert);
      } else {
        gone.push_back(key);  // never told, so there is nothing to take back
      }
      continue;
    }
    const bool waits = alert.kind == AlertKind::delivery &&
                       (now - alert.since < settings_.after || happened(state.idle_since));
    if (!happened(alert.raised) && !waits) {
      alert.raised = now;
      state.dirty = true;
      news.raised.push_back(alert);
    }
    if (mailing && happened(alert.raised) && to_utc_day(alert.mailed) < to_utc_day(now)) {
      alert.mailed = now;
      state.dirty = true;
      news.to_mail.push_back(alert);
    }
  }
  news.to_mail.insert(news.to_mail.end(), over.begin(), over.end());
  const auto kept = keep(store, gone);
  const bool refused = !kept && store.file().is_open() && store.file().trouble() <= sqlite::Trouble::refused;
  if (refused) {  // nothing has been told: it is news again at the next look
    alerts_ = before;
    return kept.error();
  }
  for (auto& [key, state] : alerts_) {
    state.unsaved = !kept && (state.dirty || state.unsaved);
    state.dirty = false;
  }
  for (const Key& key : gone) alerts_.erase(key);
  counters_.raised.fetch_add(news.raised.size(), std::memory_order_relaxed);
  counters_.resolved.fetch_add(news.resolved.size(), std::memory_order_relaxed);
  std::uint64_t lasting = 0;
  for (const auto& [key, state] : alerts_) {
    if (happened(state.alert.raised) && !happened(state.alert.resolved)) ++lasting;
  }
  counters_.open.store(lasting, std::memory_order_relaxed);
  return news;
}

// Rows of alerts that were raised stay for whoever asks later (retention.hpp); those never told go.
Expected<void> AlertBook::keep(Store& store, const std::vector<Key>& gone) {
  return store.in_transaction([&]() -> Expected<void> {
    auto erase = store.statement("DELETE FROM alert WHERE kind=?1 AND subject=?2 AND raised=0");
    if (!erase) return erase.error();
    for (const auto& [kind, subject] : gone) {
      const Use use(*erase);
      bind_text(erase->get(), 1, std::string(name_of(kind)));
      bind_text(erase->get(), 2, subject);
      if (sqlite3_step(erase->get()) != SQLITE_DONE) return store.failure("forget an alert");
    }
    auto insert = store.statement(
        "INSERT OR REPLACE INTO alert(kind,subject,since,last_seen,resolved,raised,mailed,what,how) "
        "VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9)");
    if (!insert) return insert.error();
    for (auto& [key, state] : alerts_) {
      if (!state.dirty && !state.unsaved) continue;
      const Alert& alert = state.alert;
      if (happened(alert.resolved) && !happened(alert.raised)) continue;
      const Use use(*insert);
      bind_text(insert->get(), 1, std::string(name_of(alert.kind)));
      bind_text(insert->get(), 2, alert.subject);
      sqlite3_bind_int64(insert->get(), 3, to_unix(alert.since));
      sqlite3_bind_int64(insert->get(), 4, to_unix(alert.last_seen));
      sqlite3_bind_int64(insert->get(), 5, to_unix(alert.resolved));
      sqlite3_bind_int64(insert->get(), 6, to_unix(alert.raised));
      sqlite3_bind_int64(insert->get(), 7, to_unix(alert.mailed));
      bind_text(insert->get(), 8, alert.what);
      bind_text(insert->get(), 9, alert.how);
      if (sqlite3_step(insert->get()) != SQLITE_DONE) return store.failure("keep an alert");
    }
    return {};
  });
}

std::vector<Alert> AlertBook::open(std::size_t most) const {
  std::vector<Alert> all;
  for (const auto& [key, state] : alerts_) {
    if (all.size() == most) break;
    if (happened(state.alert.raised) && !happened(state.alert.resolved)) all.push_back(state.alert);
  }
  return all;
}

std::vector<Alert> AlertBook::pending(std::size_t most) const {
  std::vector<Alert> all;
  for (const auto& [key, state] : alerts_) {
    if (all.size() == most) break;
    if (!happened(state.alert.raised) && !happened(state.alert.resolved)) all.push_back(state.alert);
  }
  return all;
}

void AlertBook::not_mailed(const std::vector<Alert>& alerts) {
  for (const Alert& alert : alerts) {
    const auto found = alerts_.find(Key(alert.kind, alert.subject));
    if (found == alerts_.end() || happened(found->second.alert.resolved)) continue;
    found->second.alert.mailed = SystemTime{};
    found->second.dirty = true;
  }
}

}  // namespace sealpost::tlsrpt
