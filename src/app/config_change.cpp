// SPDX-License-Identifier: Apache-2.0
#include "app/config_change.hpp"

#include <algorithm>
#include <filesystem>
#include <map>

#include "app/partner_file.hpp"

namespace sealpost::app {
namespace {

class Settings {
 public:
  Settings(const Config& before, const Config& after) : b_(before), a_(after) {
    source("MTA-STS", b_.delivery.mta_sts, a_.delivery.mta_sts);
    source("DANE", b_.delivery.dane, a_.delivery.dane);
    toggle(b_.delivery.dane_satisfies_sts, a_.delivery.dane_satisfies_sts,
           "a passing DANE check satisfies MTA-STS (dane.satisfies_sts)",
           "MTA-STS is checked beside DANE (dane.satisfies_sts)");
    toggle(honours_header(b_), honours_header(a_),
           "a message's TLS-Required: No is honoured (listener.honour_tls_required)",
           "no message's TLS-Required: No is honoured (listener.honour_tls_required)");
    if (a_.minimum != b_.minimum)
      (a_.minimum < b_.minimum ? change_.weaker : change_.stronger)
          .push_back("lowest TLS version " + std::string(sealpost::name_of(a_.minimum)) + " instead of " +
                     std::string(sealpost::name_of(b_.minimum)) + " (tls.minimum)");
    if (a_.trust != b_.trust)
      change_.other.push_back("roots from " + a_.trust + " instead of " + b_.trust + " (tls.trust)");
    compare_dns();
    compare_routes();
  }
  policy::FloorChange take() { return std::move(change_); }

 private:
  static bool honours_header(const Config& config) {
    return std::ranges::any_of(config.listeners, [](const auto& each) { return each.honour_tls_required; });
  }
  void source(const std::string& what, bool before, bool after) {
    if (before && !after) change_.weaker.push_back(what + " is switched off");
    if (!before && after) change_.stronger.push_back(what + " is switched on");
  }
  void toggle(bool before, bool after, const char* when_on, const char* when_off) {
    if (!before && after) change_.weaker.emplace_back(when_on);
    if (before && !after) change_.stronger.emplace_back(when_off);
  }
  // Whose word counts: more of it believed means more DANE obeyed, and more to be lied to by.
  void compare_dns() {
    if (a_.dns.trust_ad == b_.dns.trust_ad) return;
    if (a_.dns.trust_ad == dns::TrustAd::always)
      change_.weaker.push_back("resolvers beyond this machine are believed about DNSSEC (dns.trust_ad)");
    else if (a_.dns.trust_ad == dns::TrustAd::never)
      change_.weaker.push_back("no resolver is believed about DNSSEC, so DANE is off (dns.trust_ad)");
    else
      change_.stronger.push_back("resolvers on this machine are believed about DNSSEC (dns.trust_ad)");
  }
  void compare_routes() {
    std::map<std::string, std::pair<std::string, std::string>> relays;
    for (const RouteConfig& route : b_.routes) relays[route.domain].first = route.relay;
    for (const RouteConfig& route : a_.routes) relays[route.domain].second = route.relay;
    for (const auto& [domain, relay] : relays) {
      if (relay.first == relay.second) continue;
      const auto way = [](const std::string& name) {
        return name.empty() ? std::string("its MX hosts") : name;
      };
      change_.other.push_back("route for " + domain + ": " + way(relay.second) + " instead of " +
                              way(relay.first));
    }
  }

  const Config& b_;
  const Config& a_;
  policy::FloorChange change_;
};

bool holds_partners(const std::string& path) {
  Findings unused;
  const auto table = parse_toml_file(path, unused);
  return table && table->contains("partner");
}

}  // namespace

ConfigChange compare_configs(const Config& before, const Config& after, SystemTime now) {
  ConfigChange change;
  change.settings = Settings(before, after).take();
  change.rules =
      policy::compare_rule_sets(before.partners, after.partners, now, before.minimum, after.minimum);
  return change;
}

LoadResult load_for_comparison(const std::string& path, const Config& other, SystemTime now) {
  std::error_code ignored;
  const bool directory = std::filesystem::is_directory(path, ignored);
  if (!directory && !holds_partners(path)) return load_config(path);
  PartnerFiles files = directory ? read_partner_directory(path, now) : read_partner_file(path, now);
  LoadResult result;
  result.config = other;
  result.config.source = path;
  result.config.partners = std::move(files.rules);
  result.findings = std::move(files.findings);
  return result;
}

}  // namespace sealpost::app
