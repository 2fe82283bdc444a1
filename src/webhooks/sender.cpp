// SPDX-License-Identifier: Apache-2.0
#include "webhooks/sender.hpp"

#include <algorithm>

#include "base/digest.hpp"
#include "base/log.hpp"
#include "base/random.hpp"
#include "base/text.hpp"
#include "dns/host_addresses.hpp"
#include "webhooks/signature.hpp"

namespace sealpost::webhooks {
namespace {

using namespace std::chrono_literals;

constexpr Duration first_gap = 2s, longest_gap = 10min;
constexpr Duration store_again = 5s;  // it is not open, or has no room
constexpr std::int64_t worth_noting =
    5'000;  // events that a webhook does not want, before its place is written

// The same events, the same id: a request that is tried again is the same message to its receiver.
std::string request_id(const std::vector<std::string>& event_ids) {
  if (event_ids.size() == 1) return event_ids.front();
  std::string all;
  for (const std::string& id : event_ids) all += id;
  return "msg_" + sha256_hex(all).substr(0, 32);
}

bool listed(const IpAddress& address, const std::vector<Network>& networks) {
  return std::any_of(networks.begin(), networks.end(),
                     [&](const Network& network) { return network.contains(address); });
}

// An address in the URL is the operator's own word, but in clear only within this machine or where mail may go, too.
bool may_be_told(const Url& url, const std::vector<Network>& allow) {
  return url.address->is_loopback() || listed(*url.address, allow);
}

}  // namespace

Duration gap_after(unsigned attempt) {
  const Duration whole =
      attempt > 9 ? longest_gap : std::min<Duration>(first_gap * (1u << (attempt - 1)), longest_gap);
  const auto half = static_cast<std::uint64_t>((whole / 2).count());
  return whole - Duration(static_cast<Duration::rep>(random_below(half)));
}

event::Task<Answered> post(Surroundings& around, WebhookPtr webhook, std::string id, std::string body) {
  using Kind = Answered::Kind;
  const Url& url = *webhook->url;
  http::Request request;
  if (url.address) {
    if (may_be_told(url, around.allow)) request.addresses.push_back(*url.address);
  } else {
    const dns::HostAddresses found =
        co_await dns::look_up_addresses(around.resolver, url.host, dns::Families());
    for (const IpAddress& address : found.addresses)
      if (may_contact(address, around.allow)) request.addresses.push_back(address);
    if (found.addresses.empty())
      co_return Answered(Kind::refused, "host " + url.host + " has no address" +
                                            (found.why.empty() ? "" : ": " + found.why));
  }
  if (request.addresses.empty())
    co_return Answered(Kind::refused, "every address of " + url.host +
                                          " is private or reserved; list it in delivery.allow_destinations");
  request.host = url.host;
  request.port = url.port;
  request.path = url.path;
  request.tls = url.tls;
  request.post = true;
  request.read_body = false;
  request.limit = webhook->timeout;
  request.headers = signed_headers(*webhook->secrets, id, around.loop.date(), body);
  request.headers.emplace_back("Content-Type", "application/json");
  request.body = std::move(body);
  const auto response = co_await around.http.send(std::move(request));
  if (!response) co_return Answered(Kind::refused, response.error().reason + ": " + response.error().detail);
  const int status = response->status;
  const Kind kind = status >= 200 && status < 300 ? Kind::taken : status == 410 ? Kind::gone : Kind::refused;
  Answered answered(kind, std::to_string(status));
  answered.retry_after = std::min<std::chrono::seconds>(response->retry_after.value_or(0s), longest_asked);
  co_return answered;
}

Sender::Sender(Surroundings& around, WebhookPtr webhook)
    : around_(around), webhook_(std::move(webhook)), signal_(around.loop), scope_(around.loop) {
  scope_.spawn(run());
}

void Sender::use(WebhookPtr webhook) {
  webhook_ = std::move(webhook);
  hurry();
}

void Sender::wake() noexcept {
  ++news_;
  signal_.notify();
}

void Sender::hurry() noexcept {
  hurry_ = true;
  most_through_ = 0;
  wake();
}

event::Task<void> Sender::run() {
  for (;;) {
    hurry_ = false;
    const std::uint64_t seen = news_;
    const WebhookPtr webhook = webhook_;
    std::function<Expected<Batch>()> ask = [store = around_.store, webhook, through = most_through_] {
      return store->next(*webhook, through);
    };
    auto batch = co_await event::run_blocking<Batch>(around_.pool, around_.loop, std::move(ask));
    if (!batch) {
      co_await wait(store_again);
    } else if (batch->stopped || batch->events.empty() || !webhook->url) {
      co_await rest(webhook, std::move(*batch), seen);
    } else {
      co_await tell(webhook, std::move(*batch));
    }
  }
}

// Nothing to be told.
event::Task<void> Sender::rest(WebhookPtr webhook, Batch batch, std::uint64_t seen) {
  most_through_ = 0;
  attempts_ = 0;
  if (!batch.stopped && batch.through - batch.from >= worth_noting) {
    std::function<Expected<bool>()> note = [store = around_.store, webhook, batch]() -> Expected<bool> {
      if (auto done = store->pass_over(*webhook, batch); !done) return done.error();
      return true;
    };
    const auto noted = co_await event::run_blocking<bool>(around_.pool, around_.loop, std::move(note));
    if (noted) co_return;  // there may be more behind it
  }
  while (news_ == seen) co_await signal_.wait();
}

event::Task<void> Sender::tell(WebhookPtr webhook, Batch batch) {
  std::string id = request_id(batch.ids);
  std::string body = request_body(around_.node, webhook->name, batch.events);
  ++counters_.requests;
  const Answered answered = co_await post(around_, webhook, std::move(id), std::move(body));
  const SystemTime now = around_.loop.date();
  const std::string words = text::printable(answered.words);
  if (answered.kind == Answered::Kind::taken) {
    std::function<Expected<bool>()> note = [store = around_.store, webhook, batch, now, words] {
      return store->confirm(*webhook, batch, now, words);
    };
    const auto noted = co_await event::run_blocking<bool>(around_.pool, around_.loop, std::move(note));
    most_through_ = 0;
    if (attempts_ > 0) log::info("webhook_goes_on", {{"webhook", webhook->name}, {"after", attempts_}});
    attempts_ = 0;
    counters_.sent += batch.events.size();
    if (!noted) co_await wait(store_again);  // it will be told once more
    co_return;
  }
  const std::string gone = answered.kind == Answered::Kind::gone ? "it answered 410 Gone" : "";
  std::function<Expected<bool>()> note = [store = around_.store, webhook, now, words,
                                          gone]() -> Expected<bool> {
    if (auto done = store->failed(webhook->name, now, words, gone); !done) return done.error();
    return true;
  };
  const auto noted = co_await event::run_blocking<bool>(around_.pool, around_.loop, std::move(note));
  static_cast<void>(noted);
  ++counters_.failures;
  most_through_ = batch.through;
  ++attempts_;
  if (attempts_ == 1 || !gone.empty())
    log::warning("webhook_failed", {{"webhook", webhook->name},
                                    {"answer", words},
                                    {"events", batch.events.size()},
                                    {"tried_again", gone.empty() ? "yes" : "no"}});
  co_await wait(std::max<Duration>(gap_after(attempts_), answered.retry_after));
}

// In steps, so that a command need not wait.
event::Task<void> Sender::wait(Duration time) {
  const SteadyTime until = event::deadline(around_.loop.now(), time);
  while (!hurry_ && around_.loop.now() < until) {
    const Duration left = until - around_.loop.now();
    co_await event::sleep_for(around_.loop, std::min<Duration>(left, 250ms));
  }
}

}  // namespace sealpost::webhooks
