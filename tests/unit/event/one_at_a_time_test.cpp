// SPDX-License-Identifier: Apache-2.0
#include "event/one_at_a_time.hpp"

#include <doctest.h>

#include <algorithm>

#include "event/sim_loop.hpp"

using namespace sealpost;
using namespace sealpost::event;
using namespace std::chrono_literals;

namespace {

struct Work {
  Loop& loop;
  int begun = 0, ended = 0, at_once = 0, most_at_once = 0;
  Task<void> run() {
    ++begun;
    most_at_once = std::max(most_at_once, ++at_once);
    co_await sleep_for(loop, 1s);
    --at_once;
    ++ended;
  }
};

}  // namespace

TEST_CASE("T-52 however often it is asked for while it runs, it runs once more, whole") {
  SimLoop loop;
  Work work{loop};
  TaskScope scope(loop);
  OneAtATime once(scope, [&] { return work.run(); });
  CHECK_FALSE(once.running());
  for (int i = 0; i < 300; ++i) once.request();
  loop.advance(500ms);
  CHECK(work.begun == 1);
  for (int i = 0; i < 300; ++i) once.request();
  loop.advance(10s);
  CHECK(work.begun == 2);
  CHECK(work.ended == 2);
  CHECK(work.most_at_once == 1);
  CHECK_FALSE(once.running());
  once.request();
  loop.advance(10s);
  CHECK(work.ended == 3);
}
