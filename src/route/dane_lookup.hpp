// SPDX-License-Identifier: Apache-2.0
//
// TLSA discovery for one MX host (RFC 7672 §2.2): base domain, secure / insecure / failed at every link.
#pragma once

#include <string>

#include "route/mx_lookup.hpp"
#include "sealpost/requirement.hpp"

namespace sealpost::delivery {

// `addresses` has been resolved before (D9): an insecure host gets no TLSA query.
event::Task<DaneState> find_dane(dns::Resolver& resolver, NextHop next_hop, MxSet mx, std::string host,
                                 HostAddresses addresses);

}  // namespace sealpost::delivery
