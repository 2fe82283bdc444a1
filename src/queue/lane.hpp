// SPDX-License-Identifier: Apache-2.0
//
// A lane: the mail of one policy domain towards one next hop. It belongs to one worker's shard, so nothing
// here is locked. Couriers (src/delivery) take due jobs from it and give each back exactly once, finished or
// deferred.
#pragma once

#include <compare>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "event/wait.hpp"
#include "mail/dsn.hpp"
#include "queue/concurrency.hpp"
#include "queue/site.hpp"
#include "queue/tally.hpp"
#include "spool/spool.hpp"

namespace sealpost::queue {

// Messages whose requirement can differ never share a lane, so that one decision serves all of a lane's jobs.
struct LaneKey {
  LaneKey() = default;
  std::string recipient_domain;                       // lower-case A-labels
  std::string next_hop;                               // the domain itself, or the configured relay as written
  MessageClass message_class = MessageClass::normal;  // dsn counts as normal here; report stands apart (R21)
  bool requiretls = false;
  bool tls_required_no = false;
  // From the null reverse-path, which is asked less of than other mail with REQUIRETLS (RFC 8689 §5); said only then.
  bool requiretls_bounce = false;
  TlsNeed tls_need = TlsNeed::none;  // what its sender asked for
  // The partner rule that hands this mail to `next_hop`, its gateway, because the partner could not be reached as it
  // demands. Empty: mail on its way to the partner itself.
  std::string gateway_rule;
  // The sender to whom this lane's jobs go back: all of them have failed, or are late, and wait for the notification that
  // says so; or they are notifications that wait for their turn. Empty: mail on its way.
  std::string returns_to;
  // The route with hosts, an account or a level of its own that takes this mail to `next_hop`. Empty: none.
  std::string route;
  // `next_hop` is an operator's word about this mail, and the relay of no route: it has to prove itself.
  bool by_operator = false;
  auto operator<=>(const LaneKey&) const = default;
  std::size_t hash() const noexcept;
};

// What refused the last attempt at some mail, shared by all the mail it refused.
struct PolicyRefusal {
  PolicyRefusal() = default;
  std::string by;  // "mta-sts:20240101", "partner:Noord", "dane:mx.noord.example"
  std::optional<std::chrono::seconds>
      grace;          // how long that partner rule lets mail wait, from the first refusal on
  std::string then;   // and what it does then: "bounced", "handed to the gateway HOST:PORT"
  bool ends = false;  // it is returned then
};

// Who says where a job goes: routes and MX records, but for recipients that its record sends another way; or the last word of
// an operator in this life of the relay, which the message's record, read at the start, does not have.
enum class Way : std::uint8_t { recorded, rerouted, as_configured };

// One message's recipients in this lane.
struct Job {
  Job() = default;
  spool::StoredMessagePtr message;
  std::vector<std::uint32_t> recipients;  // still pending, indexes into the envelope
  std::uint32_t attempts = 0;             // begun, the present one included while it is taken
  bool attempted_since_start = false;
  bool begun = false;  // its attempt is on record and has no outcome yet
  bool delay_notice_sent = false;
  bool ambiguous = false;  // a final reply was lost before (D-15)
  bool held = false;
  bool urgent = false;   // an operator asked for it: passes the lane's back-off once
  bool hurried = false;  // taken because of that
  Way way = Way::recorded;
  std::uint32_t routed = 0;  // by which version of the routes (Dispatcher::misplaced())
  // How old the message was when this life of the relay took it on, and when that was: its age goes on with steady time,
  // whatever the clock does (T-50). Less than zero: so long it waits for the time its sender gave, at which its life begins.
  std::chrono::microseconds age_then{0};
  SteadyTime since{};
  std::chrono::microseconds age(SteadyTime now) const noexcept {
    return age_then + std::chrono::duration_cast<std::chrono::microseconds>(now - since);
  }
  // By the shard's now(), as all times of a lane.
  SystemTime next_attempt{};
  SystemTime not_before{};            // whatever asks for it earlier: its sender does not want that
  SystemTime policy_failing_since{};  // first refusal by policy in an unbroken row; zero: none (grace)
  std::string reason;                 // why it waits, for `queue list` and `queue why`
  spool::AnswerPtr last_answer;       // whose word ended its last attempt
  std::shared_ptr<const PolicyRefusal>
      refused;  // null: the last attempt was not refused by policy, or there is none yet
  // In a lane that returns mail: what its sender is to be told, of each of `recipients` in their order when these have
  // failed; of others, who are late, when there are none. Empty, not null: the message is itself the notification.
  std::shared_ptr<const std::vector<DsnRecipient>> told;
  // Beside it, of each of `recipients` at least, in their order: what will be on record of it then. Null: `told` is not about them.
  std::shared_ptr<const std::vector<spool::RecipientOutcome>> endings;
  Tally::Entry tallied;  // the shard's tally knows it so
};
using JobPtr = std::unique_ptr<Job>;

// What a trouble is about: the connection, or what is known of the destination before there is one and what is asked of it.
enum class Trouble : std::uint8_t { connection, other };

// Whom a courier answers to for the jobs it was given: the lane, or a loan of it on another worker (loan.hpp).
class JobOwner {
 public:
  virtual ~JobOwner() = default;
  virtual const LaneKey& key() const noexcept = 0;
  virtual void finish(JobPtr job) = 0;  // all its recipients are final
  virtual void defer(JobPtr job) = 0;   // next_attempt and reason are set
  // The job goes on in another lane: `copy`, held if an operator asked for that during the attempt, is given to `onward` on
  // the thread of the job's own lane.
  using Onward = std::function<void(JobPtr copy)>;
  virtual void move(JobPtr job, JobPtr copy, Onward onward) = 0;
  // Not the message made trouble: back off for the whole lane. When it was the connection, concurrency shrinks.
  virtual void trouble(SystemTime until, std::string reason, Trouble about) = 0;
  // A transaction worked: back-off ends, concurrency may grow. `took`: how long the host's answers were under way; zero:
  // not known, or the message was so large that its size tells in it.
  virtual void succeeded(Duration took) = 0;
  virtual std::uint32_t failures() const noexcept = 0;  // troubles in a row
};

// A turn under an operator's rate, booked for a lane (delivery/traffic.hpp).
struct Turn {
  Turn(std::string of_, SteadyTime at_) : of(std::move(of_)), at(at_) {}
  std::string of;  // the rate, and whom it counts
  SteadyTime at;
};

class Shard;

class Lane final : public JobOwner {
 public:
  Lane(Shard& shard, LaneKey key);
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  const LaneKey& key() const noexcept override { return key_; }

