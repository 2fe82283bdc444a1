// SPDX-License-Identifier: Apache-2.0
#include "app/address_watch.hpp"

#include <doctest.h>

#include "event/event_loop.hpp"
#include "event/listener.hpp"

using namespace sealpost;

TEST_CASE("an address that is not there is named until it is, and again when it goes") {
  sealpost::event::EventLoop loop;
  Health health;
  std::optional<bool> here = false;
  const auto second = *Endpoint::parse("192.0.2.7:25");
  app::AddressWatch watch(
      loop, {*Endpoint::parse("127.0.0.1:25"), second}, health,
      [&](const IpAddress& address) { return address == second.address ? here : std::optional(true); });
  for (int turn = 0; turn < 2; ++turn) {
    here = false;
    watch.look();
    REQUIRE(health.list().size() == 1);
    CHECK(health.list().front().what.find("192.0.2.7") != std::string::npos);
    here = std::nullopt;  // it cannot be told
    watch.look();
    CHECK_FALSE(health.well());
    here = true;
    watch.look();
    CHECK(health.well());
    here = std::nullopt;
    watch.look();
    CHECK(health.well());
  }
}

TEST_CASE("a socket may be bound to an address that the machine does not have") {
  for (const char* text : {"192.0.2.7:0", "[2001:db8::7]:0"}) {
    CAPTURE(text);
    const auto at = *Endpoint::parse(text);
    if (sealpost::event::address_is_here(at.address) != std::optional(false)) continue;  // IPv6 is off
    CHECK_FALSE(sealpost::event::listen_on(at));
    sealpost::event::ListenOptions options;
    options.absent = true;
    CHECK(sealpost::event::listen_on(at, options));
    CHECK(sealpost::event::address_is_free(at));
  }
  CHECK(sealpost::event::address_is_here(Endpoint::parse("127.0.0.1:25")->address) == std::optional(true));
  CHECK(sealpost::event::address_is_here(IpAddress()) == std::optional(true));
}
