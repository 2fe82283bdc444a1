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

TEST_CASE("T-52 a reload takes over the account of a route") {
  const RouteConfig running = route_to("[a.example]:587", "old"), wanted = route_to("[a.example]:587", "new");
  const auto reloaded = reloaded_routes({running}, {wanted});
  REQUIRE(reloaded.routes.size() == 1);
  CHECK(reloaded.routes[0].account == wanted.account);
  CHECK(reloaded.account_waits.empty());
}

TEST_CASE(
    "T-31 an account that a reload finds beside other hosts, or under another tls, is not shown to the "
    "present ones") {
  const RouteConfig running = route_to("[a.example]:587", "old");
  RouteConfig elsewhere = route_to("[b.example]:587", "new");
  RouteConfig one_more = route_to("[a.example]:587", "new");
  one_more.hosts = {{"a.example", 10, 1}, {"b.example", 10, 1}};
  RouteConfig lower = route_to("[a.example]:587", "new");
  lower.level = PartnerLevel::encrypt;
  for (const RouteConfig* wanted : {&elsewhere, &one_more, &lower}) {
    const auto reloaded = reloaded_routes({running}, {*wanted});
    REQUIRE(reloaded.routes.size() == 1);
    CHECK(reloaded.routes[0].relay == "[a.example]:587");
    CHECK(reloaded.routes[0].account == running.account);
    CHECK(reloaded.account_waits == std::vector<std::string>{"*"});
  }
  const auto same = reloaded_routes({running}, {route_to("[b.example]:587", "old")});
  CHECK(same.account_waits.empty());
}
