// SPDX-License-Identifier: Apache-2.0
//
// The heap of timers against a model that is a sorted list, and what timers may do while they fire.
#include <doctest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <vector>

#include "event/sim_loop.hpp"

namespace sealpost::event {
namespace {

using namespace std::chrono_literals;

struct Noting final : Timer {
  Noting(Loop& loop, int id_, std::vector<int>& fired_)
      : Timer(loop,
              [](Timer& timer) noexcept {
                auto& self = static_cast<Noting&>(timer);
                self.fired.push_back(self.id);
              }),
        id(id_),
        fired(fired_) {}
  int id;
  std::vector<int>& fired;
};

// What should fire: by time, then by order of arming.
class Model {
 public:
  void arm(int id, SteadyTime at) {
    disarm(id);
    due_.emplace(std::pair(at, order_), id);
    key_[id] = std::pair(at, order_++);
  }
  void disarm(int id) {
    if (const auto found = key_.find(id); found != key_.end()) {
      due_.erase(found->second);
      key_.erase(found);
    }
  }
  void advance(SteadyTime to, std::vector<int>& fired) {
    while (!due_.empty() && due_.begin()->first.first <= to) {
      fired.push_back(due_.begin()->second);
      key_.erase(due_.begin()->second);
      due_.erase(due_.begin());
    }
  }
  bool armed(int id) const { return key_.contains(id); }

 private:
  using Key = std::pair<SteadyTime, int>;
  int order_ = 0;
  std::map<Key, int> due_;
  std::map<int, Key> key_;
};

void run_against_model(unsigned seed) {
  constexpr int timers = 60;
  std::mt19937 random(seed);
  SimLoop loop;
  Model model;
  std::vector<int> fired, expected;
  std::vector<std::unique_ptr<Noting>> all;
  for (int i = 0; i < timers; ++i) all.push_back(std::make_unique<Noting>(loop, i, fired));
  for (int step = 0; step < 2000; ++step) {
    const int id = static_cast<int>(random() % timers);
    auto& timer = all[static_cast<std::size_t>(id)];
    switch (random() % 8) {
      case 0: {
        const Duration by(random() % 20);
        loop.advance(by);
        model.advance(loop.now(), expected);
        break;
      }
      case 1:
        timer->disarm();
        model.disarm(id);
        break;
      case 2:  // destroyed while armed, made anew
        timer = std::make_unique<Noting>(loop, id, fired);
        model.disarm(id);
        break;
      default: {
        const SteadyTime at = loop.now() + Duration(random() % 50);
        timer->arm(at);
        model.arm(id, at);
      }
    }
    CHECK(timer->armed() == model.armed(id));
  }
  loop.run();
  model.advance(SteadyTime::max(), expected);
  CHECK((fired == expected));
}

TEST_CASE("timers fire as a sorted list would") {
  for (unsigned seed = 1; seed <= 50; ++seed) {
    CAPTURE(seed);
    run_against_model(seed);
  }
}

// A timer that does something to others when it fires.
struct Acting final : Timer {
  explicit Acting(Loop& loop, std::function<void()> act_)
      : Timer(loop, [](Timer& timer) noexcept { static_cast<Acting&>(timer).act(); }), act(std::move(act_)) {}
  std::function<void()> act;
};

TEST_CASE("a timer may disarm, destroy and re-arm others, and itself, while it fires") {
  SimLoop loop;
  std::vector<int> fired;
  auto victim = std::make_unique<Noting>(loop, 1, fired);
  Noting disarmed(loop, 2, fired);
  Noting moved(loop, 3, fired);
  int again = 0;
  std::optional<Acting> acting;
  acting.emplace(loop, [&] {
    victim.reset();
    disarmed.disarm();
    if (again == 0) moved.arm(loop.now() + 1s);
    if (++again < 3) acting->arm(loop.now() + 1s);
  });
  const SteadyTime at = loop.now() + 5s;
  acting->arm(at);
  victim->arm(at);
  disarmed.arm(at);
  moved.arm(at);
  loop.advance(5s);
  CHECK(fired.empty());
  loop.run();
  CHECK((fired == std::vector<int>{3}));
  CHECK(again == 3);
}

TEST_CASE("a timer that re-arms itself in the past starves nobody") {
  SimLoop loop;
  std::vector<int> fired;
  Noting other(loop, 1, fired);
  int spins = 0;
  std::optional<Acting> spinning;
  spinning.emplace(loop, [&] {
    if (++spins < 1000 && fired.empty()) spinning->arm(SteadyTime::min());
  });
  spinning->arm(loop.now());
  other.arm(loop.now());
  loop.settle();
  CHECK((fired == std::vector<int>{1}));
  CHECK(spins <= 2);
}

TEST_CASE("timers and work that outlive their loop do not reach into it") {
  std::vector<int> fired;
  struct Nothing final : Runnable {
    Nothing() : Runnable([](Runnable&) noexcept {}) {}
  } work;
  std::optional<Noting> timer;
  {
    SimLoop loop;
    timer.emplace(loop, 1, fired);
    timer->arm(loop.now() + 1s);
    loop.ready(work);
    CHECK(work.queued());
  }
  CHECK_FALSE(work.queued());
  CHECK_FALSE(timer->armed());
}

TEST_CASE("T-50: the wall clock may jump, waits do not notice") {
  SimLoop loop;
  std::vector<int> fired;
  Noting timer(loop, 1, fired);
  timer.arm(loop.now() + 10s);
  const SystemTime before = loop.wall();
  loop.shift_wall(-24h * 3650);
  loop.advance(9s);
  CHECK(fired.empty());
  loop.shift_wall(24h * 7300);
  CHECK(fired.empty());
  loop.advance(1s);
  CHECK(fired.size() == 1);
  CHECK(loop.wall() == before + 24h * 3650 + 10s);
}

}  // namespace
}  // namespace sealpost::event
