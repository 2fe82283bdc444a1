// SPDX-License-Identifier: Apache-2.0
//
// Store: what each webhook is to be told next, what it took, and what is told again or not kept any longer.
#include <algorithm>

#include "base/digest.hpp"
#include "webhooks/store.hpp"

namespace sealpost::webhooks {
namespace {

constexpr std::size_t most_body_octets = 1u << 20;  // of a request
constexpr std::int64_t most_looked_at = 50'000;     // events in one turn
constexpr std::int64_t most_pruned_at_once = 5'000;

std::optional<SystemTime> time_or_none(const sqlite::Statement& row, int column) {
  if (row.number(column) == 0) return std::nullopt;
  return row.time(column);
}

// What was dropped, in the place where it would have come.
Event gap_of(const std::string& name, std::int64_t events, std::int64_t through, SystemTime when) {
  Event gap;
  gap.id = sha256_octets(name + " " + std::to_string(events) + " " + std::to_string(through)).substr(0, 16);
  gap.kind = "gap";
  gap.when = when;
  gap.body["why"] = "events waited for longer than [webhooks] keep_days, or there were more than most_octets";
  gap.body["events"] = events;
  return gap;
}

}  // namespace

Expected<Batch> Store::next(const Webhook& webhook, std::int64_t most_through) {
  const std::lock_guard lock(mutex_);
  if (auto opened = ready(); !opened) return opened.error();
  Batch batch;
  std::int64_t untold = 0, untold_through = 0;
  SystemTime untold_time{};
  {
    auto own = prepared(
        "SELECT through, paused, gone, untold, untold_through, untold_time FROM webhook WHERE name = ?1");
    if (!own) return own.error();
    auto there = (*own)->bind(1, webhook.name).row();
    if (!there) return there.error();
    if (!*there) return Error(Errc::not_found, "webhook " + webhook.name + " is not known any more");
    batch.from = batch.through = (*own)->number(0);
    batch.stopped = (*own)->number(1) != 0 || !(*own)->text(2).empty();
    untold = (*own)->number(3);
    untold_through = (*own)->number(4);
    untold_time = (*own)->time(5);
    (*own)->reset();
  }
  if (batch.stopped) return batch;
  if (untold > 0) {
    const Event gap = gap_of(webhook.name, untold, untold_through, untold_time);
    batch.events.push_back(to_text(gap));
    batch.ids.push_back(event_name(gap.id));
    batch.oldest = gap.when;
    batch.untold = true;
  }
  auto rows = prepared(
      "SELECT seq, id, time, kind, domain, account, body FROM event WHERE seq > ?1 AND (?2 = 0 OR seq <= ?2) "
      "ORDER BY seq "
      "LIMIT ?3");
  if (!rows) return rows.error();
  (*rows)->bind(1, batch.from).bind(2, most_through).bind(3, most_looked_at);
  std::size_t octets = 0;
  for (;;) {
    auto row = (*rows)->row();
    if (!row) return row.error();
    if (!*row) break;
    const bool wanted = webhook.wants((*rows)->text(3), (*rows)->text(4), (*rows)->text(5));
    if (wanted) {
      std::string text = shown_to(webhook, (*rows)->text(6));
      if (!batch.events.empty() && octets + text.size() > most_body_octets) break;
      octets += text.size();
      if (batch.events.empty()) batch.oldest = (*rows)->time(2);
      batch.events.push_back(std::move(text));
      batch.ids.push_back(event_name((*rows)->text(1)));
    }
    batch.through = (*rows)->number(0);
    if (batch.events.size() >= webhook.batch) break;
  }
  (*rows)->reset();
  return batch;
}

Expected<bool> Store::confirm(const Webhook& webhook, const Batch& batch, SystemTime now,
                              const std::string& answer) {
  const std::lock_guard lock(mutex_);
  bool ours = false;
  auto done = write([&]() -> Expected<void> {
    auto update = prepared(
        "UPDATE webhook SET through = ?2, taken = ?3, tried = ?3, answer = ?4, failing_since = NULL, sent = "
        "sent + ?5, "
        "untold = iif(?6, 0, untold) WHERE name = ?1 AND through = ?7");
    if (!update) return update.error();
    (*update)->bind(1, webhook.name).bind(2, batch.through).bind(3, now).bind(4, answer);
    (*update)->bind(5, static_cast<std::int64_t>(batch.events.size())).bind(6, std::int64_t{batch.untold});
    if (auto updated = (*update)->bind(7, batch.from).done(); !updated) return updated;
    ours = file_.changed() > 0;
    return {};
  });
  if (!done) return done.error();
  return ours;
}

Expected<void> Store::pass_over(const Webhook& webhook, const Batch& batch) {
  const std::lock_guard lock(mutex_);
  return write([&]() -> Expected<void> {
    auto update = prepared("UPDATE webhook SET through = ?2 WHERE name = ?1 AND through = ?3");
    if (!update) return update.error();
    return (*update)->bind(1, webhook.name).bind(2, batch.through).bind(3, batch.from).done();
  });
}

Expected<void> Store::failed(const std::string& name, SystemTime now, const std::string& answer,
                             const std::string& gone) {
  const std::lock_guard lock(mutex_);
  return write([&]() -> Expected<void> {
    auto update = prepared(
        "UPDATE webhook SET tried = ?2, answer = ?3, failing_since = coalesce(failing_since, ?2), failures = "
        "failures + 1, "
        "gone = ?4 WHERE name = ?1");
    if (!update) return update.error();
    return (*update)->bind(1, name).bind(2, now).bind(3, answer).bind(4, gone).done();
  });
}

Expected<void> Store::pause(const std::string& name, bool paused) {
  const std::lock_guard lock(mutex_);
  return write([&]() -> Expected<void> {
    auto update = prepared(
        "UPDATE webhook SET paused = ?2, gone = iif(?2, gone, ''), failing_since = iif(?2, failing_since, "
        "NULL) WHERE name = "
        "?1");
    if (!update) return update.error();
    return (*update)->bind(1, name).bind(2, std::int64_t{paused}).done();
  });
}

Expected<std::int64_t> Store::place_of(const std::string& id) {
  const auto octets = event_octets(id);
  if (!octets) return Error(Errc::invalid, "'" + id + "' is no event_id");
  auto read = prepared("SELECT seq FROM event WHERE id = ?1");
  if (!read) return read.error();
  auto there = (*read)->bind_blob(1, *octets).row();
  if (!there) return there.error();
  const std::int64_t place = *there ? (*read)->number(0) : 0;
  (*read)->reset();
  if (!*there) return Error(Errc::not_found, "event " + id + " is not kept, or not any more");
  return place;
}

// What was told since then is told again, in its order. The number of events.
Expected<std::uint64_t> Store::go_back(const Webhook& webhook, std::int64_t through) {
  auto update = prepared("UPDATE webhook SET through = ?2 WHERE name = ?1 AND through > ?2");
  if (!update) return update.error();
  if (auto done = (*update)->bind(1, webhook.name).bind(2, through).done(); !done) return done.error();
  Standing standing;
  if (auto counted = count_waiting(webhook, through, standing); !counted) return counted.error();
  return standing.waiting;
}

Expected<std::uint64_t> Store::replay(const Webhook& webhook, const std::string& from_id) {
  const std::lock_guard lock(mutex_);
  std::uint64_t events = 0;
  auto done = write([&]() -> Expected<void> {
    auto place = place_of(from_id);
    if (!place) return place.error();
    auto gone = go_back(webhook, *place - 1);
    if (!gone) return gone.error();
    events = *gone;
    return {};
  });
  if (!done) return done.error();
  return events;
}

Expected<std::uint64_t> Store::replay_since(const Webhook& webhook, SystemTime since) {
  const std::lock_guard lock(mutex_);
  std::uint64_t events = 0;
  auto done = write([&]() -> Expected<void> {
    auto read = prepared("SELECT min(seq) FROM event WHERE time >= ?1");
    if (!read) return read.error();
    auto there = (*read)->bind(1, since).row();
    if (!there) return there.error();
    const std::int64_t place = (*read)->number(0);
    (*read)->reset();
    if (place == 0) return {};
    auto gone = go_back(webhook, place - 1);
    if (!gone) return gone.error();
    events = *gone;
    return {};
  });
  if (!done) return done.error();
  return events;
}

Expected<void> Store::count_waiting(const Webhook& webhook, std::int64_t through, Standing& standing) {
  auto rows = prepared("SELECT time, kind, domain, account FROM event WHERE seq > ?1 ORDER BY seq");
  if (!rows) return rows.error();
  (*rows)->bind(1, through);
  while (standing.waiting < Standing::most_counted) {
    auto row = (*rows)->row();
    if (!row) return row.error();
    if (!*row) break;
    if (!webhook.wants((*rows)->text(1), (*rows)->text(2), (*rows)->text(3))) continue;
    if (standing.waiting++ == 0) standing.oldest = (*rows)->time(0);
  }
  (*rows)->reset();
  return {};
}

Expected<std::vector<Standing>> Store::standings() {
  const std::lock_guard lock(mutex_);
  std::vector<Standing> all;
  if (webhooks_.empty()) return all;
  if (auto opened = ready(); !opened) return opened.error();
  for (const WebhookPtr& webhook : webhooks_) {
    auto own = prepared(
        "SELECT through, paused, gone, answer, coalesce(tried, 0), coalesce(taken, 0), "
        "coalesce(failing_since, 0), sent, "
        "failures, dropped FROM webhook WHERE name = ?1");
    if (!own) return own.error();
    auto there = (*own)->bind(1, webhook->name).row();
    if (!there) return there.error();
    if (!*there) continue;
    Standing standing;
    standing.name = webhook->name;
    const std::int64_t through = (*own)->number(0);
    standing.paused = (*own)->number(1) != 0;
    standing.gone = (*own)->text(2);
    standing.answer = (*own)->text(3);
    standing.tried = time_or_none(**own, 4);
    standing.taken = time_or_none(**own, 5);
    standing.failing_since = time_or_none(**own, 6);
    standing.sent = static_cast<std::uint64_t>((*own)->number(7));
    standing.failures = static_cast<std::uint64_t>((*own)->number(8));
    standing.dropped = static_cast<std::uint64_t>((*own)->number(9));
    (*own)->reset();
    if (webhook->url)
      if (auto counted = count_waiting(*webhook, through, standing); !counted) return counted.error();
    all.push_back(std::move(standing));
  }
  return all;
}

Expected<FoundEvents> Store::events_after(const Webhook& webhook, const std::string& after,
                                          std::size_t most) {
  const std::lock_guard lock(mutex_);
  if (auto opened = ready(); !opened) return opened.error();
  FoundEvents found;
  found.cursor = after;
  std::int64_t place = 0;
  if (!after.empty()) {
    auto known = place_of(after);
    if (!known) return known.error();
    place = *known;
  }
  auto rows =
      prepared("SELECT id, kind, domain, account, body FROM event WHERE seq > ?1 ORDER BY seq LIMIT ?2");
  if (!rows) return rows.error();
  (*rows)->bind(1, place).bind(2, most_looked_at);
  for (std::int64_t looked = 1;; ++looked) {
    auto row = (*rows)->row();
    if (!row) return row.error();
    if (!*row) break;
    found.cursor = event_name((*rows)->text(0));
    if (webhook.wants((*rows)->text(1), (*rows)->text(2), (*rows)->text(3)))
      found.events.push_back(shown_to(webhook, (*rows)->text(4)));
    found.more = found.events.size() >= most || looked == most_looked_at;
    if (found.more) break;
  }
  (*rows)->reset();
  return found;
}

// In pieces: the follower and the senders wait meanwhile.
Expected<std::vector<Dropped>> Store::prune(std::optional<SystemTime> before, std::uint64_t octets) {
  std::vector<Dropped> all;
  for (bool more = true; more;) {
    more = false;
    const std::lock_guard lock(mutex_);
    if (webhooks_.empty()) return all;
    std::vector<Dropped> dropped;
    auto done = write([&]() -> Expected<void> {
      auto rows =
          prepared("SELECT seq, time, octets, kind, domain, account FROM event ORDER BY seq LIMIT ?1");
      if (!rows) return rows.error();
      (*rows)->bind(1, most_pruned_at_once);
      std::vector<std::int64_t> through;
      for (const WebhookPtr& webhook : webhooks_) {
        auto own = prepared("SELECT through FROM webhook WHERE name = ?1");
        if (!own) return own.error();
        auto there = (*own)->bind(1, webhook->name).row();
        if (!there) return there.error();
        through.push_back(*there ? (*own)->number(0) : 0);
        (*own)->reset();
        dropped.push_back({webhook->name, 0});
      }
      std::int64_t last = 0, looked = 0;
      SystemTime last_when{};
      for (;;) {
        auto row = (*rows)->row();
        if (!row) return row.error();
        if (!*row) break;
        const bool old = before && (*rows)->time(1) < *before;
        if (!old && octets_ <= static_cast<std::int64_t>(octets)) break;
        ++looked;
        last = (*rows)->number(0);
        last_when = (*rows)->time(1);
        octets_ -= (*rows)->number(2);
        for (std::size_t i = 0; i < webhooks_.size(); ++i)
          if (webhooks_[i]->url && last > through[i] &&
              webhooks_[i]->wants((*rows)->text(3), (*rows)->text(4), (*rows)->text(5)))
            ++dropped[i].events;
      }
      (*rows)->reset();
      if (last == 0) return {};
      more = looked == most_pruned_at_once;
      for (const Dropped& one : dropped) {
        if (one.events == 0) continue;
        auto note = prepared(
            "UPDATE webhook SET dropped = dropped + ?2, untold = untold + ?2, untold_through = ?3, "
            "untold_time = ?4, "
            "through = max(through, ?3) WHERE name = ?1");
        if (!note) return note.error();
        if (auto noted = (*note)
                             ->bind(1, one.webhook)
                             .bind(2, static_cast<std::int64_t>(one.events))
                             .bind(3, last)
                             .bind(4, last_when)
                             .done();
            !noted)
          return noted;
      }
      auto clear = prepared("DELETE FROM event WHERE seq <= ?1");
      if (!clear) return clear.error();
      if (auto cleared = (*clear)->bind(1, last).done(); !cleared) return cleared;
      return write_state();
    });
    if (!done) return done.error();
    for (const Dropped& one : dropped)
      if (one.events > 0) all.push_back(one);
    octets_shown_.store(static_cast<std::uint64_t>(std::max<std::int64_t>(octets_, 0)),
                        std::memory_order_relaxed);
  }
  return all;
}

}  // namespace sealpost::webhooks
