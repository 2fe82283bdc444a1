// SPDX-License-Identifier: Apache-2.0
#include "queue/held_watch.hpp"

#include "event/ask.hpp"
#include "event/wait.hpp"

namespace sealpost::queue {
namespace {

using namespace std::chrono_literals;
constexpr auto look_for_held_every = 30s;
constexpr std::string_view cause = "held mail";

}  // namespace

event::Task<void> HeldWatch::run() {
  for (;;) {
    co_await look();
    co_await event::sleep_for(loop_, look_for_held_every);
  }
}

event::Task<void> HeldWatch::look() {
  Shard::HeldMail all;
  for (Shard* shard : dispatcher_.shards()) {
    auto count = [shard] { return shard->held_by_relay(); };
    Shard::HeldMail found = co_await event::ask(loop_, shard->loop(), count);
    found.count += all.count;
    if (all.count == 0)
      all = std::move(found);
    else
      all.count = found.count;
  }
  if (all.count == 0) {
    health_.clear(cause);
    co_return;
  }
  const std::string others = all.count == 1 ? "" : "; so are " + std::to_string(all.count - 1) + " others";
  health_.raise(
      cause, "mail " + all.first + " is held: " + all.why + others,
      "look at it with `sealpost queue show ID` and `queue list --state held`, then `queue release ID` or "
      "`queue remove ID`");
}

}  // namespace sealpost::queue
