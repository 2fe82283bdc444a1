// SPDX-License-Identifier: Apache-2.0
//
// Dispatcher: from an accepted message to its lanes; introduces the shards to each other. Recipients are grouped by next hop; a lane's shard is
// chosen by hash of its key, so it is always the same. Callable from any thread; work for another loop is
// posted to it.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "queue/lane.hpp"
#include "queue/shard.hpp"

namespace sealpost::queue {

// [[route]]: domains that go to a relay instead of their MX hosts.
class RouteTable {
 public:
  RouteTable() = default;
  void add(std::string domain, std::string relay);  // "*" for all others, "*.example" for what lies below
  // The relay for a domain (lower-case A-labels); empty: by MX.
  std::string relay_for(std::string_view domain) const;

 private:
  std::map<std::string, std::string, std::less<>> relays_;
};

class Dispatcher {
 public:
  Dispatcher(std::vector<Shard*> shards, RouteTable routes, const Schedule& schedule);

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

  LaneKey key_for(const Envelope& envelope, const Recipient& recipient) const;
  Shard& shard_for(const LaneKey& key) const noexcept { return *shards_[key.hash() % shards_.size()]; }
  const std::vector<Shard*>& shards() const noexcept { return shards_; }

 private:
  void place(const spool::StoredMessagePtr& message, SystemTime due, bool fresh, const Believed& at);

  std::vector<Shard*> shards_;
  RouteTable routes_;
  const Schedule& schedule_;
  std::atomic<bool> aside_{false};
  std::mutex mutex_;                                 // guards what follows
  std::vector<spool::StoredMessagePtr> kept_aside_;  // in the journal all of them
};

// How often in a row this message's attempts ended with the relay itself (D-12).
std::uint32_t interruptions(const spool::StoredMessage& message) noexcept;

}  // namespace sealpost::queue
