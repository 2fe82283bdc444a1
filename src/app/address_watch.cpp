// SPDX-License-Identifier: Apache-2.0
#include "app/address_watch.hpp"

#include "event/wait.hpp"

namespace sealpost::app {
namespace {

using namespace std::chrono_literals;
constexpr auto addresses_every = 5s;

}  // namespace

AddressWatch::AddressWatch(event::Loop& loop, std::vector<Endpoint> listeners, Health& health, IsHere is_here)
    : loop_(loop), listeners_(std::move(listeners)), health_(health), is_here_(std::move(is_here)) {}

event::Task<void> AddressWatch::run() {
  for (;;) {
    look();
    co_await event::sleep_for(loop_, addresses_every);
  }
}

// What cannot be told now changes nothing.
void AddressWatch::look() {
  for (const Endpoint& listener : listeners_) {
    const std::optional<bool> here = is_here_(listener.address);
    const std::string cause = "listener " + listener.to_string();
    if (here == true) health_.clear(cause);
    if (here == false)
      health_.raise(
          cause,
          "this machine does not have the address " + listener.address.to_string() +
              ": nobody is heard there until it has",
          "bring up the interface that has it, or take it out of [[listener]]; it is looked for every "
          "few seconds, and no restart is needed");
  }
}

}  // namespace sealpost::app
