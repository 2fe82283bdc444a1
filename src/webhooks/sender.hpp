// SPDX-License-Identifier: Apache-2.0
//
// Telling one webhook what became of mail: the events in their order, a request at a time, each until it was answered 2xx or
// is no longer kept (docs/webhooks.md, Delivery). What one endpoint does keeps nothing from another, nor from mail.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "dns/resolver.hpp"
#include "event/blocking_pool.hpp"
#include "event/wait.hpp"
#include "http/client.hpp"
#include "webhooks/store.hpp"

namespace sealpost::webhooks {

// What all senders share; outlives them. Work in the pool has its own hold on the store.
struct Surroundings {
  Surroundings(event::Loop& loop_, event::BlockingPool& pool_, std::shared_ptr<Store> store_,
               dns::Resolver& resolver_, http::Client& http_, std::string node_)
      : loop(loop_),
        pool(pool_),
        store(std::move(store_)),
        resolver(resolver_),
        http(http_),
        node(std::move(node_)) {}
  event::Loop& loop;
  event::BlockingPool& pool;
  std::shared_ptr<Store> store;
  dns::Resolver& resolver;
  http::Client& http;
  const std::string node;
  std::vector<Network> allow;  // destinations beyond global unicast, as for mail
};

// What came of a request, in a word and in words.
struct Answered {
  enum class Kind : std::uint8_t { taken, refused, gone };
  Answered(Kind kind_, std::string words_) : kind(kind_), words(std::move(words_)) {}
  Kind kind;
  std::string words;                    // "200", "503", "no connection: ..."
  std::chrono::seconds retry_after{0};  // it asked for so long; 0: it did not
};
constexpr std::chrono::hours longest_asked{1};  // what is waited for because an endpoint asks for it

// `attempt` n failed: so long until the next one; doubles from two seconds to ten minutes, less up to a half by chance.
Duration gap_after(unsigned attempt);

// One request to a webhook with a URL. Contacts what delivery may contact (T-20), and loopback where the URL says so itself.
event::Task<Answered> post(Surroundings& around, WebhookPtr webhook, std::string id, std::string body);

class Sender {
 public:
  // On the loop of `around`, for ever.
  Sender(Surroundings& around, WebhookPtr webhook);

  void use(WebhookPtr webhook);  // its settings from now on
  void wake() noexcept;          // there are events
  void hurry() noexcept;         // and nothing is waited for any longer
  const WebhookPtr& webhook() const noexcept { return webhook_; }
  struct Counters {
    std::uint64_t sent = 0, requests = 0, failures = 0;  // since the start; sent: events
  };
  const Counters& counters() const noexcept { return counters_; }

 private:
  event::Task<void> run();
  event::Task<void> tell(WebhookPtr webhook, Batch batch);
  event::Task<void> rest(WebhookPtr webhook, Batch batch, std::uint64_t seen);
  event::Task<void> wait(Duration time);

  Surroundings& around_;
  WebhookPtr webhook_;
  std::int64_t most_through_ =
      0;                   // of a request that is tried again: the same events, and so the same webhook-id
  unsigned attempts_ = 0;  // in a row that failed
  std::uint64_t news_ = 0;
  bool hurry_ = false;
  Counters counters_;
  event::Signal signal_;
  event::TaskScope scope_;
};

}  // namespace sealpost::webhooks
