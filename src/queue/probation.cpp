// SPDX-License-Identifier: Apache-2.0
#include "queue/probation.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "event/ask.hpp"

namespace sealpost::queue {
namespace {

using namespace std::chrono_literals;
constexpr std::uint32_t interruptions_alone = 3;
constexpr auto alone_limit = 5min;

}  // namespace

event::Task<void> Probation::admit(std::vector<spool::StoredMessagePtr> recovered) {
  std::vector<spool::StoredMessagePtr> rest;
  for (auto& message : recovered) {
    const std::uint32_t cut_off = interruptions(*message);
    if (message->held || cut_off < interruptions_alone) {
      rest.push_back(std::move(message));
    } else if (cut_off == interruptions_alone) {
      co_await try_alone(message);
    } else {
      auto held = co_await hold(message);
      rest.push_back(std::move(held));
    }
  }
  if (!recovered.empty()) log::info("recovered", {{"messages", recovered.size()}});
  dispatcher_.recovered(rest);
}

event::Task<spool::StoredMessagePtr> Probation::hold(spool::StoredMessagePtr message) {
  const std::string reason = "the relay stopped while delivering it, alone, for the fourth time";
  log::error("message_held", {{"id", message->id.to_string()},
                              {"why", reason},
                              {"do", "look at it with 'sealpost queue show', then release or remove it"}});
  const Expected<void> held = co_await spool_.hold(loop_, message->id, true, reason);
  if (!held) log::error("hold_not_recorded", {{"id", message->id.to_string()}, {"why", held.error().detail}});
  auto copy = std::make_shared<spool::StoredMessage>(*message);
  copy->held = true;
  copy->hold_reason = reason;
  co_return copy;
}

event::Task<void> Probation::try_alone(spool::StoredMessagePtr message) {
  log::warning("message_tried_alone", {{"id", message->id.to_string()},
                                       {"why", "the relay stopped during its last three attempts"}});
  std::vector<spool::StoredMessagePtr> one{message};
  dispatcher_.recovered(one);
  const SteadyTime end = loop_.now() + alone_limit;
  while (loop_.now() < end) {
    co_await event::sleep_for(loop_, 100ms);
    bool busy = false;
    for (Shard* shard : dispatcher_.shards()) {
      auto look = [shard, id = message->id] {
        std::vector<QueueEntry> entries;
        shard->find(id, entries);
        return std::any_of(entries.begin(), entries.end(), [](const auto& entry) {
          return entry.state == "active" || entry.state == "waiting";
        });
      };
      const bool here = co_await event::ask(loop_, shard->loop(), look);
      busy = busy || here;
    }
    if (!busy) co_return;
  }
}

}  // namespace sealpost::queue
