// SPDX-License-Identifier: Apache-2.0
//
// A shard: the lanes of one worker. It hands places for couriers to the lanes that have due mail, round
// robin, so that one domain with a million messages changes nothing for the others (T-42), and keeps the one
// timer that wakes what waits. It does not know how mail is delivered: a Courier does.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "event/wait.hpp"
#include "queue/lane.hpp"
#include "queue/loan.hpp"
#include "queue/schedule.hpp"

namespace sealpost::queue {

struct Filter;

// An operator's last word about mail that waits.
struct LastWord {
  enum class Kind : std::uint8_t { bounce, expire, remove };  // remove: nobody is told
  Kind kind = Kind::bounce;
  std::string note;  // why, in the operator's words; printable, or empty
};

// Delivers a lane's mail: takes jobs from it until take() gives none, each given back. Implemented in
// src/delivery.
class Courier {
 public:
  virtual ~Courier() = default;
  virtual event::Task<void> serve(Lane& lane) = 0;
  // What an operator allows its domain in connections; null: nothing is said. Asked when a lane is made, and by
  // Shard::ask_limits().
  virtual SitePtr limit_for(const LaneKey&) { return nullptr; }
  // The same for a lane of another worker, over a connection of its own; false when it got none.
  virtual event::Task<bool> assist(Loan&) { co_return false; }
  // A job that Lane::take_for_good() gave comes back as with serve(), and `recorded` is let go when its end is on record.
  // Who knows no such word gives it back as it was.
  virtual void end(Lane& lane, JobPtr job, const LastWord&, std::shared_ptr<void> /*recorded*/) {
    lane.defer(std::move(job));
  }
  // Such a job goes on in lane `to`, since an operator sends it to `next_hop` (Spool::reroute()), once that is on record.
  // On an error it is back where it was.
  virtual event::Task<Expected<void>> reroute(Lane& lane, JobPtr job, LaneKey /*to*/,
                                              std::string /*next_hop*/) {
    lane.defer(std::move(job));
    co_return Error(Errc::unavailable, "nobody records it");
  }
};

struct ShardSettings {
  ShardSettings() = default;
  std::uint32_t couriers = 250;  // places in this shard; a quarter of them for lanes that work (Lane::works)
  Concurrency::Bounds concurrency;  // of a lane
  std::uint32_t quantum = 100;      // jobs a lane may serve while others wait for a place
  std::uint32_t lend_from = 32;     // due jobs of a lane from which on other workers help it
};

// What became of it.
struct Ended {
  Ended() = default;
  std::vector<MessageId> messages;  // may name one of them twice
  std::size_t recipients = 0;
  bool more = false;   // as many as were asked for: there may be others
  std::string failed;  // of a reroute: why the journal did not take it, where it did not
};

struct QueueEntry {  // one recipient, for `queue list`
  std::string id, sender, recipient, next_hop, recipient_domain;
  std::string state;  // "active", "waiting", "deferred", "held"
  std::uint32_t attempts = 0;
  SystemTime arrival{}, next_attempt{};
  SystemTime expires{};  // when it is returned if nothing changes: the end of its lifetime, or of its grace
  std::string reason;
  spool::AnswerPtr last_answer;  // Job::last_answer
  std::string policy;            // PolicyRefusal::by
  std::optional<SystemTime> refused_since, grace_ends;
  std::string grace_then;  // what happens when the grace ends
  std::uint64_t size = 0;
  std::string why;  // in words, what stands between it and its next attempt; only when asked for
  spool::StoredMessagePtr message;
  bool operator<(const QueueEntry& other) const noexcept { return id < other.id; }
};

struct Listing {
  std::vector<QueueEntry> entries;  // the oldest messages first
  std::size_t total = 0;            // recipients that match, listed or not
};

// Mail that a filter means, job by job.
struct Match {
  MessageId id;
  std::uint32_t recipients = 0, in_job = 0;  // that match, and all of the job
  bool in_flight = false;
  bool held = false;       // or will be when it comes back
  bool early = false;      // its sender wants it sent later
  bool goes_back = false;  // it has had its end: its sender is about to be told
  bool no_sender = false;  // nobody would hear of its end
};

struct Ages {  // recipients of one row of `queue summary`, by how long they have waited
  std::vector<std::uint64_t> counts;
  std::uint64_t total = 0;
  SystemTime oldest = SystemTime::max();
};
enum class SummaryBy : std::uint8_t { domain, sender, next_hop, reason };

class Shard {
 public:
  Shard(event::Loop& loop, ShardSettings settings, Schedule schedule);
  ~Shard();

