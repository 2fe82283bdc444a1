// SPDX-License-Identifier: Apache-2.0
#include "app/metric_lists.hpp"

#include <algorithm>
#include <chrono>

namespace sealpost::app {
namespace {

using metrics::Registry;

// A number of the follower of that name, as of now.
template <class What>
Registry::Read of_one(const spool::JournalSpool& spool, std::string_view name, What what) {
  return [&spool, name, what] {
    for (const spool::FollowerStatus& follower : spool.followers())
      if (follower.name == name) return static_cast<double>(what(follower));
    return 0.0;
  };
}

}  // namespace

void list_intake(Registry& registry, const intake::Counters& counters,
                 const intake::ConnectionLimits& connections, const Observed& observed) {
  registry.gauge("sealpost_intake_sessions", "SMTP sessions that clients have open.", "intake.sessions",
                 [&observed] { return observed.sum([](const auto& worker) { return worker.sessions; }); });
  registry.gauge("sealpost_intake_sessions_strangers", "Of these, those of clients that may not relay.",
                 "intake.strangers", [&connections] { return static_cast<double>(connections.strangers()); });
  registry.gauge("sealpost_intake_stressed", "1 while places for clients that may not relay are scarce.", "",
                 [&connections] { return connections.stressed() ? 1.0 : 0.0; });
  registry.counter("sealpost_intake_connections_total", "Connections that became sessions.",
                   "intake.connections", counters.connections);
  registry.counter("sealpost_intake_turned_away_total",
                   "Connections turned away before their first command: for a limit, at the end, from where "
                   "none may come.",
                   "intake.turned_away", counters.turned_away);
  registry.counter("sealpost_intake_turned_away_trusted_total", "Of these, those of clients that may relay.",
                   "intake.turned_away_trusted", counters.turned_away_trusted);
  registry.counter("sealpost_intake_shed_total", "Sessions of strangers ended for a client that may relay.",
                   "intake.shed", counters.shed);
  registry.counter("sealpost_intake_stresses_total", "Times that a worker found places for strangers scarce.",
                   "intake.stresses", counters.stresses);
  registry.counter("sealpost_intake_timed_out_total", "Sessions ended because their client was too slow.",
                   "intake.timed_out", counters.timed_out);
  registry.counter("sealpost_intake_encrypted_total", "Sessions that began TLS.", "intake.encrypted",
                   counters.encrypted);
  registry.counter("sealpost_intake_handshakes_failed_total", "TLS handshakes with clients that failed.",
                   "intake.handshakes_failed", counters.handshakes_failed);
  registry.counter("sealpost_intake_messages_total", "Messages taken in: each was answered 250 and is kept.",
                   "intake.messages", counters.messages);
  registry.counter("sealpost_intake_recipients_total", "Recipients of messages taken in.",
                   "intake.recipients", counters.recipients);
  registry.counter("sealpost_intake_bytes_total", "Octets of messages taken in.", "intake.octets",
                   counters.octets);
  registry.counter("sealpost_intake_reports_total",
                   "Messages with TLS reports of others, to an address of tls_rpt.receive.", "intake.reports",
                   counters.reports);
  registry.counter("sealpost_intake_refusals_total", "Commands and messages answered 4yz or 5yz.",
                   "intake.refused", counters.refused);
  registry.counter("sealpost_intake_authenticated_total", "Clients that logged in.", "intake.authenticated",
                   counters.authenticated);
  registry.counter("sealpost_intake_authentications_failed_total", "Logins that failed.",
                   "intake.auth_failed", counters.auth_failed);
  registry.counter("sealpost_intake_storage_errors_total", "Messages refused because they could not be kept.",
                   "intake.storage_errors", counters.storage_errors);
  registry.histogram("sealpost_intake_acknowledgement_seconds", "From the end of a message to its 250.",
                     counters.acknowledgement);
  registry.histogram("sealpost_intake_handshake_seconds", "TLS handshakes with clients that went well.",
                     counters.handshake);
}

void list_queue(Registry& registry, const Observed& observed) {
  const auto waiting = [&observed](auto member) {
    return [&observed, member] {
      return observed.sum([member](const auto& worker) { return worker.waiting.*member; });
    };
  };
  using Waiting = queue::Shard::Waiting;
  registry.gauge("sealpost_queue_recipients", "Recipients in the queue.", "queue.recipients",
                 waiting(&Waiting::recipients));
  constexpr const char* states =
      "Recipients in the queue, by state: due, deferred, held by hand or by the relay, active.";
  registry.gauge("sealpost_queue_state_recipients", states, "",
                 [&observed] {
                   return observed.sum([](const auto& worker) {
                     const Waiting& all = worker.waiting;
                     return all.recipients - std::min(all.recipients, all.deferred + all.held + all.active);
                   });
                 },
                 {{"state", "due"}});
  registry.gauge("sealpost_queue_state_recipients", states, "queue.deferred", waiting(&Waiting::deferred),
                 {{"state", "deferred"}});
  registry.gauge("sealpost_queue_state_recipients", states, "queue.held", waiting(&Waiting::held),
                 {{"state", "held"}});
  registry.gauge("sealpost_queue_state_recipients", states, "queue.active", waiting(&Waiting::active),
                 {{"state", "active"}});
  registry.gauge("sealpost_queue_oldest_seconds", "Age of the oldest mail that waits and is not held.",
                 "queue.oldest_s", [&observed] {
                   std::chrono::seconds oldest{0};
                   for (const auto& worker : observed.workers)
                     oldest = std::max(oldest, worker.waiting.oldest);
                   return static_cast<double>(oldest.count());
                 });
  const auto of_worker = [&observed](auto member) {
    return
        [&observed, member] { return observed.sum([member](const auto& worker) { return worker.*member; }); };
  };
  using OfWorker = Observed::OfWorker;
  registry.gauge("sealpost_queue_jobs", "Messages at a next hop that wait or are under way.", "queue.jobs",
                 of_worker(&OfWorker::jobs));
  registry.gauge("sealpost_queue_lanes", "Next hops that mail is for.", "queue.lanes",
                 of_worker(&OfWorker::lanes));
  registry.gauge("sealpost_queue_couriers", "Deliveries under way.", "queue.couriers",
                 of_worker(&OfWorker::couriers));
  registry.gauge("sealpost_delivery_idle_connections", "Connections kept for more mail.",
                 "queue.idle_connections", of_worker(&OfWorker::idle));
}

void list_delivery(Registry& registry, const delivery::Totals& totals) {
  registry.counter("sealpost_delivery_delivered_total", "Recipients delivered.", "delivery.delivered",
                   totals.delivered);
  registry.counter("sealpost_delivery_deferred_total", "Attempts for a recipient that are to be made again.",
                   "delivery.deferred_attempts", totals.deferred);
  registry.counter("sealpost_delivery_bounced_total", "Recipients given up.", "delivery.bounced",
                   totals.bounced);
  registry.counter("sealpost_delivery_notifications_total", "Notifications (DSN) made.", "delivery.dsns",
                   totals.dsns);
  registry.counter("sealpost_delivery_rerouted_total", "Messages handed to the gateway of a partner rule.",
                   "delivery.rerouted", totals.rerouted);
  registry.counter("sealpost_delivery_connections_total", "Connections to hosts.", "delivery.connections",
                   totals.connections);
  registry.counter("sealpost_delivery_reused_total", "Times that a connection was used for further mail.",
                   "delivery.reused", totals.reused);
  registry.counter("sealpost_delivery_handshakes_total", "TLS handshakes with hosts that went well.",
                   "delivery.handshakes", totals.handshakes);
  constexpr const char* how = "Attempts at a host that was reached, by how: encrypted, or in clear.";
  registry.counter("sealpost_delivery_transport_total", how, "delivery.encrypted", totals.encrypted,
                   {{"transport", "encrypted"}});
  registry.counter("sealpost_delivery_transport_total", how, "delivery.clear", totals.clear,
                   {{"transport", "clear"}});
  registry.counter("sealpost_delivery_refused_by_policy_total",
                   "Hosts that got no mail because a demand was not met.", "delivery.refused_by_policy",
                   totals.refused_by_policy);
  using Counts = delivery::VerdictCounts;
  for (std::size_t source = 0; source <= Counts::nobody; ++source)
    for (const Counts::Result result : Counts::results)
      registry.counter("sealpost_delivery_verdicts_total",
                       "Demands on hosts by who made them, and how they were met.", "",
                       totals.verdicts.of(source, result),
                       {{"source", std::string(Counts::source_name(source))},
                        {"result", std::string(Counts::result_name(result))}});
  registry.counter("sealpost_delivery_next_hosts_total", "Times that an attempt went on to another host.",
                   "delivery.next_hosts", totals.next_hosts);
  registry.counter("sealpost_delivery_sessions_spent_total",
                   "Sessions that carried all that the host takes in one.", "delivery.sessions_spent",
                   totals.sessions_spent);
  registry.counter("sealpost_delivery_converted_total", "Messages made 7-bit for a host without 8BITMIME.",
                   "delivery.converted", totals.converted);
  registry.counter("sealpost_delivery_logins_total", "Logins at smart hosts that went well.",
                   "delivery.logins", totals.logins);
  registry.counter("sealpost_delivery_logins_refused_total", "Logins at smart hosts that failed.",
                   "delivery.logins_refused", totals.logins_refused);
  registry.counter("sealpost_delivery_crowded_total",
                   "Connections refused by a host that had others of this relay.", "delivery.crowded",
                   totals.crowded);
  registry.counter("sealpost_delivery_decided_again_total", "Attempts whose policy changed before MAIL.",
                   "delivery.decided_again", totals.decided_again);
  registry.histogram("sealpost_delivery_age_seconds", "Age of a recipient's mail when it was delivered.",
                     totals.age);
  registry.histogram("sealpost_delivery_attempt_seconds",
                     "One message at its next hop: plan, connection and transactions.", totals.attempt);
  registry.histogram("sealpost_delivery_handshake_seconds",
                     "From STARTTLS to the end of a handshake with a host that went well.", totals.handshake);
}

void list_sites(Registry& registry, const queue::Sites& sites, const delivery::RateKeeper& rates) {
  registry.gauge("sealpost_delivery_sites",
                 "Sites that mail went to lately: sets of hosts that domains share.", "delivery.sites",
                 [&sites] { return static_cast<double>(sites.size()); });
  registry.gauge("sealpost_delivery_rates", "Domains and sites whose turns under a rate are remembered.",
                 "delivery.rates", [&rates] { return static_cast<double>(rates.size()); });
}

void list_notices(Registry& registry, delivery::NoticeBudget& notices) {
  const auto number = [](auto value) { return static_cast<double>(value); };
  registry.gauge("sealpost_notifications_waiting", "Notifications that wait for their turn.",
                 "notifications.waiting", [&notices, number] { return number(notices.waiting()); });
  registry.gauge("sealpost_notifications_held", "Notifications that cannot be delivered, and are held.",
                 "notifications.held", [&notices, number] { return number(notices.held()); });
  registry.gauge("sealpost_notifications_successes_waiting", "Notices of a success that wait for their turn.",
                 "notifications.successes_waiting",
                 [&notices, number] { return number(notices.successes_waiting()); });
  const auto& counters = notices.counters();
  registry.counter("sealpost_notifications_postponed_total", "Failures that waited to be told with others.",
                   "notifications.postponed", counters.postponed);
  registry.counter("sealpost_notifications_gathered_total", "Recipients told of beside another one's.",
                   "notifications.gathered", counters.gathered);
  registry.counter("sealpost_notifications_successes_postponed_total",
                   "Notices of a success that had to wait.", "notifications.successes_postponed",
                   counters.successes_postponed);
  registry.counter("sealpost_notifications_dropped_total", "Notifications dropped over a bound.",
                   "notifications.dropped", counters.dropped);
  registry.counter("sealpost_notifications_expired_total",
                   "Notifications that could not be delivered for long enough.", "notifications.expired",
                   counters.expired);
}

void list_spool(Registry& registry, const spool::JournalSpool& spool) {
  const auto& counters = spool.engine_counters();
  const auto now = [](const std::atomic<std::uint64_t>& value) {
    return [&value] { return static_cast<double>(value.load(std::memory_order_relaxed)); };
  };
  registry.gauge("sealpost_journal_healthy", "1 while mail can be taken and what happens to it recorded.", "",
                 [&spool] { return spool.room_for(0) ? 1.0 : 0.0; });
  registry.counter("sealpost_journal_messages_total", "Messages written.", "spool.messages",
                   counters.messages);
  registry.counter("sealpost_journal_groups_total", "Groups of records written.", "spool.groups",
                   counters.groups);
  registry.counter("sealpost_journal_syncs_total", "Times that the disk was waited for.", "spool.syncs",
                   counters.syncs);
  registry.counter("sealpost_journal_bytes_total", "Octets written.", "spool.octets", counters.octets);
  registry.counter("sealpost_journal_failures_total", "Writes or syncs that failed.", "spool.failures",
                   counters.failures);
  registry.gauge("sealpost_journal_segments", "Files of the journal.", "spool.segments",
                 now(counters.segments));
  registry.gauge("sealpost_journal_live_messages", "Messages with recipients that wait.",
                 "spool.live_messages", now(counters.live_messages));
  registry.gauge("sealpost_journal_damaged_stretches", "Stretches that the start could not read.",
                 "spool.damaged", now(counters.damaged));
  registry.gauge("sealpost_journal_set_aside_files", "Files in corrupt/ that nobody has dealt with.",
                 "spool.set_aside", now(counters.set_aside));
  registry.histogram("sealpost_journal_sync_seconds", "To write a batch and sync it.", counters.sync);
}

void list_ledger(Registry& registry, const ledger::LedgerFollower& ledger, const spool::JournalSpool& spool) {
  const auto& counters = ledger.counters();
  const auto of_follower = [&spool](auto what) { return of_one(spool, "ledger", what); };
  registry.gauge("sealpost_ledger_rows", "The number of the last row of the ledger.", "ledger.rows",
                 [&counters] { return static_cast<double>(counters.rows.load(std::memory_order_relaxed)); });
  registry.counter("sealpost_ledger_commits_total", "Transactions written to the ledger.", "ledger.commits",
                   counters.commits);
  registry.counter("sealpost_ledger_failures_total",
                   "Transactions that the ledger could not take; they come again.", "ledger.failures",
                   counters.failures);
  registry.gauge("sealpost_ledger_lag_bytes", "Octets of the journal that the ledger has not read yet.",
                 "ledger.octets_behind",
                 of_follower([](const spool::FollowerStatus& status) { return status.octets_behind; }));
  registry.counter("sealpost_ledger_gaps_total", "Parts of the journal that the ledger could not read.",
                   "ledger.gaps",
                   of_follower([](const spool::FollowerStatus& status) { return status.missed; }));
}

void list_webhooks(Registry& registry, const webhooks::Senders& senders, const spool::JournalSpool& spool) {
  const auto of_follower = [&spool](auto what) { return of_one(spool, "webhooks", what); };
  const auto count = [&](const char* name, const char* help, const char* where, auto what) {
    registry.counter(name, help, where, [&senders, what] { return static_cast<double>(what(senders)); });
  };
  count("sealpost_webhook_events_total", "Events written for webhooks.", "webhooks.events",
        [](const webhooks::Senders& all) { return all.store().events(); });
  count("sealpost_webhook_sent_total", "Events that a webhook has taken, each as often as it did.",
        "webhooks.sent", [](const webhooks::Senders& all) { return all.counted().sent; });
  count("sealpost_webhook_requests_total", "Requests to webhooks.", "webhooks.requests",
        [](const webhooks::Senders& all) { return all.counted().requests; });
  count("sealpost_webhook_failures_total", "Of these, those that were not answered 2xx.", "webhooks.failures",
        [](const webhooks::Senders& all) { return all.counted().failures; });
  count("sealpost_webhook_dropped_total", "Events that a webhook was not told while they were kept.",
        "webhooks.dropped", [](const webhooks::Senders& all) { return all.dropped(); });
  registry.gauge("sealpost_webhook_kept_bytes", "Octets of events in webhooks.db.", "webhooks.octets_kept",
                 [&senders] { return static_cast<double>(senders.store().octets()); });
  registry.gauge("sealpost_webhook_journal_lag_bytes",
                 "Octets of the journal that the webhooks have not read yet.", "webhooks.octets_behind",
                 of_follower([](const spool::FollowerStatus& status) { return status.octets_behind; }));
  registry.counter("sealpost_webhook_gaps_total", "Parts of the journal that the webhooks could not read.",
                   "webhooks.gaps",
                   of_follower([](const spool::FollowerStatus& status) { return status.missed; }));
  const auto each = [&](const char* name, const char* help, auto what) {
    registry.gauges(name, help, [&senders, what] {
      std::vector<metrics::Sample> samples;
      for (const webhooks::Standing& standing : senders.last_standings())
        samples.emplace_back(metrics::Labels{{"webhook", standing.name}}, what(standing));
      return samples;
    });
  };
  each("sealpost_webhook_waiting", "Events that a webhook was not told yet; counted up to 10000.",
       [](const webhooks::Standing& standing) { return static_cast<double>(standing.waiting); });
  each("sealpost_webhook_lag_seconds", "Age of the oldest of these.",
       [&senders](const webhooks::Standing& standing) {
         return static_cast<double>(senders.lag(standing).count());
       });
  each("sealpost_webhook_failing",
       "1 while its last answer was none to be content with, or it is told nothing.",
       [](const webhooks::Standing& standing) {
         return standing.failing_since || !standing.gone.empty() ? 1.0 : 0.0;
       });
}

void list_names(Registry& registry, const dns::AresResolver::Counters& counters, const Observed& observed) {
  registry.counter("sealpost_dns_asked_total", "Questions put to DNS servers.", "dns.asked", counters.asked);
  registry.counter("sealpost_dns_failed_total", "Questions that no server answered, those refused included.",
                   "dns.failed", counters.failed);
  registry.counter("sealpost_dns_case_differed_total",
                   "Answers not to the letters asked, asked again over TCP.", "dns.case_differed",
                   counters.case_differed);
  registry.counter("sealpost_dns_suspect_total",
                   "Of these, those from servers that are known to keep the letters.", "dns.suspect",
                   counters.suspect);
  registry.counter("sealpost_dns_waited_total", "Questions that waited for their turn.", "dns.waited",
                   counters.waited);
  registry.counter("sealpost_dns_refused_total", "Questions not asked, because too many were before them.",
                   "dns.refused", counters.refused);
  registry.histogram("sealpost_dns_answer_seconds",
                     "One question that was not in the cache: its turn, all servers and aliases together.",
                     counters.answer);
  constexpr const char* looked = "Questions by how the cache met them; failure is part of miss.";
  const auto of_cache = [&](const char* result, auto member) {
    registry.counter("sealpost_dns_cache_total", looked, "",
                     [&observed, member] { return static_cast<double>(observed.names.*member); },
                     {{"result", result}});
  };
  using Cache = dns::CachingResolver::Counters;
  of_cache("hit", &Cache::hits);
  of_cache("miss", &Cache::misses);
  of_cache("joined", &Cache::joined);
  of_cache("failure", &Cache::failures);
  registry.gauge("sealpost_dns_cache_answers", "Answers in the cache.", "",
                 [&observed] { return static_cast<double>(observed.names_kept); });
}

void list_policies(Registry& registry, const sts::StsService::Counters* counters) {
  if (counters == nullptr) return;
  registry.counter("sealpost_mta_sts_fetched_total", "MTA-STS policies fetched.", "mta_sts.fetched",
                   counters->fetched);
  registry.counter("sealpost_mta_sts_fetch_failures_total", "MTA-STS policies that could not be fetched.",
                   "mta_sts.failed", counters->failed);
  registry.counter("sealpost_mta_sts_refreshed_total", "Refreshes of MTA-STS policies ahead of time, begun.",
                   "mta_sts.refreshed", counters->refreshed);
  registry.histogram("sealpost_mta_sts_fetch_seconds",
                     "One MTA-STS policy, with the look-up of its host and its turn.", counters->fetch);
}

}  // namespace sealpost::app
