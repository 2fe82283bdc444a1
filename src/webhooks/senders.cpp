// SPDX-License-Identifier: Apache-2.0
#include "webhooks/senders.hpp"

#include <algorithm>
#include <span>

#include "base/log.hpp"
#include "base/random.hpp"
#include "base/words.hpp"
#include "webhooks/event.hpp"

namespace sealpost::webhooks {
namespace {

using namespace std::chrono_literals;

constexpr Duration look_every = 5s;
constexpr std::uint64_t looks_between_prunings = 12;

std::string failing(const std::string& name) { return "webhook " + name; }
std::string lossy(const std::string& name) { return "webhook " + name + " dropped"; }

std::string random_id() {
  std::string id(16, '\0');
  random_bytes(std::span(reinterpret_cast<std::uint8_t*>(id.data()), id.size()));
  return id;
}

}  // namespace

Senders::Senders(Surroundings around, Health& health) : around_(std::move(around)), health_(health) {}

event::Task<void> Senders::use(Webhooks webhooks, Keeping keeping, std::vector<Network> allow) {
  std::function<Expected<bool>()> work = [store = around_.store, webhooks]() -> Expected<bool> {
    if (auto done = store->use(webhooks); !done) return done.error();
    return true;
  };
  // When the file is not open now, they are known to it once it is.
  const auto known = co_await event::run_blocking<bool>(around_.pool, around_.loop, std::move(work));
  if (!known) log::warning("webhooks_wait", {{"why", known.error().detail}});
  begin(webhooks, keeping, std::move(allow));
  co_await look();
}

void Senders::begin(const Webhooks& webhooks, Keeping keeping, std::vector<Network> allow) {
  keeping_ = keeping;
  around_.allow = std::move(allow);
  for (auto at = senders_.begin(); at != senders_.end();) {
    const bool stays = std::any_of(webhooks.begin(), webhooks.end(),
                                   [&](const auto& one) { return one->name == at->first; });
    if (stays) {
      ++at;
      continue;
    }
    const Sender::Counters& counted = at->second->counters();
    former_.sent += counted.sent;
    former_.requests += counted.requests;
    former_.failures += counted.failures;
    health_.clear(failing(at->first));
    health_.clear(lossy(at->first));
    at = senders_.erase(at);
  }
  for (const WebhookPtr& webhook : webhooks) {
    auto& sender = senders_[webhook->name];
    if (sender)
      sender->use(webhook);
    else
      sender = std::make_unique<Sender>(around_, webhook);
  }
}

event::Task<void> Senders::run() {
  for (std::uint64_t turn = 1;; ++turn) {
    co_await event::sleep_for(around_.loop, look_every);
    if (senders_.empty()) continue;
    if (turn % looks_between_prunings == 0) co_await prune();
    co_await look();
  }
}

void Senders::news() noexcept {
  for (auto& one : senders_) one.second->wake();
}

std::chrono::seconds Senders::lag(const Standing& standing) const {
  if (!standing.oldest) return {};
  return std::max(std::chrono::seconds(0),
                  std::chrono::duration_cast<std::chrono::seconds>(around_.loop.date() - *standing.oldest));
}

WebhookPtr Senders::find(const std::string& name) const {
  const auto at = senders_.find(name);
  return at == senders_.end() ? nullptr : at->second->webhook();
}

std::vector<WebhookPtr> Senders::all() const {
  std::vector<WebhookPtr> all;
  for (const auto& one : senders_) all.push_back(one.second->webhook());
  return all;
}

// While the date is in doubt nothing is old enough (T-50).
event::Task<void> Senders::prune() {
  const Believed time = around_.loop.believed();
  std::optional<SystemTime> before;
  if (!time.in_doubt) before = time.earliest - std::chrono::days(keeping_.days);
  using List = std::vector<Dropped>;
  std::function<Expected<List>()> work = [store = around_.store, before, octets = keeping_.octets] {
    return store->prune(before, octets);
  };
  const auto dropped = co_await event::run_blocking<List>(around_.pool, around_.loop, std::move(work));
  if (!dropped) co_return;
  for (const Dropped& one : *dropped) {
    dropped_ += one.events;
    log::error("webhook_events_dropped", {{"webhook", one.webhook}, {"events", one.events}});
    health_.raise(lossy(one.webhook),
                  "webhook " + one.webhook +
                      " will not be told of some events: they waited for longer than [webhooks] "
                      "keep_days, or there was no more room for them. It is told of the gap",
                  "take what it lacks from the ledger ('sealpost evidence list'); 'sealpost webhook resume " +
                      one.webhook + "' ends this alert");
  }
}

event::Task<Expected<std::vector<Standing>>> Senders::standings() {
  std::function<Expected<std::vector<Standing>>()> work = [store = around_.store] {
    return store->standings();
  };
  co_return co_await event::run_blocking<std::vector<Standing>>(around_.pool, around_.loop, std::move(work));
}

event::Task<void> Senders::look() {
  auto found = co_await standings();
  if (!found) co_return;
  standings_ = std::move(*found);
  for (const Standing& standing : standings_)
    if (const WebhookPtr webhook = find(standing.name)) tell_health(*webhook, standing);
}

void Senders::tell_health(const Webhook& webhook, const Standing& standing) {
  const std::string waits = std::to_string(standing.waiting) + " events wait";
  const bool long_failing =
      standing.failing_since && around_.loop.date() - *standing.failing_since >= webhook.alert_after;
  if (!standing.gone.empty())
    health_.raise(failing(webhook.name),
                  "webhook " + webhook.name + " is told nothing any more: " + standing.gone,
                  "take it out of the configuration, or 'sealpost webhook resume " + webhook.name + "'");
  else if (long_failing && !standing.paused)
    health_.raise(failing(webhook.name),
                  "webhook " + webhook.name + " has taken nothing since " +
                      to_rfc3339(*standing.failing_since) + "; the last answer: " + standing.answer,
                  "see to " + to_text(*webhook.url) + "; events are kept for " +
                      std::to_string(keeping_.days) + " days ('sealpost webhook list' says how many wait)");
  else
    health_.clear(failing(webhook.name));
}

event::Task<Expected<std::uint64_t>> Senders::replay(WebhookPtr webhook, std::string from_id,
                                                     SystemTime since) {
  std::function<Expected<std::uint64_t>()> work = [store = around_.store, webhook, from_id, since] {
    return from_id.empty() ? store->replay_since(*webhook, since) : store->replay(*webhook, from_id);
  };
  auto events = co_await event::run_blocking<std::uint64_t>(around_.pool, around_.loop, std::move(work));
  if (const auto at = senders_.find(webhook->name); at != senders_.end()) at->second->hurry();
  co_return events;
}

event::Task<Expected<bool>> Senders::pause(WebhookPtr webhook, bool paused) {
  std::function<Expected<bool>()> work = [store = around_.store, webhook, paused]() -> Expected<bool> {
    if (auto done = store->pause(webhook->name, paused); !done) return done.error();
    return true;
  };
  auto done = co_await event::run_blocking<bool>(around_.pool, around_.loop, std::move(work));
  if (done && !paused) health_.clear(lossy(webhook->name));
  if (const auto at = senders_.find(webhook->name); at != senders_.end()) at->second->hurry();
  co_await look();
  co_return done;
}

event::Task<Expected<FoundEvents>> Senders::events_after(WebhookPtr webhook, std::string after,
                                                         std::size_t most) {
  std::function<Expected<FoundEvents>()> work = [store = around_.store, webhook, after, most] {
    return store->events_after(*webhook, after, most);
  };
  co_return co_await event::run_blocking<FoundEvents>(around_.pool, around_.loop, std::move(work));
}

// An event of its own kind, beside all others and never again.
event::Task<Answered> Senders::test(WebhookPtr webhook) {
  Event event;
  event.id = random_id();
  event.kind = "test";
  event.when = around_.loop.date();
  event.body["why"] = "sealpost webhook test";
  const std::vector<std::string> events{to_text(event)};
  std::string body = request_body(around_.node, webhook->name, events);
  Answered answered = co_await post(around_, webhook, event_name(event.id), std::move(body));
  co_return answered;
}

Sender::Counters Senders::counted() const {
  Sender::Counters all = former_;
  for (const auto& one : senders_) {
    all.sent += one.second->counters().sent;
    all.requests += one.second->counters().requests;
    all.failures += one.second->counters().failures;
  }
  return all;
}

std::string_view state_of(const Webhook& webhook, const Standing& standing) noexcept {
  if (!webhook.url) return "polled";
  if (!standing.gone.empty()) return "gone";
  if (standing.paused) return "paused";
  return standing.failing_since ? "failing" : "well";
}

}  // namespace sealpost::webhooks