  // The shards of all workers, before start(): those that may help each other.
  void meet(const std::vector<Shard*>& all);
  void start(Courier& courier);
  // No new couriers; those that run finish their present job. join() waits for them.
  void drain() noexcept;
  event::Task<void> join();

  void add(const LaneKey& key, JobPtr job);
  // The operator's limits are others now: what waits for them looks again.
  void ask_limits();

  event::Loop& loop() const noexcept { return loop_; }
  bool on_own_thread() const noexcept { return loop_.is_current(); }
  const Schedule& schedule() const noexcept { return schedule_; }
  // Another one from now on: what observers are told. What waits keeps the time of its next attempt.
  void set_schedule(Schedule schedule) { schedule_ = std::move(schedule); }
  // Recipients whose lifetime is over, as far as time goes: they are returned when their next attempt fails, too.
  std::size_t past_lifetime() const;
  // What lanes wait by: it never steps (T-50).
  SystemTime now() const noexcept { return loop_.paced(); }
  SystemTime as_date(SystemTime time) const noexcept;  // for people, and for the journal

  // Observers and operators; all on this shard's loop.
  std::size_t jobs() const noexcept;
  std::size_t lanes() const noexcept { return lanes_.size(); }
  std::size_t couriers() const noexcept { return active_; }
  enum class Why : std::uint8_t { told, left_out };
  Listing list(const Filter& filter, std::size_t most, Why why = Why::told) const;
  void list(std::vector<QueueEntry>& into, std::size_t most) const;  // of everything
  std::vector<Match> matches(const Filter& filter) const;
  // `bounds` rise; one count more than there are of them, for what is older. At most so many rows and one for others:
  // peers that quote an id in each reply have as many reasons as there is mail.
  static constexpr std::size_t most_rows = 10'000;
  static constexpr const char* other_rows = "(others)";
  std::map<std::string, Ages> summary(const Filter& filter, SummaryBy by,
                                      const std::vector<std::chrono::seconds>& bounds,
                                      std::size_t most = most_rows) const;
  struct Waiting {  // recipients
    std::size_t recipients = 0, deferred = 0, held = 0, active = 0;
    std::chrono::seconds oldest{0};  // age of the oldest that is not held
  };
  Waiting waiting() const;                                    // costs nothing
  void waiting_next_hops(std::set<std::string>& into) const;  // of all mail here, in flight or not
  bool attempting(const MessageId& id) const;                 // as often as you like, however much is queued
  // What stands between a message and its next attempt, one line per recipient: `queue why`.
  std::vector<std::string> why(const MessageId& id) const;
  // Due now, whatever the back-off says. Number of jobs changed; jobs in flight are not.
  std::size_t retry(const std::function<bool(const Lane&, const Job&)>& match);
  std::size_t retry(const Filter& filter);
  // What is in flight is held when it comes back; what is held already stays so, for its own reason. `ids` are sorted.
  void hold(const std::vector<MessageId>& ids, const std::string& reason);
  void release(const std::vector<MessageId>& ids);  // due now
  // A hold for `reason` of these could not be recorded: they wait as before, which `why` says.
  void undo_hold(const std::vector<MessageId>& ids, const std::string& reason, const std::string& why);
  // What matches and is not in flight gets its end, at most so many jobs. Returns when that is on record.
  // Bounce and expire pass over what has no sender to tell, and what is on its way back to one.
  event::Task<Ended> end(Filter filter, LastWord word, std::size_t most);
  // The same from another loop.
  event::Task<Ended> end_from(event::Loop& home, Filter filter, LastWord word, std::size_t most);
  // What matches, is not in flight and is not in the lane that `target` says goes on there, due now unless it is held; at
  // most so many jobs. `next_hop` is what is recorded. What goes back to its sender is passed over.
  using RerouteTarget = std::function<LaneKey(const LaneKey& from, const Job& job)>;
  event::Task<Ended> reroute(Filter filter, std::string next_hop, RerouteTarget target, std::size_t most);
  event::Task<Ended> reroute_from(event::Loop& home, Filter filter, std::string next_hop,
                                  RerouteTarget target, std::size_t most);
  // What the relay itself put on hold, notifications apart: the operator has to decide about it.
  struct HeldMail {
    std::size_t count = 0;
    std::string first, why;  // id and reason of one
  };
  HeldMail held_by_relay() const;
  // The reason of a hold of this message, or of one that waits for the end of its attempt.
  std::optional<std::string> hold_of(const MessageId& id) const;
  // Takes out the held notifications that were written before a time; how many stay is added to `held`.
  std::vector<JobPtr> pull_held_notices(SystemTime before, std::size_t& held);

