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

// A notification like a bounce: null reverse-path, so that nothing comes back to nobody (RFC 5321 §4.5.5), and the
// ordinary policy of its destination, since it names partners.
class Postmaster::NoticeOutbox final : public tlsrpt::Outbox {
 public:
  NoticeOutbox(event::Loop& loop, spool::Spool& spool, queue::Dispatcher& dispatcher)
      : loop_(loop), spool_(spool), dispatcher_(dispatcher) {}

  event::Task<Expected<std::string>> queue(std::string from, std::string to, std::string text) override {
    spool::NewMessage message;
    message.id = MessageId::make(loop_.wall());
    message.envelope.reverse_path = std::move(from);
    message.envelope.recipients.emplace_back(std::move(to));
    message.envelope.message_class = MessageClass::dsn;
    message.envelope.arrival = loop_.wall();
    message.envelope.received_from = "alerts";
    message.body = std::move(text);
    auto stored = co_await spool_.store(loop_, std::move(message));
    if (!stored) co_return stored.error();
    std::string id = (*stored)->id.to_string();
    dispatcher_.accepted(*stored);
    co_return id;
  }

 private:
  event::Loop& loop_;
  spool::Spool& spool_;
  queue::Dispatcher& dispatcher_;
};

Postmaster::Postmaster(event::Loop& loop, const Config& config, tlsrpt::DbRecorder& recorder,
                       spool::Spool& spool, queue::Dispatcher& dispatcher)
    : loop_(loop),
      alerting_(config.alerts.settings.enabled),
      outbox_(std::make_unique<NoticeOutbox>(loop, spool, dispatcher)),
      retention_(loop, recorder, config.tls_rpt.retention),
      alerts_(loop, recorder, book_for(config, recorder), *outbox_, config.alerts.settings,
              mail_for(config)) {}

Postmaster::~Postmaster() = default;

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
