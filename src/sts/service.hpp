// SPDX-License-Identifier: Apache-2.0
//
// MTA-STS at run time (RFC 8461 §3.3, §5.1, §10.2): record lookup, fetch, durable cache, refresh. Lives on the
// resolver loop; calls come from any worker's loop and return there. This is the front of the room; in order:
//
//   1. states.hpp      what was last said of a domain, read by workers without leaving their thread
//   2. domain.hpp      one domain: cached policy, record as last seen, how fetching goes, and what follows (no I/O)
//   3. cached_service  one run per domain: the TXT record, then the policy when it is due (runs.cpp)
//   4. fetch.hpp       the policy over HTTPS, behind policy_fetcher.hpp
//   5. cache.hpp       kept before it is used: sts.db (database.hpp), and beside it a second copy (copy.hpp)
//
// What a record and a policy mean is libsealpost's (sealpost/mta_sts.hpp); what they ask of a session is decide().
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/histogram.hpp"
#include "event/loop.hpp"
#include "event/task.hpp"
#include "sealpost/requirement.hpp"

namespace sealpost::sts {

class StsService {
 public:
  virtual ~StsService() = default;
  // The state to decide with now. A cached unexpired policy that enforces is returned without any network wait, unless
  // its record is known to name another id. On first contact, and when what is cached may be about to ask for more, the
  // call waits for TXT and fetch up to `hold` (S26); a fetch that takes longer shows in StsState::changing.
  virtual event::Task<StsState> state_for(event::Loop& home, std::string policy_domain, Duration hold) = 0;
  // After a policy failure (T-15): look at the TXT id again, refetch when it changed or at most hourly. Returns the
  // state then.
  virtual event::Task<StsState> recheck(event::Loop& home, std::string policy_domain) = 0;

  struct Entry {  // for `sts show`
    std::string domain, id, mode;
    std::vector<std::string> mx;
    SystemTime fetched{}, expires{}, next_refresh{}, last_attempt{};
    unsigned failure_streak = 0;
    std::string last_failure;
  };
  virtual event::Task<std::vector<Entry>> entries(event::Loop& home, std::string domain_filter) = 0;
  virtual event::Task<StsState> refresh(event::Loop& home, std::string policy_domain) = 0;  // `sts refresh`

  // Grows whenever what state_for() would say of some domain may have changed otherwise than by time. Any thread; what
  // was asked for before is still right while this is what it was (T-15).
  virtual std::uint64_t version() const noexcept { return 0; }
  struct Counters {  // read by any thread
    std::atomic<std::uint64_t> fetched{0}, failed{0}, refreshed{0}, alerts{0};
    Histogram fetch{buckets::dialogue};  // of a policy, with the look-up of its host and its turn
  };
  virtual const Counters* counters() const noexcept { return nullptr; }  // null: nothing is ever fetched

  // Called on the service's loop after a domain's policy changed, with its name. Set before it is used.
  virtual void on_change(std::function<void(const std::string&)>) {}
};

}  // namespace sealpost::sts