 private:
  friend class Lane;
  friend class Loan;
  // For lanes.
  void changed(Lane& lane);  // due mail, a place or back-off changed: list or schedule it
  bool place_wanted_elsewhere(const Lane& lane) const noexcept;
  // Beyond the usual number a lane has no more places than are free: one alone half of them, two a third each. Whoever
  // comes finds some, however slow a host with many has become (T-42).
  bool spares_a_place_for(const Lane& lane) const noexcept;
  void pump();
  Lane* next_in_turn(SystemTime at);
  std::uint32_t most_in_doubt() const noexcept { return settings_.couriers - settings_.couriers / 4; }
  void remember_success(Lane& lane, SystemTime at);
  SystemTime last_success(const LaneKey& key) const;
  void arm();
  // Lending; each is called on this shard's loop.
  void lend_place(Lane& lane);
  void told(const LaneKey& key, const ShardAddressPtr& by, LoanReport news);
  void help(const ShardAddressPtr& home, const LaneKey& key);
  void lent(const ShardAddressPtr& home, const LaneKey& key, std::vector<JobPtr> jobs);
  void report(Loan& loan, LoanReport news);
  bool place_wanted_for_own() const noexcept;
  event::Task<void> run_assistant(Loan& loan);
  event::Task<void> run_courier(Lane& lane);
  void roused(const LaneKey& key);  // by its site: there may be a place
  void forget_if_empty(Lane& lane);
  void change_waiting(const std::vector<MessageId>& ids, const std::function<bool(const Job&)>& which,
                      const std::function<void(Job&)>& change);
  std::size_t retry_in(Lane& lane, const std::function<bool(const Job&)>& match);
  using MayTake = std::function<bool(const Lane& lane, const Job& job)>;
  std::vector<std::pair<Lane*, JobPtr>> take_for_good(const Filter& filter, const MayTake& may,
                                                      std::size_t most);
  event::Task<void> reroute_one(Lane& lane, JobPtr job, LaneKey to, std::string next_hop,
                                std::shared_ptr<Ended> into);
  void hold_if_asked(Job& job);
  void forget_hold(const MessageId& id);
  void strike_off(Lane& lane) noexcept;
  void tick();

  struct Alarm;
  event::Loop& loop_;
  ShardSettings settings_;
  Schedule schedule_;
  Courier* courier_ = nullptr;
  Tally tally_;
  std::map<LaneKey, std::unique_ptr<Lane>> lanes_;
  std::deque<Lane*> wanting_;  // lanes that want a courier, in turn
  // Those of them for which there is no place but those kept for lanes that work: tarpits of many domains must not take
  // all of them (T-42). The two lists have turns.
  std::deque<Lane*> in_doubt_;
  std::uint32_t places_in_doubt_ = 0;
  bool turn_of_doubt_ = false;
  std::unordered_map<std::size_t, SystemTime> successes_;  // by hash of the key, lanes that are gone too
  std::multimap<SystemTime, Lane*> agenda_;                // when a lane has something to do next
  std::map<MessageId, std::string> hold_on_return_;        // messages in flight, and the reason
  std::size_t active_ = 0;
  bool draining_ = false;
  std::unique_ptr<Alarm> alarm_;
  const ShardAddressPtr address_;
  std::vector<ShardAddressPtr> peers_;
  std::size_t next_peer_ = 0;
  std::map<std::pair<const ShardAddress*, LaneKey>, std::unique_ptr<Loan>>
      loans_;  // from other shards' lanes
  event::TaskScope scope_;
};

}  // namespace sealpost::queue
