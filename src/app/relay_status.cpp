// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "admin/trials.hpp"
#include "app/relay.hpp"
#include "app/verdict.hpp"
#include "base/log.hpp"
#include "base/version.hpp"
#include "event/ask.hpp"
#include "privilege/identity.hpp"

namespace sealpost::app {

namespace {

std::string recording_state(const std::vector<Health::Trouble>& troubles) {
  for (const Health::Trouble& trouble : troubles)
    if (trouble.cause == "database evidence.db") return "in memory: " + trouble.what;
  return "recording";
}

// Mail that waits for longer is worth a look: when senders are told, or would be by default.
std::chrono::seconds late_after(const queue::ScheduleSettings& settings) {
  return settings.delay_notice.count() > 0 ? settings.delay_notice : queue::ScheduleSettings().delay_notice;
}

}  // namespace

event::Task<admin::Answer> Relay::status() {
  std::size_t jobs = 0, lanes = 0, couriers = 0, sessions = 0, idle = 0;
  queue::Shard::Waiting waiting;
  for (auto& worker : workers_) {
    struct Counts {
      std::size_t jobs, lanes, couriers, sessions, idle;
      queue::Shard::Waiting waiting;
    };
    auto look = [&worker = *worker] {
      Counts counts{worker.shard().jobs(),
                    worker.shard().lanes(),
                    worker.shard().couriers(),
                    0,
                    worker.courier().idle_connections(),
                    worker.shard().waiting()};
      for (const auto& acceptor : worker.acceptors()) counts.sessions += acceptor->sessions();
      return counts;
    };
    const Counts counts = co_await event::ask(main_, worker->loop(), look);
    jobs += counts.jobs;
    lanes += counts.lanes;
    couriers += counts.couriers;
    sessions += counts.sessions;
    idle += counts.idle;
    waiting.recipients += counts.waiting.recipients;
    waiting.deferred += counts.waiting.deferred;
    waiting.held += counts.waiting.held;
    waiting.active += counts.waiting.active;
    waiting.oldest = std::max(waiting.oldest, counts.waiting.oldest);
  }
  const auto spool = spool_->counters();
  const auto healthy = spool_->room_for(0);
  admin::Json body;
  body["descriptors"]["limit"] = descriptors_.limit;
  body["descriptors"]["in_use"] = descriptors_in_use();
  body["descriptors"]["reserved"] = descriptors_.reserved;
  body["descriptors"]["inbound"] = descriptors_.inbound;
  body["descriptors"]["outbound"] = descriptors_.outbound;
  body["descriptors"]["outbound_open"] = hosts_.open();
  body["log"]["lines_dropped"] = log::dropped();
  body["log"]["octets_waiting"] = log::waiting();
  body["troubles"] = admin::Json::array();
  for (const Health::Trouble& trouble : health_.list())
    body["troubles"].push_back({{"cause", trouble.cause},
                                {"since", to_rfc3339(trouble.since)},
                                {"what", trouble.what},
                                {"remedy", trouble.how}});
  body["clock"] = clock_->status();
  body["version"] = version();
  body["state"] = stopping_ ? "stopping" : taking_mail_ ? "running" : "starting";
  body["hostname"] = config_.hostname;
  body["config"] = config_.source;
  body["data_dir"] = config_.data_dir;
  body["started"] = to_rfc3339(started_);
  body["process"]["user"] = privilege::user_name();
  body["process"]["capabilities"] = privilege::capabilities();
  body["process"]["no_new_privs"] = privilege::no_new_privileges();
  body["process"]["seccomp"] = rights_.walls().seccomp;
  body["process"]["landlock"] = rights_.walls().landlock;
  body["process"]["core_dumps"] = "off";
  body["process"]["keys"] = rights_.key_process();
  body["dnssec"]["state"] = dns::name_of(dnssec_->state());
  body["dnssec"]["explanation"] = dnssec_->explanation();
  body["dnssec"]["wanted"] = in_force_.get()->config.delivery.dane;
  const auto& dns = ares_->counters();
  body["dns"]["asked"] = dns.asked.load();
  body["dns"]["case_differed"] = dns.case_differed.load();
  body["dns"]["suspect"] = dns.suspect.load();
  body["dns"]["waited"] = dns.waited.load();
  body["dns"]["refused"] = dns.refused.load();
  body["queue"]["recipients"] = waiting.recipients;
  body["queue"]["deferred"] = waiting.deferred;
  body["queue"]["held"] = waiting.held;
  body["queue"]["active"] = waiting.active;
  body["queue"]["oldest_s"] = std::chrono::duration_cast<std::chrono::seconds>(waiting.oldest).count();
  body["queue"]["late_after_s"] = late_after(schedule_.settings()).count();
  body["queue"]["jobs"] = jobs;
  body["queue"]["lanes"] = lanes;
  body["queue"]["couriers"] = couriers;
  body["queue"]["idle_connections"] = idle;
  body["intake"]["sessions"] = sessions;
  body["intake"]["connections"] = intake_counters_.connections.load();
  body["intake"]["strangers"] = connections_.strangers();
  body["intake"]["stressed"] = connections_.stressed();
  body["intake"]["turned_away"] = intake_counters_.turned_away.load();
  body["intake"]["turned_away_trusted"] = intake_counters_.turned_away_trusted.load();
  body["intake"]["shed"] = intake_counters_.shed.load();
  body["intake"]["stresses"] = intake_counters_.stresses.load();
  body["intake"]["timed_out"] = intake_counters_.timed_out.load();
  body["intake"]["messages"] = intake_counters_.messages.load();
  body["intake"]["recipients"] = intake_counters_.recipients.load();
  body["intake"]["octets"] = intake_counters_.octets.load();
  body["intake"]["refused"] = intake_counters_.refused.load();
  body["intake"]["authenticated"] = intake_counters_.authenticated.load();
  body["intake"]["auth_failed"] = intake_counters_.auth_failed.load();
  body["delivery"]["delivered"] = totals_.delivered.load();
  body["delivery"]["deferred_attempts"] = totals_.deferred.load();
  body["delivery"]["bounced"] = totals_.bounced.load();
  body["delivery"]["dsns"] = totals_.dsns.load();
  auto& notices = notices_.counters();
  body["notifications"]["waiting"] = notices_.waiting();
  body["notifications"]["held"] = notices_.held();
  body["notifications"]["postponed"] = notices.postponed.load();
  body["notifications"]["gathered"] = notices.gathered.load();
  body["notifications"]["successes_waiting"] = notices_.successes_waiting();
  body["notifications"]["successes_postponed"] = notices.successes_postponed.load();
  body["notifications"]["dropped"] = notices.dropped.load();
  body["notifications"]["expired"] = notices.expired.load();
  body["delivery"]["connections"] = totals_.connections.load();
  body["delivery"]["reused"] = totals_.reused.load();
  body["delivery"]["handshakes"] = totals_.handshakes.load();
  body["delivery"]["encrypted"] = totals_.encrypted.load();
  body["delivery"]["clear"] = totals_.clear.load();
  body["delivery"]["rerouted"] = totals_.rerouted.load();
  body["delivery"]["next_hosts"] = totals_.next_hosts.load();
  body["delivery"]["sessions_spent"] = totals_.sessions_spent.load();
  body["delivery"]["crowded"] = totals_.crowded.load();
  body["delivery"]["decided_again"] = totals_.decided_again.load();
  body["delivery"]["refused_by_policy"] = totals_.refused_by_policy.load();
  body["spool"]["state"] = healthy ? "ok" : healthy.error().detail;
  body["spool"]["messages"] = spool.messages;
  body["spool"]["groups"] = spool.groups;
  body["spool"]["syncs"] = spool.syncs;
  body["spool"]["octets"] = spool.octets;
  body["spool"]["failures"] = spool.failures;
  body["spool"]["segments"] = spool.segments;
  body["spool"]["damaged"] = spool.damaged;
  body["spool"]["set_aside"] = spool.set_aside;
  body["spool"]["live_messages"] = spool.live_messages;
  body["tls_rpt"]["sessions_counted"] = recorder_->counted();
  body["tls_rpt"]["sessions_dropped"] = recorder_->dropped();
  admin::Json alerts = co_await postmaster_->status();
  body["alerts"] = std::move(alerts);
  body["evidence"]["state"] = evidence_ ? recording_state(health_.list()) : "off: " + evidence_off_;
  body["evidence"]["sessions_recorded"] = evidence_ ? evidence_->recorded() : 0;
  body["evidence"]["sessions_dropped"] = evidence_ ? evidence_->dropped() : 0;
  const admin::Trials trials(main_, evidence_.get());
  body["rules_on_trial"] = co_await trials.audit_lines(in_force_.get()->rules);
  body["rule_dates"] = calendar_.ahead();
  body["listener_certificate"] = certificate_watch_.status();
  body["verdict"] = verdict_of(body);
  co_return admin::Answer(std::move(body));
}

// What changed in the rules, for `policy history`; the oldest first.
event::Task<admin::Answer> Relay::rule_history(admin::Json arguments) {
  constexpr std::size_t most = 1000;
  const auto limit = std::clamp<std::int64_t>(arguments.value("limit", std::int64_t{50}), 1, most);
  admin::Json body;
  body["changes"] = rule_keeper_.store().history(arguments.value("partner", std::string()),
                                                 static_cast<std::size_t>(limit));
  body["file"] = rule_keeper_.store().directory() + "/history.jsonl";
  co_return admin::Answer(std::move(body));
}

}  // namespace sealpost::app