  // For couriers.
  // The next due job, oldest first; null when none is due, the lane backs off, or the shard wants the
  // courier's place for another lane. The job counts as being attempted until it comes back through finish()
  // or defer().
  JobPtr take();
  // Waits until take() may give something, or `limit` passes; true: look again.
  event::Task<bool> wait_for_work(Duration limit);
  void finish(JobPtr job) override;
  void defer(JobPtr job) override;
  void move(JobPtr job, JobPtr copy, Onward onward) override;
  // Not tried after all, for want of a free connection: first in line again when the lane goes on.
  void put_back(JobPtr job, SystemTime until, std::string reason);
  // The same when the want is not of all connections but of one more: the others go on. Only a lane that has none at all
  // waits until `until`.
  void crowded(JobPtr job, SystemTime until, std::string reason);
  // Where this lane's mail goes. False: the site's places are in use by other lanes; the courier yields, and the lane has its
  // turn when one is free.
  bool at_site(const SitePtr& site);
  void yield(JobPtr job);
  // Each message has to wait for its turn: no help of other workers is wanted.
  void set_paced(bool paced) noexcept { paced_ = paced; }
  // The turns that it has, come or not: one of each rate at most, for the next message that leaves, whichever that is.
  std::vector<Turn>& turns() noexcept { return turns_; }
  // Untried: an operator's rate lets it leave at `until`, and no other job of this lane before.
  void wait_for_turn(JobPtr job, SystemTime until, std::string by);
  void trouble(SystemTime until, std::string reason, Trouble about) override;
  void succeeded(Duration took) override;
  std::uint32_t failures() const noexcept override { return failures_; }
  // Due jobs, taken all at once for an outcome that holds for the whole lane (no such domain, policy unmet).
  std::vector<JobPtr> take_all_due(std::size_t most);
  // The other jobs of this message, due or not, unless held.
  std::vector<JobPtr> take_of(const MessageId& id);
  // For an operator's last word: what waits, held or not, as far as `which` names recipients of it, in jobs of their own,
  // at most so many. They are in flight until they come back, but it is no attempt.
  std::vector<JobPtr> take_for_good(const std::function<std::vector<std::uint32_t>(const Job&)>& which,
                                    std::size_t most);

  // For the shard and its observers.
  std::size_t waiting() const noexcept { return waiting_.size() + due_.size(); }
  std::size_t taken() const noexcept { return taken_; }
  std::uint32_t couriers() const noexcept { return couriers_; }
  // Places, and those in use: of the site, with all its lanes, once that is known; of the domain while that is what it waits
  // for.
  std::uint32_t concurrency() const;
  std::uint32_t places_in_use() const;
  const Site* site() const noexcept { return seat_ ? &seat_->site() : nullptr; }
  SystemTime blocked_until() const noexcept { return blocked_until_; }
  const std::string& blocked_reason() const noexcept { return blocked_reason_; }
  bool waits_for_turn() const noexcept { return waits_for_turn_; }  // that is the reason
  std::string limited_by() const;  // the limit that gives this lane no more places; empty: none
  template <class Visit>
  void each_job(Visit visit) const {
    for (const auto& job : due_) visit(*job, false);
    for (const auto& [when, job] : waiting_) visit(*job, false);
    for (const auto& [id, job] : in_flight_) visit(*job, true);
  }

