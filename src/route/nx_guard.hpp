// SPDX-License-Identifier: Apache-2.0
//
// A resolver that answers NXDOMAIN for everything must not bounce the queue (T-41): while too large a share
// of the domains looked up lately does not exist, or one that was there minutes ago is denied as well,
// NXDOMAIN is treated as a passing failure. Thread-safe.
#pragma once

#include <mutex>
#include <string>
#include <unordered_map>

#include "dns/resolver.hpp"
#include "event/task.hpp"
#include "sealpost/clock.hpp"

namespace sealpost::delivery {

class NxGuard {
 public:
  void saw(const std::string& domain, bool nxdomain, SteadyTime now);
  // May "no such domain" be believed now? No, when of at least 20 domains of the last ten minutes more than
  // 20 % did not exist.
  bool believable(SteadyTime now) const;
  // The domain of the last ten minutes that was seen to exist the longest ago, so that a resolver can be asked
  // for it again; empty when there is none.
  std::string witness(SteadyTime now) const;

 private:
  struct Seen {
    SteadyTime when;
    bool nxdomain;
  };
  mutable std::mutex mutex_;
  std::unordered_map<std::string, Seen> recent_;
};

// Why it is not to be believed now that a name does not exist; empty when it is (T-41).
event::Task<std::string> doubt_of_absence(dns::Resolver& resolver, const NxGuard& guard, std::string domain,
                                          SteadyTime now);

}  // namespace sealpost::delivery
