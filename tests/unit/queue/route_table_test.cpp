// SPDX-License-Identifier: Apache-2.0
#include <doctest.h>

#include "queue/dispatcher.hpp"

using namespace sealpost;
using namespace sealpost::queue;

namespace {

std::string next_hop(const RouteTable& routes, std::string_view domain, std::string_view sender = "") {
  const auto* target = routes.find(sender, domain);
  return target == nullptr ? "by MX" : target->next_hop;
}

}  // namespace

TEST_CASE("routes: exact beats a pattern, the nearer pattern the wider, '*' the rest") {
  RouteTable routes;
  routes.add("*", {}, {"out.example:587", ""});
  routes.add("*.corp.example", {}, {"[inside.example]:25", ""});
  routes.add("mail.corp.example", {}, {"direct.example", ""});
  CHECK(next_hop(routes, "mail.corp.example") == "direct.example");
  CHECK(next_hop(routes, "x.y.corp.example") == "[inside.example]:25");
  CHECK(next_hop(routes, "corp.example") == "out.example:587");
  CHECK(next_hop(RouteTable(), "a.example") == "by MX");
}

TEST_CASE(
    "routes: those of a sender come first, his address before his domain, and the null sender has none") {
  RouteTable routes;
  routes.add("*", {"anna@here.example", "@shop.example"}, {"[one.example]:587", "one"});
  routes.add("b.example", {"@here.example"}, {"[two.example]:587", "two"});
  routes.add("b.example", {}, {"[all.example]:25", ""});
  CHECK(next_hop(routes, "b.example", "Anna@HERE.example") == "[one.example]:587");
  CHECK(next_hop(routes, "b.example", "otto@here.example") == "[two.example]:587");
  CHECK(next_hop(routes, "c.example", "otto@here.example") == "by MX");
  CHECK(next_hop(routes, "c.example", "x@shop.example") == "[one.example]:587");
  CHECK(next_hop(routes, "c.example", "x@sub.shop.example") == "by MX");
  CHECK(next_hop(routes, "b.example", "x@other.example") == "[all.example]:25");
  CHECK(next_hop(routes, "b.example") == "[all.example]:25");
  CHECK(routes.find("anna@here.example", "z.example")->route == "one");
}
