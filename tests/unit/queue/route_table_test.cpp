// SPDX-License-Identifier: Apache-2.0
#include <doctest.h>

#include "queue/dispatcher.hpp"

using namespace sealpost;
using namespace sealpost::queue;

TEST_CASE("routes: exact beats a pattern, the nearer pattern the wider, '*' the rest") {
  RouteTable routes;
  routes.add("*", "out.example:587");
  routes.add("*.corp.example", "[inside.example]:25");
  routes.add("mail.corp.example", "direct.example");
  CHECK(routes.relay_for("mail.corp.example") == "direct.example");
  CHECK(routes.relay_for("x.y.corp.example") == "[inside.example]:25");
  CHECK(routes.relay_for("corp.example") == "out.example:587");
  CHECK(RouteTable().relay_for("a.example").empty());
}
