// SPDX-License-Identifier: Apache-2.0
#include "spool/commit_window.hpp"

#include <doctest.h>

using namespace sealpost;
using namespace sealpost::spool;
using namespace std::chrono_literals;

namespace {

constexpr SteadyTime start{std::chrono::hours(1)};

CommitWindow busy_window() {
  CommitWindow window;
  for (int i = 0; i < 20; ++i) window.committed(start, 20);
  return window;
}

}  // namespace

TEST_CASE("D-05: who comes alone is committed at once") {
  CommitWindow window;
  CHECK(window.due(start, 1) == start);
  SteadyTime now = start;
  for (int i = 0; i < 100; ++i) {
    window.committed(now, 2);  // a client that sends one message after the other, and its outcomes
    now += 200us;
    CHECK(window.due(now, 1) == now);
  }
}

TEST_CASE("D-05: when many come, a commit waits for more, but not for long") {
  CommitWindow window = busy_window();
  const SteadyTime soon = start + 100us;
  const SteadyTime again = window.due(soon, 3);
  CHECK(again > soon);
  CHECK(again <= start + 3ms);
  CHECK(window.due(again, 9) > again);                // they keep coming
  CHECK(window.due(start + 3ms, 20) == start + 3ms);  // long enough
}

TEST_CASE("D-05: enough requests are not kept waiting") {
  CommitWindow window = busy_window();
  CHECK(window.due(start + 10us, window.enough()) == start + 10us);
}

TEST_CASE("D-05: clients that all wait for an answer send nothing more, so nobody waits for them") {
  CommitWindow window = busy_window();
  const SteadyTime first = start + 100us;
  const SteadyTime again = window.due(first, 8);
  REQUIRE(again > first);
  CHECK(window.due(again, 8) == again);
}

TEST_CASE("D-08: on a full journal even who comes alone waits for company") {
  CommitWindow window;
  window.committed(start, 1);
  CHECK(window.due(start + 1ms, 1, true) == start + 20ms);
  CHECK(window.due(start + 1ms, window.enough(), true) == start + 1ms);
  CHECK(window.due(start + 1s, 1, true) == start + 1s);
}

TEST_CASE("D-05: after a pause the first one is committed at once") {
  CommitWindow window = busy_window();
  CHECK(window.due(start + 1s, 1) == start + 1s);
}
