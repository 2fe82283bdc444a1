// SPDX-License-Identifier: Apache-2.0
#include "config/own_addresses.hpp"

#include <doctest.h>

#include <algorithm>

#include "config/config.hpp"

using namespace sealpost;
using namespace sealpost::app;

TEST_CASE("T-39 a wildcard listener on port 25 makes every address of the machine our own") {
  const auto own = [](const char* address) {
    ListenerConfig listener;
    listener.address = *Endpoint::parse(address);
    return own_addresses({listener});
  };
  const auto has = [](const std::vector<IpAddress>& list, const char* address) {
    return std::find(list.begin(), list.end(), *IpAddress::parse(address)) != list.end();
  };
  CHECK(own("192.0.2.1:25") == std::vector<IpAddress>{*IpAddress::parse("192.0.2.1")});
  CHECK(own("0.0.0.0:2525").empty());
  CHECK(has(own("0.0.0.0:25"), "127.0.0.1"));
  CHECK_FALSE(has(own("0.0.0.0:25"), "0.0.0.0"));
  for (const IpAddress& address : own("[::]:25")) CHECK_FALSE(address.is_v4());
}