 private:
  friend class Shard;
  void add(JobPtr job, SystemTime now);
  void no_longer_taken(Job& job);
  void add_first(JobPtr job);
  void wake_due(SystemTime now);  // waiting -> due
  bool blocked(SystemTime now) const noexcept { return now < blocked_until_; }
  bool wants_courier(SystemTime now) const;
  // In force from now on; null: the operator says nothing.
  void set_domain_limit(const SitePtr& limit);
  std::unique_ptr<Site::Seat> seat_at(const SitePtr& site) const;
  // A place of its domain's, if these are limited, and one of its site's.
  bool take_place();
  void give_places_back(std::uint32_t places);
  void pass_on();  // a place that is kept for it: the next one of the site may have that
  bool place_wanted_back(Site::Seat::Served served) const;
  void stop_waiting_for_turn();
  void block(SystemTime until, std::string reason, bool for_turn = false);
  bool troubled(SystemTime now) const noexcept { return now < trouble_until_; }
  // A transaction worked within the hour, and nothing but that since.
  bool works(SystemTime now) const noexcept {
    if (!key_.returns_to.empty()) return true;  // notifications, which are written here
    return failures_ == 0 && now - worked_ < std::chrono::hours(1);
  }
  bool next_place_is_lent(SystemTime now) const noexcept;
  // Copies of the next due jobs, for a loan; they count as taken until they are told to have ended.
  std::vector<JobPtr> lend(std::size_t most);
  void lent_finished(const Job& job);
  void lent_deferred(JobPtr job);
  void lent_untried(const Job& job);
  void lent_moved(const Job& job, JobPtr copy, const Onward& onward);
  std::optional<SystemTime> next_event() const noexcept;
  void hand_out(Job& job);
  void untried(JobPtr job);
  bool hurries_again(JobPtr& job, SystemTime at);
  void leave_to_others(JobPtr job, SystemTime until);
  // Takes out what waits and matches; what is in flight stays. Ends when `match` says that this was all.
  enum class Pick : std::uint8_t { leave, take, stop };
  std::vector<JobPtr> pull(const std::function<Pick(Job&)>& match);
  JobPtr split_off(Job& job, std::vector<std::uint32_t> some);
  void begin_end(Job& job);

  Shard& shard_;
  LaneKey key_;
  std::deque<JobPtr> due_;
  std::multimap<SystemTime, JobPtr> waiting_;  // by next_attempt; held jobs at SystemTime::max()
  std::multimap<MessageId, const Job*> in_flight_;
  struct Lent {
    Lent(JobPtr job_, bool attempted_) : job(std::move(job_)), attempted(attempted_) {}
    JobPtr job;
    bool attempted;  // since start, before it was lent
  };
  std::unordered_map<MessageId, Lent, MessageIdHash> lent_;
  JobPtr no_longer_lent(const Job& job, bool& attempted);
  event::Signal work_;
  std::uint32_t idle_couriers_ = 0;  // in wait_for_work
  std::size_t taken_ = 0;
  std::uint32_t couriers_ = 0;
  std::uint32_t lent_places_ = 0;
  std::uint32_t places_in_doubt_ = 0;  // of its couriers here: since they were sent out nothing has worked
  SystemTime no_loans_until_{};
  Concurrency concurrency_;                  // until the site is known
  std::unique_ptr<Site::Seat> seat_;         // null until then
  std::unique_ptr<Site::Seat> domain_seat_;  // null: an operator says nothing of the domain's connections
  std::uint32_t failures_ = 0;
  std::uint32_t urgent_ = 0;    // due jobs that pass the back-off
  std::uint64_t served_ = 0;    // since the shard last gave this lane a place
  SystemTime worked_{};         // when a transaction last did
  SystemTime placed_{};         // when the shard last gave this lane a place
  SystemTime trouble_until_{};  // what is of trouble in blocked_until_
  std::string trouble_reason_;
  SystemTime blocked_until_{};  // by trouble, for a turn, or for want of something
  std::string blocked_reason_;
  bool waits_for_turn_ = false;
  bool paced_ = false;
  std::vector<Turn> turns_;
  bool listed_ = false;               // in one of the shard's lists of lanes that want a courier
  std::optional<SystemTime> agenda_;  // its entry in the shard's agenda
};

}  // namespace sealpost::queue
