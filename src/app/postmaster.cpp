// SPDX-License-Identifier: Apache-2.0
#include "app/postmaster.hpp"

namespace sealpost::app {
namespace {

constexpr std::size_t most_in_status = 20;
constexpr std::size_t most_listed = 10'000;

// The book is filled on the database's thread, which ends after everything that uses it.
std::shared_ptr<tlsrpt::AlertBook> book_for(const Config& config, tlsrpt::DbRecorder& recorder) {
  auto book = std::make_shared<tlsrpt::AlertBook>(config.alerts.settings);
  if (config.alerts.settings.enabled)
    recorder.observe([book, settings = config.alerts.settings](const tlsrpt::SessionRecord& record) {
      for (const auto& observation : tlsrpt::observations_of(record, settings)) book->observe(observation);
    });
  return book;
}

tlsrpt::AlertMailSettings mail_for(const Config& config) {
  tlsrpt::AlertMailSettings mail;
  mail.from = config.alerts.from;
  mail.to = config.alerts.mail;
  mail.hostname = config.hostname;
  return mail;
}

}  // namespace

Postmaster::Postmaster(event::Loop& loop, const Config& config, tlsrpt::DbRecorder& recorder,
                       spool::Spool& spool, queue::Dispatcher& dispatcher, const Health& health)
    : loop_(loop),
      alerting_(config.alerts.settings.enabled),
      // A notification like a bounce: its null reverse-path lets nothing come back to nobody (RFC 5321 §4.5.5), and
      // the ordinary policy of its destination holds, since it names partners.
      outbox_(loop, spool, dispatcher, MessageClass::dsn, "alerts"),
      retention_(loop, recorder, config.tls_rpt.retention),
      alerts_(loop, recorder, book_for(config, recorder), outbox_, config.alerts.settings, mail_for(config),
              health) {}

void Postmaster::start(event::TaskScope& scope) {
  scope.spawn(retention_.run());
  if (alerting_) scope.spawn(alerts_.run());
}

event::Task<admin::Json> Postmaster::status() {
  const auto& counters = alerts_.counters();
  admin::Json body;
  body["open"] = counters.open.load();
  body["raised"] = counters.raised.load();
  body["over"] = counters.resolved.load();
  body["mails"] = alerts_.mails();
  body["left_out"] = counters.left_out.load();
  body["list"] = admin::Json::array();
  const auto open = co_await alerts_.open(most_in_status);
  if (!open) co_return body;
  for (const tlsrpt::Alert& alert : *open)
    body["list"].push_back(std::string(name_of(alert.kind)) + " " + alert.subject + " since " +
                           to_rfc3339(alert.since) + ": " + alert.what);
  co_return body;
}

event::Task<admin::Answer> Postmaster::list() {
  const auto open = co_await alerts_.open(most_listed);
  if (!open) co_return admin::Answer(500, open.error().detail);
  admin::Json all = admin::Json::array();
  for (const tlsrpt::Alert& alert : *open)
    all.push_back({{"kind", name_of(alert.kind)},
                   {"subject", alert.subject},
                   {"since", to_rfc3339(alert.since)},
                   {"last_seen", to_rfc3339(alert.last_seen)},
                   {"what", alert.what},
                   {"do", alert.how}});
  co_return admin::Answer(std::move(all));
}

void Postmaster::serve(admin::ControlServer& server) {
  server.handle("report.alerts", [this](admin::Json) { return list(); });
}

}  // namespace sealpost::app
