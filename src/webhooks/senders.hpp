// SPDX-License-Identifier: Apache-2.0
//
// All webhooks of the running relay: a sender for each, what they keep of events, and what the operator asks and is told.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/health.hpp"
#include "webhooks/sender.hpp"

namespace sealpost::webhooks {

class Senders {
 public:
  // Lives on the loop of `around`.
  Senders(Surroundings around, Health& health);

  // At a start, when the store knows them.
  void begin(const Webhooks& webhooks, Keeping keeping, std::vector<Network> allow);
  // After a reload.
  event::Task<void> use(Webhooks webhooks, Keeping keeping, std::vector<Network> allow);
  // For ever: forgets what is old, and looks whether endpoints answer.
  event::Task<void> run();
  void news() noexcept;  // there are new events

  // Null: none of that name.
  WebhookPtr find(const std::string& name) const;
  std::vector<WebhookPtr> all() const;
  event::Task<Expected<std::vector<Standing>>> standings();
  event::Task<Expected<std::uint64_t>> replay(WebhookPtr webhook, std::string from_id, SystemTime since);
  event::Task<Expected<bool>> pause(WebhookPtr webhook, bool paused);
  event::Task<Expected<FoundEvents>> events_after(WebhookPtr webhook, std::string after, std::size_t most);
  event::Task<Answered> test(WebhookPtr webhook);

  // As of the last look, for metrics.
  const std::vector<Standing>& last_standings() const noexcept { return standings_; }
  std::chrono::seconds lag(const Standing& standing) const;  // age of the oldest event that waits
  Sender::Counters counted() const;                          // all together, since the start
  std::uint64_t dropped() const noexcept { return dropped_; }
  const Store& store() const noexcept { return *around_.store; }

 private:
  event::Task<void> look();
  event::Task<void> prune();
  void tell_health(const Webhook& webhook, const Standing& standing);

  Surroundings around_;
  Health& health_;
  Keeping keeping_;
  std::map<std::string, std::unique_ptr<Sender>> senders_;
  std::vector<Standing> standings_;
  Sender::Counters former_;  // of senders that are no more
  std::uint64_t dropped_ = 0;
};

// As commands and pages have it: "well", "failing", "paused", "gone", "polled".
std::string_view state_of(const Webhook& webhook, const Standing& standing) noexcept;

}  // namespace sealpost::webhooks
