// SPDX-License-Identifier: Apache-2.0
//
// The configuration: TOML, read whole, checked whole, every error reported with file, line, key and what
// would be right. Nothing starts or changes on an error. docs/configuration.md lists every key; a check
// compares the two.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "app/toml_reader.hpp"
#include "delivery/context.hpp"
#include "dns/servers.hpp"
#include "queue/dispatcher.hpp"
#include "queue/schedule.hpp"
#include "sealpost/expected.hpp"
#include "sealpost/ip_address.hpp"
#include "sealpost/partner.hpp"

namespace sealpost::app {

struct ListenerConfig {
  ListenerConfig() = default;
  Endpoint address;
  std::vector<Network> allow;  // who may relay
};

struct RouteConfig {
  std::string domain;  // "*", "*.example", "example.net"
  std::string relay;   // as queue lanes name it: "host:port" or "[host]:port"
};

struct DnsConfig {
  std::vector<Endpoint> servers;  // empty: /etc/resolv.conf
  dns::TrustAd trust_ad = dns::TrustAd::loopback;
  std::string signed_name, broken_name;  // names for the self-test (T-10); empty: none
};

struct LimitsConfig {
  std::uint64_t message_size = 50u << 20;
  std::uint32_t recipients = 1000;
  std::uint32_t sessions = 20'000;
  std::uint32_t sessions_per_address = 500;
  std::uint64_t body_memory = 256u << 20;
};

struct TlsRptConfig {
  std::string organization;  // default: the domain of hostname
  std::string contact;       // addr-spec
  std::string from;
  bool send = false;
  bool enabled = true;  // count
};

struct DkimConfig {
  std::string domain, selector, key;
  bool sign_relayed = false;
};

struct LogConfig {
  std::string format = "text";  // text | json
  std::string level = "info";   // debug | info | warning | error
  std::string file;             // empty: standard error
};

struct Config {
  Config();
  std::string source;  // the file, or "(embedded defaults)"
  std::string hostname;
  std::string data_dir;
  std::vector<ListenerConfig> listeners;
  std::string certificate, key, trust;
  TlsVersion minimum = TlsVersion::tls1_2;
  DnsConfig dns;
  queue::ScheduleSettings schedule;
  delivery::Settings delivery;  // timeouts, destinations, hold_first_for_policy, mta_sts, dane
  std::uint32_t connections_per_host = 100;
  std::vector<RouteConfig> routes;
  TlsRptConfig tls_rpt;
  std::optional<DkimConfig> dkim;
  std::string control_socket;
  std::string control_http;      // empty: off
  std::string policy_directory;  // empty: none
  std::vector<PartnerRule> partners;
  LimitsConfig limits;
  LogConfig log;
  unsigned workers = 0;  // 0: one per core
  std::string node;      // part of ids; default: hostname
};

struct LoadResult {
  Config config;  // usable when there is no error
  std::vector<Finding> findings;
  bool ok() const noexcept;
};

// `path` empty: the embedded defaults (listeners on 127.0.0.1:2525 and [::1]:2525, data in ./sealpost-data).
LoadResult load_config(const std::string& path);

}  // namespace sealpost::app
