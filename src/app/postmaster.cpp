// SPDX-License-Identifier: Apache-2.0
#include "app/postmaster.hpp"

#include "event/ask.hpp"
#include "route/mx_lookup.hpp"

namespace sealpost::app {
namespace {

constexpr std::size_t most_in_status = 20;
constexpr std::size_t most_listed = 10'000;

// The book is filled on the database's thread, which ends after everything that uses it.
std::shared_ptr<tlsrpt::AlertBook> book_for(const Config& config, tlsrpt::DbRecorder& recorder) {
  auto book = std::make_shared<tlsrpt::AlertBook>(config.alerts.settings);
  recorder.observe([book](const tlsrpt::SessionRecord& record) {
    if (!book->settings().enabled) return;
    for (const auto& observation : tlsrpt::observations_of(record, book->settings()))
      book->observe(observation);
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

admin::Json alert_json(const tlsrpt::Alert& alert) {
  return {{"kind", name_of(alert.kind)},
          {"subject", alert.subject},
          {"since", to_rfc3339(alert.since)},
          {"last_seen", to_rfc3339(alert.last_seen)},
          {"mailed", alert.mailed == SystemTime{} ? admin::Json() : admin::Json(to_rfc3339(alert.mailed))},
          {"what", alert.what},
          {"remedy", alert.how}};
}

}  // namespace

Postmaster::Postmaster(event::Loop& loop, const Config& config, tlsrpt::DbRecorder& recorder,
                       spool::Spool& spool, queue::Dispatcher& dispatcher, const Health& health)
    : loop_(loop),
      dispatcher_(dispatcher),
      settings_(config.alerts.settings),
      mail_to_(config.alerts.mail),
      // A notification like a bounce: its null reverse-path lets nothing come back to nobody (RFC 5321 §4.5.5), and
      // the ordinary policy of its destination holds, since it names partners.
      outbox_(loop, spool, dispatcher, MessageClass::dsn, "alerts"),
      retention_(loop, recorder, config.tls_rpt.retention),
      alerts_(loop, recorder, book_for(config, recorder), outbox_, config.alerts.settings, mail_for(config),
              health) {
  alerts_.use_queue([this] { return waiting_domains(); });
}

event::Task<std::set<std::string>> Postmaster::waiting_domains() {
  std::set<std::string> all;
  for (queue::Shard* shard : dispatcher_.shards()) {
    auto look = [shard] {
      std::set<std::string> hops;
      shard->waiting_next_hops(hops);
      return hops;
    };
    const std::set<std::string> hops = co_await event::ask(loop_, shard->loop(), look);
    for (const std::string& text : hops) {
      const auto hop = delivery::NextHop::parse(text);
      if (hop) all.insert(hop->domain);  // sessions are counted for it, behind a route too
    }
  }
  co_return all;
}

void Postmaster::start(event::TaskScope& scope) {
  scope.spawn(retention_.run());
  scope.spawn(alerts_.run());
}

void Postmaster::use(const Config& config) {
  settings_ = config.alerts.settings;
  mail_to_ = config.alerts.mail;
  alerts_.use(settings_, mail_for(config));
}

event::Task<admin::Json> Postmaster::status() {
  admin::Json body;
  body["list"] = admin::Json::array();
  body["pending"] = 0U;
  const auto lists = co_await alerts_.lists(most_listed);
  if (!lists) co_return body;
  body["pending"] = lists->pending.size();
  body["kinds"] = admin::Json::object();
  for (const tlsrpt::Alert& alert : lists->open) {
    admin::Json& count = body["kinds"][std::string(name_of(alert.kind))];
    count = count.is_null() ? 1U : count.get<unsigned>() + 1;
  }
  for (const tlsrpt::Alert& alert : lists->open) {
    if (body["list"].size() == most_in_status) break;
    body["list"].push_back(std::string(name_of(alert.kind)) + " " + alert.subject + " since " +
                           to_rfc3339(alert.since) + ": " + alert.what);
  }
  co_return body;
}

event::Task<admin::Answer> Postmaster::list() {
  const auto lists = co_await alerts_.lists(most_listed);
  if (!lists) co_return admin::Answer(500, lists.error().detail);
  admin::Json answer{{"enabled", settings_.enabled},
                     {"mail", mail_to_.empty() ? admin::Json() : admin::Json(mail_to_)},
                     {"after", settings_.after.count()},
                     {"open", admin::Json::array()},
                     {"pending", admin::Json::array()}};
  for (const tlsrpt::Alert& alert : lists->open) answer["open"].push_back(alert_json(alert));
  for (const tlsrpt::Alert& alert : lists->pending) {
    admin::Json row = alert_json(alert);
    row["due"] = to_rfc3339(alert.since + settings_.after);
    answer["pending"].push_back(std::move(row));
  }
  co_return admin::Answer(std::move(answer));
}

void Postmaster::serve(admin::ControlServer& server) {
  server.handle("report.alerts", [this](admin::Json) { return list(); });
}

}  // namespace sealpost::app
