// SPDX-License-Identifier: Apache-2.0
#include "delivery/held_notices.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "base/planted.hpp"
#include "event/ask.hpp"

namespace sealpost::delivery {
namespace {

using namespace std::chrono_literals;

struct Found {
  std::size_t held = 0;  // that stay
  std::shared_ptr<std::vector<queue::JobPtr>> over = std::make_shared<std::vector<queue::JobPtr>>();
};

}  // namespace

event::Task<void> HeldNotices::run() {
  for (;;) {
    co_await sweep();
    const Duration pause = std::clamp<Duration>(budget_.settings().keep_held / 4, 1s, 10min);
    co_await event::sleep_for(loop_, pause);
  }
}

event::Task<void> HeldNotices::sweep() {
  if (planted(Plant::hold_notifications_for_ever)) co_return;
  const SystemTime before = loop_.believed().earliest - budget_.settings().keep_held;
  std::size_t held = 0, expired = 0;
  for (queue::Shard* shard : dispatcher_.shards()) {
    auto look = [shard, before] {
      Found found;
      *found.over = shard->pull_held_notices(before, found.held);
      return found;
    };
    const Found found = co_await event::ask(loop_, shard->loop(), look);
    held += found.held;
    for (const queue::JobPtr& job : *found.over) {
      spool::Outcome outcome;
      outcome.id = job->message->id;
      outcome.when = loop_.date();
      for (const std::uint32_t recipient : job->recipients)
        outcome.recipients.emplace_back(recipient, spool::RecipientState::removed,
                                        "held for as long as [notifications] keep_held says");
      std::vector<spool::NewMessage> none;
      const auto recorded = co_await spool_.finish_attempt(loop_, std::move(outcome), std::move(none));
      // What is not recorded is there again after a start.
      if (recorded || recorded.error().code == Errc::not_found) ++expired;
    }
  }
  budget_.set_held(held);
  if (expired == 0) co_return;
  budget_.counters().expired.fetch_add(expired, std::memory_order_relaxed);
  log::warning(
      "held_notifications_expired",
      {{"count", expired}, {"left", held}, {"why", "nobody took them for as long as keep_held says"}});
}

}  // namespace sealpost::delivery
