// SPDX-License-Identifier: Apache-2.0
//
// Filter: which mail of the queue is meant. The one language of all `queue` verbs: what is given must all hold. In
// patterns `*` stands for anything; letters count the same in either case.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "mail/message_id.hpp"
#include "queue/lane.hpp"

namespace sealpost::queue {

struct Filter {
  Filter() = default;
  explicit Filter(const MessageId& id) : ids(1, id) {}
  std::vector<MessageId> ids;     // one of these, sorted; empty: any
  std::string sender, recipient;  // an address; a domain, with or without "@"; "<>" is the null reverse-path
  std::string domain;             // of recipients, or the relay it goes through
  std::string next_hop;
  std::string reason;  // words in it
  std::string policy;  // what refused the last attempt: "mta-sts", "partner:Noord", or the rule's name alone
  std::string state;   // "active", "waiting", "deferred", "held"; empty: any
  std::chrono::seconds older{0};
  // What was not there when an operator looked is not meant. Steady time, whatever the clock does meanwhile; all that is
  // in the queue after a restart has come later.
  std::optional<SteadyTime> as_of;

  bool names_ids() const noexcept { return !ids.empty(); }
  bool all() const noexcept;  // nothing is asked
};

std::string_view state_of(const Job& job, bool in_flight) noexcept;
// Why a job waits: its own reason, or its lane's.
const std::string& reason_of(const Lane& lane, const Job& job) noexcept;

// Cheap when asked of one lane after another: what holds for all of its jobs is looked at once.
class LaneFilter {
 public:
  // All that is passed outlives it. `now` is the shard's steady time.
  LaneFilter(const Filter& filter, const Lane& lane, SteadyTime now);
  bool none() const noexcept { return none_; }
  // The recipients of the job that match, as indexes into its envelope.
  std::vector<std::uint32_t> matching(const Job& job, bool in_flight) const;
  bool any(const Job& job, bool in_flight) const;

 private:
  bool job_matches(const Job& job, bool in_flight) const;
  bool every_recipient() const noexcept;  // of a job that matches
  bool recipient_matches(const std::string& address) const;
  const Filter& filter_;
  const Lane& lane_;
  const SteadyTime now_;
  bool none_ = false, domain_by_recipient_ = false;
};

}  // namespace sealpost::queue
