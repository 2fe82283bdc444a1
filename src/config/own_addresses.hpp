// SPDX-License-Identifier: Apache-2.0
//
// Under which addresses this relay can be reached on port 25, so that an MX that leads back here is known for what
// it is (RFC 5321 §5.1, T-39).
#pragma once

#include <vector>

#include "config/config.hpp"

namespace sealpost::app {

// A listener on a wildcard address stands for every address of that family the machine has now.
std::vector<IpAddress> own_addresses(const std::vector<ListenerConfig>& listeners);

// Every address that the machine has now.
std::vector<IpAddress> interface_addresses();

}  // namespace sealpost::app
