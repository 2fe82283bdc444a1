// SPDX-License-Identifier: Apache-2.0
#include "app/route_table.hpp"

#include <doctest.h>

using namespace sealpost;
using namespace sealpost::app;

namespace {

RouteConfig route_to(const char* relay, const char* password) {
  RouteConfig route;
  route.name = route.domain = "*";
  route.relay = relay;
  route.level = PartnerLevel::verify;
  route.credentials = "/etc/sealpost/provider.toml";
  auto account = std::make_shared<auth::ClientAccount>();
  account->user = "relay";
  account->password = auth::Secret(password);
  route.account = std::move(account);
  return route;
}

}  // namespace

TEST_CASE(
    "T-31 a route that is held as it was keeps the account that its hosts know; other hosts, or another tls, "
    "get none") {
  const RouteConfig running = route_to("[a.example]:587", "old");
  RouteConfig held = running;  // as the record of rules in force has it
  held.account.reset();
  std::vector<RouteConfig> routes{held};
  keep_accounts({running}, routes);
  CHECK(routes[0].account == running.account);

  RouteConfig elsewhere = held, one_more = held, lower = held, nobody = held;
  elsewhere.relay = "[b.example]:587";
  one_more.hosts = {{"a.example", 10, 1}, {"b.example", 10, 1}};
  lower.level = PartnerLevel::encrypt;
  nobody.credentials.clear();
  for (const RouteConfig* other : {&elsewhere, &one_more, &lower, &nobody}) {
    routes = {*other};
    keep_accounts({running}, routes);
    CHECK(routes[0].account == nullptr);
  }
}

TEST_CASE("T-52 an account that is written now goes to the hosts that are written beside it") {
  const RouteConfig running = route_to("[a.example]:587", "old"), wanted = route_to("[b.example]:587", "new");
  std::vector<RouteConfig> routes{wanted};
  keep_accounts({running}, routes);
  CHECK(routes[0].account == wanted.account);
  CHECK(routes[0].relay == "[b.example]:587");
}

TEST_CASE("routes that are gone are those that had something of their own and have not any more") {
  const RouteConfig smart = route_to("[a.example]:587", "x");
  RouteConfig plain;
  plain.name = "plain";
  plain.relay = "[b.example]:25";
  RouteConfig bare = smart;
  bare.level = PartnerLevel::opportunistic;
  bare.credentials.clear();
  bare.account.reset();
  CHECK(routes_gone({smart, plain}, {smart}).empty());
  CHECK(routes_gone({smart, plain}, {plain}) == std::vector<std::string>{"*"});
  CHECK(routes_gone({smart, plain}, {bare}) == std::vector<std::string>{"*"});
}
