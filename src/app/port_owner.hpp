// SPDX-License-Identifier: Apache-2.0
//
// Why an address cannot be listened on, in words: which process has it already, that IPv6 is off.
#pragma once

#include <string>

#include "sealpost/expected.hpp"
#include "sealpost/ip_address.hpp"

namespace sealpost::app {

// "pid 4711 (postfix)" of who listens on that port; empty when that cannot be seen, for want of rights for example.
std::string port_owner(const Endpoint& at);

// `key`: where the configuration names the address.
Error listener_refused(const Endpoint& at, const Error& error, const std::string& key = "[[listener]]");

}  // namespace sealpost::app
