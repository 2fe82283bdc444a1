// SPDX-License-Identifier: Apache-2.0
//
// What each part counts, under which name and with which meaning: the lists behind /metrics and the numbers of `status`
// (docs/monitoring.md). All that is passed outlives the registry.
#pragma once

#include "app/observed.hpp"
#include "base/metrics.hpp"
#include "delivery/context.hpp"
#include "delivery/hosts.hpp"
#include "delivery/traffic.hpp"
#include "dns/ares_resolver.hpp"
#include "intake/settings.hpp"
#include "ledger/follower.hpp"
#include "queue/site.hpp"
#include "spool/journal_spool.hpp"
#include "sts/service.hpp"
#include "webhooks/senders.hpp"

namespace sealpost::app {

void list_intake(metrics::Registry& registry, const intake::Counters& counters,
                 const intake::ConnectionLimits& connections, const Observed& observed);
void list_queue(metrics::Registry& registry, const Observed& observed);
void list_delivery(metrics::Registry& registry, const delivery::Totals& totals);
void list_sites(metrics::Registry& registry, const queue::Sites& sites, const delivery::RateKeeper& rates);
void list_notices(metrics::Registry& registry, delivery::NoticeBudget& notices);
void list_spool(metrics::Registry& registry, const spool::JournalSpool& spool);
void list_ledger(metrics::Registry& registry, const ledger::LedgerFollower& ledger,
                 const spool::JournalSpool& spool);
void list_webhooks(metrics::Registry& registry, const webhooks::Senders& senders,
                   const spool::JournalSpool& spool);
void list_names(metrics::Registry& registry, const dns::AresResolver::Counters& counters,
                const Observed& observed);
void list_policies(metrics::Registry& registry, const sts::StsService::Counters* counters);

}  // namespace sealpost::app
