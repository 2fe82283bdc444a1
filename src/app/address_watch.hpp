// SPDX-License-Identifier: Apache-2.0
//
// Addresses of listeners that this machine does not have: not yet at the start (an interface that comes up late, an
// address another node still holds), or no more. Their sockets are bound all the same and serve once the address is there;
// this says meanwhile that nobody is heard there.
#pragma once

#include <functional>
#include <vector>

#include "base/health.hpp"
#include "event/loop.hpp"
#include "event/task.hpp"
#include "sealpost/ip_address.hpp"

namespace sealpost::app {

class AddressWatch {
 public:
  // event::address_is_here()
  using IsHere = std::function<std::optional<bool>(const IpAddress&)>;
  AddressWatch(event::Loop& loop, std::vector<Endpoint> listeners, Health& health, IsHere is_here);

  // For ever: at once, and then every few seconds.
  event::Task<void> run();
  void look();

 private:
  event::Loop& loop_;
  const std::vector<Endpoint> listeners_;
  Health& health_;
  IsHere is_here_;
};

}  // namespace sealpost::app
