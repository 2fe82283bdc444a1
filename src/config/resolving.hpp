// SPDX-License-Identifier: Apache-2.0
//
// What follows from what was read. From [dns] to the servers that are asked and the test of what their word on DNSSEC is
// worth: for the daemon and for `check --live`, which must not find another answer than the daemon will.
#pragma once

#include "config/config.hpp"
#include "dns/ares_resolver.hpp"
#include "dns/dnssec_watch.hpp"

namespace sealpost::app {

// No servers: none are configured and /etc/resolv.conf names none.
dns::ResolverSettings resolver_settings(const DnsConfig& config);
dns::DnssecProbe dnssec_probe(const DnsConfig& config);

// Of receive_url: the path where a request brings a report, and the name by which those who bring it know us.
std::string report_path(const TlsRptConfig& config);
std::string report_host(const TlsRptConfig& config);

}  // namespace sealpost::app
