// SPDX-License-Identifier: Apache-2.0
//
// The MTA-STS record and policy of an own domain (RFC 8461 §3.1, §3.2), held against its MX hosts. Pure.
#pragma once

#include <string>
#include <vector>

#include "dns/resolver.hpp"
#include "publishing/item.hpp"
#include "sealpost/clock.hpp"
#include "sealpost/expected.hpp"
#include "sts/policy_fetcher.hpp"

namespace sealpost::publishing {

Item judge_sts_record(const dns::Answer& answer, const std::string& domain, SystemTime now);

// `hosts`: the domain's MX hosts; empty when they are not known, which `hosts_known` tells.
struct StsHosts {
  std::vector<std::string> hosts;
  bool known = false;
};
Item judge_sts_policy(const Expected<std::string, sts::FetchFailure>& fetched, const std::string& domain,
                      const StsHosts& mx);

}  // namespace sealpost::publishing
