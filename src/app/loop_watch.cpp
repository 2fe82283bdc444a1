// SPDX-License-Identifier: Apache-2.0
#include "app/loop_watch.hpp"

#include "event/ask.hpp"
#include "event/wait.hpp"

namespace sealpost::app {
namespace {

event::Task<Expected<bool>> turn_of(event::Loop& home, event::Loop& there) {
  auto here = [] { return true; };
  const bool answered = co_await event::ask(home, there, here);
  co_return answered;
}

}  // namespace

LoopWatch::LoopWatch(event::Loop& home, std::vector<Watched> loops, Duration every, Health& health,
                     std::function<void()> all_turn)
    : home_(home), loops_(std::move(loops)), every_(every), health_(health), all_turn_(std::move(all_turn)) {}

event::Task<void> LoopWatch::run() {
  for (;;) {
    const bool all = co_await ask_all();
    if (all) all_turn_();
    co_await event::sleep_for(home_, every_);
  }
}

event::Task<bool> LoopWatch::ask_all() {
  bool all = true;
  event::TaskScope asking(home_);  // all at once: many that are slow are not one that stands still
  for (const Watched& watched : loops_) asking.spawn(ask_one(watched, all));
  co_await asking.join();
  co_return all;
}

event::Task<void> LoopWatch::ask_one(const Watched& watched, bool& all) {
  const auto answer = co_await event::within(home_, every_, turn_of(home_, *watched.loop));
  const std::string cause = "thread " + watched.name;
  if (answer) {
    silent_.erase(watched.name);
    health_.clear(cause);
    co_return;
  }
  all = false;
  silent_.insert(watched.name);
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(every_).count();
  health_.raise(
      cause, "it has not answered for " + std::to_string(seconds) + " s: what it carries stands still",
      "look at the load and the disk of this machine; a service manager with a watchdog ends the relay and "
      "starts it anew, without one restart it");
}

}  // namespace sealpost::app
