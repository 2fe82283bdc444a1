// SPDX-License-Identifier: Apache-2.0
#include "config/resolving.hpp"

namespace sealpost::app {

dns::ResolverSettings resolver_settings(const DnsConfig& config) {
  dns::ResolverSettings settings;
  settings.servers = config.servers.empty() ? dns::system_servers() : config.servers;
  settings.trust_ad = config.trust_ad;
  return settings;
}

dns::DnssecProbe dnssec_probe(const DnsConfig& config) {
  dns::DnssecProbe probe = dns::well_known_probe();
  if (config.signed_name.empty()) return probe;
  probe.signed_names = {config.signed_name};
  probe.broken_names = {config.broken_name};
  probe.signed_type = dns::RrType::a;
  return probe;
}

std::string report_path(const TlsRptConfig& config) {
  const auto set = parse_tls_rpt_records({"v=TLSRPTv1; rua=" + config.receive_url});
  return set.targets.empty() ? default_report_path : set.targets.front().path;
}

std::string report_host(const TlsRptConfig& config) {
  const auto set = parse_tls_rpt_records({"v=TLSRPTv1; rua=" + config.receive_url});
  return set.targets.empty() ? std::string() : set.targets.front().host;
}

}  // namespace sealpost::app
