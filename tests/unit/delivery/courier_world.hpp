// SPDX-License-Identifier: Apache-2.0
//
// The real courier on a simulated network, in which the test puts the hosts.
#pragma once

#include <memory>
#include <utility>

#include "delivery/courier.hpp"
#include "delivery_world.hpp"
#include "event/sim_network.hpp"

namespace sealpost::delivery {

struct CourierWorld : DeliveryWorld {
  CourierWorld() { connector.real = &network; }
  ~CourierWorld() { shard.reset(); }  // its tasks wait for what is ours

  // mx1.b.example, 198.51.100.1, is preferred to mx2.b.example, 198.51.100.2.
  void two_hosts_for(const char* domain) {
    resolver.mx(domain, {{10, "mx1.b.example"}, {20, "mx2.b.example"}});
    resolver.address("mx1.b.example", {"198.51.100.1"});
    resolver.address("mx2.b.example", {"198.51.100.2"});
  }
  // When context is as it shall be.
  void deliver() {
    auto made = std::make_shared<Rules>();
    made->settings.hostname = "relay.test";
    made->settings.schedule = schedule;
    made->settings.routing.allow_destinations = {*Network::parse("198.51.100.0/24")};
    rules = std::move(made);
    courier = std::make_unique<DeliveryCourier>(*context, rules);
    shard->start(*courier);
  }

  event::SimNetwork network{loop, 1, Endpoint(*IpAddress::parse("192.0.2.1"), 0)};
  RulesPtr rules;
  std::unique_ptr<DeliveryCourier> courier;
};

}  // namespace sealpost::delivery
