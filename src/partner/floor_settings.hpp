// SPDX-License-Identifier: Apache-2.0
//
// The settings of the configuration that decide what mail must meet, beside the partner rules: what they were, what they
// are to be, which of the changes ask for less, and keeping one as it was. Pure, but for the digest of [tls] trust.
#pragma once

#include <string>
#include <vector>

#include "config/config.hpp"

namespace sealpost::app {

struct FloorSettings {
  bool mta_sts = true, dane = true, dane_satisfies_sts = false;
  TlsVersion minimum = TlsVersion::tls1_2;
  std::chrono::seconds hold_first_for_policy{0};
  std::vector<std::string> honouring;  // addresses of listeners that honour TLS-Required: No
  std::vector<std::string> allow_destinations;
  std::string trust, trust_sha256;  // the file, and its text when it can be read
  dns::TrustAd trust_ad = dns::TrustAd::loopback;
  std::vector<std::string> dns_servers;  // that are asked: the configured or the system's
  bool dns_believed = true;              // is their word on DNSSEC taken?
  std::vector<RouteConfig> routes;
};

FloorSettings floor_settings(const Config& config);

struct SettingChange {
  enum class Way : std::uint8_t { weaker, stronger, other };
  std::string key;  // "dane.enabled": what an entry in [[weaker]] settings names
  Way way = Way::other;
  std::string text;    // in words
  std::string detail;  // of a route its name
};

// The partner rules say what a smart host must meet.
std::vector<SettingChange> compare_settings(const FloorSettings& before,
                                            const std::vector<PartnerRule>& rules_before,
                                            const FloorSettings& after,
                                            const std::vector<PartnerRule>& rules_after, SystemTime now);

// Gives the configuration the former value of what the change is about.
void hold_setting(const SettingChange& change, const FloorSettings& before, Config& config);

}  // namespace sealpost::app
