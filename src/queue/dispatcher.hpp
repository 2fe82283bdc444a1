// SPDX-License-Identifier: Apache-2.0
//
// Dispatcher: from an accepted message to its lanes; introduces the shards to each other. Recipients are grouped by next hop; a lane's shard is
// chosen by hash of its key, so it is always the same. Callable from any thread; work for another loop is
// posted to it.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "queue/lane.hpp"
#include "queue/shard.hpp"

namespace sealpost::queue {

// [[route]]: mail that goes to a relay instead of the MX hosts of its domain.
class RouteTable {
 public:
  struct Target {
    std::string next_hop;
    std::string route;  // LaneKey::route
    bool operator==(const Target&) const = default;
  };
  RouteTable() = default;
  bool operator==(const RouteTable&) const = default;
  // `domain`: "*" for all others, "*.example" for what lies below. `senders`: as auth::parse_sender_pattern() gives them; none:
  // of anybody.
  void add(const std::string& domain, const std::vector<std::string>& senders, const Target& target);
  // For a sender and a domain (lower-case A-labels); null: by MX. A route for the sender's address comes before one for its
  // domain, and both before those of anybody; then the domain decides, the longest that fits.
  const Target* find(std::string_view sender, std::string_view domain) const;
  // The one to this relay, as written, whose account and level hold for mail that an operator sends there; null: none.
  const Target* to(std::string_view next_hop) const;

 private:
  using ByDomain = std::map<std::string, Target, std::less<>>;
  static const Target* find_in(const ByDomain& routes, std::string_view domain);
  std::map<std::string, ByDomain, std::less<>> by_sender_;  // "": of anybody
};

class Dispatcher {
 public:
  // `schedule`: of recovered().
  Dispatcher(std::vector<Shard*> shards, RouteTable routes, Schedule schedule);

  // A message that has just been stored: due now.
  void accepted(const spool::StoredMessagePtr& message);
  // What replay found: due when the schedule wanted it; overdue mail is spread, so that a restart does not
  // stampede (D-20). Nothing is due later than after the longest gap of the schedule, and nothing is older than it can
  // be, whatever the clock said when it was stored (T-50). Messages that must be tried alone have been dealt with before (probation.hpp, D-12).
  void recovered(const std::vector<spool::StoredMessagePtr>& messages);

  // One message whose turn comes at `due`, or when somebody asks for it.
  void later(const spool::StoredMessagePtr& message, SystemTime due);
  // Between the two what is accepted is kept aside, and nothing but what later() was given is delivered. Any thread.
  void keep_aside();
  void let_go();

  // A job taken out of one lane goes on in another. Any worker's thread.
  void move(const LaneKey& to, JobPtr job);
  JobOwner::Onward into(const LaneKey& to);  // the same, for JobOwner::move(); the dispatcher outlives it

  // Other routes from now on, for mail that comes; what waits: misplaced(). False: they are the same. Any thread.
  bool set_routes(RouteTable routes);
  // Have the routes changed since this job came into lane `from`, so that some of its recipients belong elsewhere? What an
  // operator sent to the relay of no route stays there, and what a gateway has or
  // goes back to its sender, too.
  bool misplaced(const LaneKey& from, const Job& job) const;
  // Such a job, out of its lane: goes on where it belongs now, due at once unless it is held. Any worker's thread.
  void place_anew(const LaneKey& from, JobPtr job);

  LaneKey key_for(const Envelope& envelope, const Recipient& recipient) const;
  // The lane beside `key` that goes to `next_hop`, as in `relay` of a [[route]]: what an operator wants.
  LaneKey rerouted(LaneKey key, const std::string& next_hop) const;
  Shard& shard_for(const LaneKey& key) const noexcept { return *shards_[key.hash() % shards_.size()]; }
  const std::vector<Shard*>& shards() const noexcept { return shards_; }

 private:
  // The routes, and how often they have changed.
  struct Routes {
    RouteTable table;
    std::uint32_t version = 0;
  };
  using RoutesPtr = std::shared_ptr<const Routes>;
  RoutesPtr routes() const;
  static LaneKey key_by(const RouteTable& routes, const Envelope& envelope, const Recipient& recipient);
  static LaneKey rerouted_by(const RouteTable& routes, LaneKey key, const std::string& next_hop);
  static LaneKey key_now(const RouteTable& routes, const LaneKey& from, const Job& job,
                         std::uint32_t recipient);
  void place(const spool::StoredMessagePtr& message, SystemTime due, bool fresh, const Believed& at);

  std::vector<Shard*> shards_;
  mutable std::mutex routes_mutex_;  // guards routes_
  RoutesPtr routes_;
  std::atomic<std::uint32_t> routes_version_{0};
  const Schedule schedule_;
  std::atomic<bool> aside_{false};
  std::mutex mutex_;                                 // guards what follows
  std::vector<spool::StoredMessagePtr> kept_aside_;  // in the journal all of them
};

// How often in a row this message's attempts ended with the relay itself (D-12).
std::uint32_t interruptions(const spool::StoredMessage& message) noexcept;

}  // namespace sealpost::queue
