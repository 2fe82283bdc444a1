// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "admin/trials.hpp"
#include "app/relay.hpp"
#include "app/verdict.hpp"
#include "base/log.hpp"
#include "base/version.hpp"
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

// "intake.messages" is a key in a table.
void put_number(admin::Json& body, std::string_view where, double value) {
  const std::size_t dot = where.find('.');
  body[std::string(where.substr(0, dot))][std::string(where.substr(dot + 1))] =
      static_cast<std::int64_t>(value);
}

}  // namespace

event::Task<admin::Answer> Relay::status() {
  co_await observe();
  admin::Json body;
  registry_.each_of_status([&body](std::string_view where, double value) { put_number(body, where, value); });
  body["last_day"] = day_.status();
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
  body["queue"]["late_after_s"] = late_after(in_force_.get()->config.delivery.schedule.settings()).count();
  body["intake"]["stressed"] = connections_.stressed();
  const auto healthy = spool_->room_for(0);
  body["spool"]["state"] = healthy ? "ok" : healthy.error().detail;
  const admin::Json alerts = co_await postmaster_->status();
  body["alerts"].update(alerts);
  body["evidence"]["state"] = evidence_ ? recording_state(health_.list()) : "off: " + evidence_off_;
  body["ledger"].update(ledger_status());
  body["webhooks"]["configured"] = in_force_.get()->config.webhooks.size();
  const admin::Trials trials(main_, evidence_.get());
  body["rules_on_trial"] = co_await trials.audit_lines(in_force_.get()->rules);
  body["rule_dates"] = calendar_.ahead();
  body["listener_certificate"] = certificate_watch_.status();
  body["verdict"] = verdict_of(body);
  co_return admin::Answer(std::move(body));
}

admin::Json Relay::ledger_status() const {
  admin::Json body;
  if (!ledger_) {
    body["state"] = "off: [ledger] enabled = false";
    return body;
  }
  body["state"] = "recording";
  for (const spool::FollowerStatus& follower : spool_->followers())
    if (follower.name == ledger_->name() && follower.broken)
      body["state"] = "not recording, the journal keeps what it has not read: see 'troubles'";
  return body;
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
