// SPDX-License-Identifier: Apache-2.0
//
// All addresses of a host, both families, as one answer. Which of them may be contacted is the caller's to check.
#pragma once

#include <string>
#include <vector>

#include "dns/resolver.hpp"

namespace sealpost::dns {

struct Families {
  Families() = default;
  Families(bool v6_, bool v4_) : v6(v6_), v4(v4_) {}
  bool v6 = true, v4 = true;
};

struct HostAddresses {
  HostAddresses() = default;
  Status status = Status::failed;    // found when either family is; failed before absent when neither is
  std::vector<IpAddress> addresses;  // IPv6 and IPv4 by turns, each in the resolver's order and once
  bool secure = false;               // every record set that was found
  std::string canonical;             // after CNAMEs; equals the host exactly when it is no alias
  std::string why;                   // for failed
};

event::Task<HostAddresses> look_up_addresses(Resolver& resolver, std::string host, Families families);

}  // namespace sealpost::dns
