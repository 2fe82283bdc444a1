// SPDX-License-Identifier: Apache-2.0
//
// Who wants the report of a finished day: looks up _smtp._tls of every domain with sessions (RFC 8460 §3), applies
// the operator's wishes, and leaves one row for each target (jobs.hpp).
#pragma once

#include <string>

#include "dns/resolver.hpp"
#include "tlsrpt/counting/store_access.hpp"
#include "tlsrpt/sending/jobs.hpp"
#include "tlsrpt/sending/settings.hpp"

namespace sealpost::tlsrpt {

// The one target a row stands for; none when its text is no target.
std::optional<ReportTarget> target_of(const std::string& uri);
// What the cap of T-45 is counted by: the mail domain, or the https host.
std::string destination_of(const ReportTarget& target);

class Planner {
 public:
  Planner(event::Loop& loop, StoreAccess& store, dns::Resolver& resolver, const SenderSettings& settings)
      : loop_(loop), store_(store), resolver_(resolver), settings_(settings) {}

  // Every day before `today` that is not yet planned. Days older than two are left alone: whoever switches sending
  // on, or was away for a week, does not send a month at once.
  event::Task<void> plan_before(std::string today);
  // All domains of the day, or one.
  event::Task<void> plan_day(std::string day, std::string only_domain);
  // A row whose lookup failed: once more.
  event::Task<void> look_again(ReportJob job);

 private:
  event::Task<void> plan_domain(ReportJob job);

  event::Loop& loop_;
  StoreAccess& store_;
  dns::Resolver& resolver_;
  const SenderSettings& settings_;
};

}  // namespace sealpost::tlsrpt
