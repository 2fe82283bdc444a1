// SPDX-License-Identifier: Apache-2.0
//
// webhooks.db: events in the order in which they are told, how far the journal was read, and how far each webhook has been
// told. An event becomes durable together with the place in the journal behind it; an answer 2xx together with the webhook's
// own place. Calls wait for one another and for the disk, so never on a loop; any thread.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/health.hpp"
#include "mail/envelope.hpp"
#include "mail/message_id.hpp"
#include "spool/follower.hpp"
#include "sqlite/database.hpp"
#include "sqlite/prepared_statements.hpp"
#include "webhooks/event.hpp"
#include "webhooks/settings.hpp"

namespace sealpost::webhooks {

// Events that one webhook is to be told next, in order.
struct Batch {
  std::vector<std::string> events;  // as it is to have them
  std::vector<std::string> ids;     // "evt_..", of those
  std::int64_t from = 0;            // its place before; confirm() asks for it
  std::int64_t through = 0;         // and once these were taken
  SystemTime oldest{};              // of the first one
  bool stopped = false;             // paused, or gone for good: nothing is to be told
  bool untold = false;              // the first one says what was dropped
};

// How far a webhook is.
struct Standing {
  std::string name;
  bool paused = false;
  std::string gone;    // why it is told nothing any more; "": it is
  std::string answer;  // the last one, in words
  std::optional<SystemTime> tried, taken, failing_since;
  std::uint64_t sent = 0, failures = 0, dropped = 0;
  std::uint64_t waiting = 0;         // events; counted up to most_counted
  std::optional<SystemTime> oldest;  // of those
  static constexpr std::uint64_t most_counted = 10'000;
};

struct Dropped {
  std::string webhook;
  std::uint64_t events = 0;
};

struct FoundEvents {
  std::vector<std::string> events;
  std::string cursor;  // event_id of the last one looked at; "": of none
  bool more = false;
};

// A message that is not finished, as far as events need it.
struct OpenMessage {
  std::string sender, account;
  std::vector<std::string> recipients;
  std::vector<bool> done;
  std::int64_t unfinished = 0;
};

class Store {
 public:
  using Now = std::function<SystemTime()>;
  // `health` outlives it; null: what is wrong is only logged. `now`: for the moment at which events begin; in doubt the
  // earlier reading, for what was before it is never told.
  Store(const std::string& path, Now now, Health* health = nullptr);

  // Errc::newer: not to be touched. With any other error it is taken up when it can be.
  Expected<void> open();
  // These from now on, in place of those before: new ones are told what comes, those that are gone are forgotten. Without
  // any nothing is kept: the journal is read anew once there are some. Errors: it is done when the file is open again.
  Expected<void> use(Webhooks webhooks);
  bool idle() const noexcept { return idle_.load(std::memory_order_acquire); }

  // Of the follower.
  Expected<std::optional<spool::Cursor>> cursor();
  // What `work` adds becomes durable together with `next`, or nothing of it.
  Expected<void> commit(const spool::Cursor& next, const std::function<Expected<void>()>& work);
  // Within `work`:
  Expected<void> add(const Event& event);  // but for what was before webhooks began, and what is there
  Expected<std::optional<OpenMessage>> find_open(const MessageId& id);
  Expected<void> begin_open(const MessageId& id, const Envelope& envelope);
  Expected<void> finish_open(const MessageId& id, std::uint32_t recipient);  // which is not done
  Expected<void> end_open(const MessageId& id);
  SystemTime last_time() const noexcept { return last_time_; }
  void note_time(SystemTime when) noexcept { last_time_ = when; }
  // As the ledger has it (ledger/store.hpp): of messages before this one the beginning may not have been read.
  SystemTime horizon() const noexcept { return horizon_; }
  void note_gap() noexcept { horizon_ = SystemTime::max(); }
  void note_arrival(const MessageId& id) noexcept {
    if (horizon_ == SystemTime::max()) horizon_ = id.time();
  }

  // Of senders. `most_through` 0: as many as it takes at once; else none behind that place.
  Expected<Batch> next(const Webhook& webhook, std::int64_t most_through = 0);
  // False: it stands elsewhere by now, because of a replay, or events that were dropped.
  Expected<bool> confirm(const Webhook& webhook, const Batch& batch, SystemTime now,
                         const std::string& answer);
  // What lay between was none of its business.
  Expected<void> pass_over(const Webhook& webhook, const Batch& batch);
  // `gone` not empty: and is to be told nothing any more.
  Expected<void> failed(const std::string& name, SystemTime now, const std::string& answer,
                        const std::string& gone);

  // Of commands. Errc::not_found: no such event is kept.
  Expected<void> pause(const std::string& name, bool paused);  // false: goes on, also what was gone
  Expected<std::uint64_t> replay(const Webhook& webhook, const std::string& from_id);
  Expected<std::uint64_t> replay_since(const Webhook& webhook, SystemTime since);
  Expected<std::vector<Standing>> standings();
  Expected<FoundEvents> events_after(const Webhook& webhook, const std::string& after, std::size_t most);

  // Deletes events older than `before` (nullopt: the date is in doubt, so none is), and the oldest ones while there are more
  // than `octets`. Says whom that kept something from.
  Expected<std::vector<Dropped>> prune(std::optional<SystemTime> before, std::uint64_t octets);

  std::uint64_t events() const noexcept { return events_.load(std::memory_order_relaxed); }  // ever written
  std::uint64_t octets() const noexcept { return octets_shown_.load(std::memory_order_relaxed); }

 private:
  Expected<sqlite::Statement*> prepared(const char* sql);
  Expected<void> ready();
  Expected<void> load();
  Expected<void> enlist();
  Expected<void> rest();
  Expected<void> write_state();
  Expected<void> write(const std::function<Expected<void>()>& work);
  Expected<std::int64_t> newest();
  Expected<std::int64_t> place_of(const std::string& event_id);
  Expected<std::uint64_t> go_back(const Webhook& webhook, std::int64_t through);
  Expected<void> count_waiting(const Webhook& webhook, std::int64_t through, Standing& standing);
  void forget() noexcept;

  std::mutex mutex_;  // guards all but the atomics
  sqlite::Database file_;
  const Now now_;
  sqlite::PreparedStatements statements_;
  std::uint64_t opened_ = 0;
  bool loaded_ = false;
  bool resting_ = false;  // what there was has been forgotten
  Webhooks webhooks_;
  std::atomic<bool> idle_{true};

  spool::Cursor cursor_;  // as in the file
  bool has_cursor_ = false;
  SystemTime last_time_{}, horizon_{};
  std::optional<SystemTime> begun_;
  std::string begun_why_;
  std::int64_t octets_ = 0;
  std::atomic<std::uint64_t> events_{0}, octets_shown_{0};
};

}  // namespace sealpost::webhooks
