// SPDX-License-Identifier: Apache-2.0
//
// The webhooks of the running relay: their follower of the journal, their senders, and the commands `sealpost webhook`.
#include <algorithm>

#include "app/relay.hpp"
#include "base/durable_file.hpp"
#include "base/text.hpp"

namespace sealpost::app {
namespace {

constexpr std::int64_t most_events = 1000;

admin::Json time_or_null(const std::optional<SystemTime>& time) {
  return time ? admin::Json(to_rfc3339(*time)) : admin::Json();
}

admin::Json entry_of(const webhooks::Webhook& webhook, const webhooks::Standing& standing) {
  admin::Json entry;
  entry["name"] = webhook.name;
  entry["state"] = webhooks::state_of(webhook, standing);
  entry["url"] = webhook.url ? admin::Json(webhooks::to_text(*webhook.url)) : admin::Json();
  entry["events"] = webhook.kinds;
  entry["waiting"] = standing.waiting;
  entry["oldest"] = time_or_null(standing.oldest);
  entry["answer"] = standing.answer;
  entry["tried"] = time_or_null(standing.tried);
  entry["taken"] = time_or_null(standing.taken);
  entry["failing_since"] = time_or_null(standing.failing_since);
  entry["gone"] = standing.gone;
  entry["sent"] = standing.sent;
  entry["failures"] = standing.failures;
  entry["dropped"] = standing.dropped;
  return entry;
}

admin::Answer no_such_webhook(const std::string& name) {
  return admin::Answer(404, "there is no webhook '" + text::printable(name) + "'",
                       "'sealpost webhook list' names them");
}

admin::Answer answer_of(const Error& error) {
  const int status = error.code == Errc::not_found ? 404 : error.code == Errc::invalid ? 400 : 503;
  return admin::Answer(status, error.detail);
}

}  // namespace

// Errc::newer alone is a reason not to start (D-26).
Expected<void> Relay::open_webhooks() {
  const std::string path = config_.data_dir + "/webhooks.db";
  webhook_store_ = std::make_shared<webhooks::Store>(
      path, [this] { return main_.believed().earliest; }, &health_);
  if (!config_.webhooks.empty() || !is_absent(path)) {
    if (auto opened = webhook_store_->open(); !opened && opened.error().code == Errc::newer) return opened;
  }
  static_cast<void>(webhook_store_->use(config_.webhooks));  // what is wrong with the file is said in Health
  // On the main loop, which runs only while all of this is there.
  const auto news = [this] { main_.post([this] { webhooks_->news(); }); };
  webhook_follower_ = std::make_unique<webhooks::WebhookFollower>(*webhook_store_, news);
  webhook_driver_ = spool::make_thread_driver();
  return {};
}

void Relay::begin_webhooks() {
  webhook_resolver_ = std::make_unique<dns::ResolverProxy>(main_, *resolver_);
  webhook_http_ = std::make_unique<http::CurlClient>(main_, trust());
  webhooks_ = std::make_unique<webhooks::Senders>(
      webhooks::Surroundings(main_, *pool_, webhook_store_, *webhook_resolver_, *webhook_http_, config_.node),
      health_);
  webhooks_->begin(config_.webhooks, config_.webhook_keeping, config_.delivery.routing.allow_destinations);
}

void Relay::serve_webhooks() {
  control_->handle("webhook.list", [this](admin::Json) { return webhook_list(); });
  control_->handle("webhook.test",
                   [this](admin::Json arguments) { return webhook_test(std::move(arguments)); });
  control_->handle("webhook.replay",
                   [this](admin::Json arguments) { return webhook_replay(std::move(arguments)); });
  control_->handle("webhook.pause",
                   [this](admin::Json arguments) { return webhook_pause(std::move(arguments), true); });
  control_->handle("webhook.resume",
                   [this](admin::Json arguments) { return webhook_pause(std::move(arguments), false); });
  control_->handle("webhook.events",
                   [this](admin::Json arguments) { return webhook_events(std::move(arguments)); });
}

event::Task<admin::Answer> Relay::webhook_list() {
  const auto standings = co_await webhooks_->standings();
  if (!standings) co_return answer_of(standings.error());
  admin::Json body;
  body["webhooks"] = admin::Json::array();
  for (const webhooks::Standing& standing : *standings)
    if (const auto webhook = webhooks_->find(standing.name))
      body["webhooks"].push_back(entry_of(*webhook, standing));
  co_return admin::Answer(std::move(body));
}

event::Task<admin::Answer> Relay::webhook_test(admin::Json arguments) {
  const std::string name = arguments.value("name", std::string());
  const auto webhook = webhooks_->find(name);
  if (!webhook) co_return no_such_webhook(name);
  if (!webhook->url) co_return admin::Answer(400, "webhook " + name + " has no url: it is polled");
  const SteadyTime begun = main_.now();
  const webhooks::Answered answered = co_await webhooks_->test(webhook);
  admin::Json body;
  body["name"] = name;
  body["url"] = webhooks::to_text(*webhook->url);
  body["taken"] = answered.kind == webhooks::Answered::Kind::taken;
  body["answer"] = text::printable(answered.words);
  body["took_ms"] = std::chrono::duration_cast<std::chrono::milliseconds>(main_.now() - begun).count();
  co_return admin::Answer(std::move(body));
}

event::Task<admin::Answer> Relay::webhook_replay(admin::Json arguments) {
  const std::string name = arguments.value("name", std::string());
  const std::string from = arguments.value("from", std::string()),
                    since = arguments.value("since", std::string());
  const auto webhook = webhooks_->find(name);
  if (!webhook) co_return no_such_webhook(name);
  if (!webhook->url) co_return admin::Answer(400, "webhook " + name + " has no url: it is polled");
  if (from.empty() == since.empty()) co_return admin::Answer(400, "either an event or a time is wanted");
  SystemTime time{};
  if (!since.empty()) {
    const auto duration = parse_duration(since);
    const auto date = from_rfc3339(since.size() == 10 ? since + "T00:00:00Z" : since);
    if (!duration && !date)
      co_return admin::Answer(400, "'" + text::printable(since) + "' is no time",
                              "write 2h, 2026-01-31 or 2026-01-31T12:00:00Z");
    time = duration ? main_.date() - *duration : *date;
  }
  const auto events = co_await webhooks_->replay(webhook, from, time);
  if (!events) co_return answer_of(events.error());
  admin::Json body;
  body["name"] = name;
  body["events"] = *events;
  co_return admin::Answer(std::move(body));
}

event::Task<admin::Answer> Relay::webhook_pause(admin::Json arguments, bool paused) {
  const std::string name = arguments.value("name", std::string());
  const auto webhook = webhooks_->find(name);
  if (!webhook) co_return no_such_webhook(name);
  const auto done = co_await webhooks_->pause(webhook, paused);
  if (!done) co_return answer_of(done.error());
  admin::Json body;
  body["name"] = name;
  body["paused"] = paused;
  co_return admin::Answer(std::move(body));
}

event::Task<admin::Answer> Relay::webhook_events(admin::Json arguments) {
  const std::string name = arguments.value("name", std::string());
  const auto webhook = webhooks_->find(name);
  if (!webhook) co_return no_such_webhook(name);
  const std::int64_t limit =
      std::clamp<std::int64_t>(arguments.value("limit", std::int64_t{100}), 1, most_events);
  const auto found = co_await webhooks_->events_after(webhook, arguments.value("after", std::string()),
                                                      static_cast<std::size_t>(limit));
  if (!found) co_return answer_of(found.error());
  admin::Json body;
  body["events"] = admin::Json::array();
  for (const std::string& event : found->events)
    body["events"].push_back(admin::Json::parse(event, nullptr, false));
  body["cursor"] = found->cursor.empty() ? admin::Json() : admin::Json(found->cursor);
  body["more"] = found->more;
  co_return admin::Answer(std::move(body));
}

}  // namespace sealpost::app
