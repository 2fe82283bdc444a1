// SPDX-License-Identifier: Apache-2.0
#include "partner/floor_settings.hpp"

#include <algorithm>
#include <map>

#include "config/resolving.hpp"
#include "rules/rule_change.hpp"

namespace sealpost::app {
namespace {

using Way = SettingChange::Way;
using Texts = std::vector<std::string>;

std::string listed(const Texts& all) {
  std::string text;
  for (const std::string& one : all) text += (text.empty() ? "" : ", ") + one;
  return text;
}

// Those of `of` that are not in `in`.
Texts beyond(const Texts& of, const Texts& in) {
  Texts found;
  for (const std::string& one : of)
    if (std::ranges::find(in, one) == in.end()) found.push_back(one);
  return found;
}

// Where its mail may go, by name.
Texts hosts_of(const RouteConfig& route) {
  Texts names;
  for (const delivery::SmartHostChoice& host : route.hosts) names.push_back(host.name);
  if (const auto hop = delivery::NextHop::parse(route.relay); hop && names.empty())
    names.push_back(hop->domain);
  return names;
}

// What it is called; routes that earlier releases wrote down have no name.
const std::string& name_in(const RouteConfig& route) {
  return route.name.empty() ? route.domain : route.name;
}

class Comparison {
 public:
  Comparison(const FloorSettings& before, const std::vector<PartnerRule>& rules_before,
             const FloorSettings& after, const std::vector<PartnerRule>& rules_after, SystemTime now)
      : b_(before), a_(after), rules_before_(rules_before), rules_after_(rules_after), now_(now) {
    source("mta_sts.enabled", "MTA-STS", b_.mta_sts, a_.mta_sts);
    source("dane.enabled", "DANE", b_.dane, a_.dane);
    if (b_.dane_satisfies_sts != a_.dane_satisfies_sts)
      add("dane.satisfies_sts", a_.dane_satisfies_sts ? Way::weaker : Way::stronger,
          a_.dane_satisfies_sts ? "a passing DANE check satisfies MTA-STS"
                                : "MTA-STS is checked beside DANE");
    if (b_.minimum != a_.minimum)
      add("tls.minimum", a_.minimum < b_.minimum ? Way::weaker : Way::stronger,
          "lowest TLS version " + std::string(name_of(a_.minimum)) + " instead of " +
              std::string(name_of(b_.minimum)));
    if (b_.hold_first_for_policy != a_.hold_first_for_policy)
      add("delivery.hold_first_for_policy",
          a_.hold_first_for_policy < b_.hold_first_for_policy ? Way::weaker : Way::stronger,
          "the first mail to a domain waits " + to_duration_text(a_.hold_first_for_policy) + " instead of " +
              to_duration_text(b_.hold_first_for_policy) + " for its MTA-STS policy");
    set("listener.honour_tls_required", b_.honouring, a_.honouring,
        "a message's TLS-Required: No is honoured at ", "a message's TLS-Required: No is not honoured at ");
    set("delivery.allow_destinations", b_.allow_destinations, a_.allow_destinations,
        "strangers' records may lead mail to ", "strangers' records may not lead mail to ");
    if (b_.trust != a_.trust)
      add("tls.trust", same_roots() ? Way::other : Way::weaker,
          "roots from " + a_.trust + " instead of " + b_.trust);
    compare_dns();
    compare_routes();
  }
  std::vector<SettingChange> take() { return std::move(changes_); }

 private:
  void add(std::string key, Way way, std::string text, std::string detail = {}) {
    SettingChange change;
    change.key = std::move(key);
    change.way = way;
    change.text = std::move(text);
    change.detail = std::move(detail);
    changes_.push_back(std::move(change));
  }
  void source(const char* key, const std::string& what, bool before, bool after) {
    if (before != after)
      add(key, after ? Way::stronger : Way::weaker, what + " is switched " + (after ? "on" : "off"));
  }
  // A set of which every member lets more pass.
  void set(const char* key, const Texts& before, const Texts& after, const char* more, const char* less) {
    const Texts added = beyond(after, before), gone = beyond(before, after);
    if (!added.empty()) add(key, Way::weaker, more + listed(added));
    if (!gone.empty()) add(key, Way::stronger, less + listed(gone));
  }
  bool same_roots() const { return !a_.trust_sha256.empty() && a_.trust_sha256 == b_.trust_sha256; }

  // Whose word counts: more of it believed means more DANE obeyed, and more to be lied to by.
  void compare_dns() {
    if (b_.dns_believed && !a_.dns_believed) {  // by either or both, and each is held or let go by itself
      const char* off = "no resolver is believed about DNSSEC, so DANE is off";
      if (a_.trust_ad != b_.trust_ad) add("dns.trust_ad", Way::weaker, off);
      if (a_.trust_ad == b_.trust_ad || a_.dns_servers != b_.dns_servers)
        add("dns.servers", Way::weaker, off);
    }
    if (a_.trust_ad != b_.trust_ad && a_.trust_ad == dns::TrustAd::always)
      add("dns.trust_ad", Way::weaker, "resolvers beyond this machine are believed about DNSSEC");
    if (!b_.dns_believed && a_.dns_believed && a_.trust_ad != dns::TrustAd::always)
      add("dns.trust_ad", Way::stronger, "resolvers on this machine are believed about DNSSEC");
  }

  // The rule for a relay's own domain; what a route's mail must meet on its way there.
  const PartnerRule* rule_of(const std::string& relay, const std::vector<PartnerRule>& rules) const {
    const auto hop = delivery::NextHop::parse(relay);
    return hop ? find_partner(rules, hop->domain, now_) : nullptr;
  }
  void compare_routes() {
    std::map<std::string, std::pair<RouteConfig, RouteConfig>> routes;
    for (const RouteConfig& route : b_.routes) routes[name_in(route)].first = route;
    for (const RouteConfig& route : a_.routes) routes[name_in(route)].second = route;
    for (const auto& [name, route] : routes) {
      if (route.first.relay != route.second.relay)
        compare_route(name, route.first.relay, route.second.relay, route.second.level);
      else if (route.first.level != route.second.level)
        add("route", route.second.level < route.first.level ? Way::weaker : Way::stronger,
            "route for " + name + ": tls = " + std::string(name_of(route.second.level)) + " instead of " +
                std::string(name_of(route.first.level)),
            name);
      compare_hosts(name, route.first, route.second);
    }
  }
  // A host that is listed beside others is as good a way out as the first; what must be proven there counts as well.
  void compare_hosts(const std::string& name, const RouteConfig& before, const RouteConfig& after) {
    if (before.relay.empty() || after.relay.empty()) return;
    Texts added = beyond(hosts_of(after), hosts_of(before));
    const auto first = delivery::NextHop::parse(after.relay);
    if (first && before.relay != after.relay) std::erase(added, first->domain);  // compared already
    for (const std::string& host : added) {
      const auto change =
          rules::compare_rules(rule_of(before.relay, rules_before_), find_partner(rules_after_, host, now_),
                               now_, b_.minimum, b_.minimum);
      std::string text = "route for " + name + ": " + host + " beside others";
      if (!change.weaker.empty()) text += "; " + listed(change.weaker);
      add("route", change.weaker.empty() ? Way::other : Way::weaker, std::move(text), name);
    }
  }
  void compare_route(const std::string& domain, const std::string& before, const std::string& after,
                     PartnerLevel level) {
    const auto way_of = [](const std::string& relay) {
      return relay.empty() ? std::string("its MX hosts") : relay;
    };
    std::string text = "route for " + domain + ": " + way_of(after) + " instead of " + way_of(before);
    const PartnerRule* rule_before = rule_of(before, rules_before_);
    const PartnerRule* rule_after = rule_of(after, rules_after_);
    const auto change = rules::compare_rules(rule_before, rule_after, now_, b_.minimum, b_.minimum);
    const bool proven =
        level >= PartnerLevel::verify ||
        (rule_after != nullptr && !rule_after->audit && level_at(*rule_after, now_) >= PartnerLevel::verify);
    Way way = Way::other;
    if (!change.weaker.empty()) {
      way = Way::weaker;
      text += "; " + listed(change.weaker);
    } else if (before.empty() && !proven) {  // a smart host's own policies count, not the recipients' (S25)
      way = Way::weaker;
      text += "; what " + domain + " publishes counts no more, and no rule makes the relay prove who it is";
    }
    add("route", way, std::move(text), domain);
  }

  const FloorSettings& b_;
  const FloorSettings& a_;
  const std::vector<PartnerRule>& rules_before_;
  const std::vector<PartnerRule>& rules_after_;
  SystemTime now_;
  std::vector<SettingChange> changes_;
};

void hold_route(const std::string& name, const FloorSettings& before, Config& config) {
  const auto about = [&](const RouteConfig& route) { return name_in(route) == name; };
  const auto former = std::ranges::find_if(before.routes, about);
  const auto present = std::ranges::find_if(config.routes, about);
  if (former != before.routes.end() && present != config.routes.end() && present->relay == former->relay) {
    present->level = former->level;
    if (hosts_of(*present) == hosts_of(*former)) return;  // weights and account are as they are written
    present->hosts = former->hosts;
    present->account.reset();  // may be for those that are written
    return;
  }
  // The account that is written now is the other relay's.
  std::erase_if(config.routes, about);
  if (former != before.routes.end()) config.routes.push_back(*former);
}

}  // namespace

FloorSettings floor_settings(const Config& config) {
  FloorSettings floor;
  floor.mta_sts = config.delivery.mta_sts;
  floor.dane = config.delivery.dane;
  floor.dane_satisfies_sts = config.delivery.dane_satisfies_sts;
  floor.minimum = config.minimum;
  floor.hold_first_for_policy = config.delivery.hold_first_for_policy;
  for (const ListenerConfig& listener : config.listeners)
    if (listener.honour_tls_required) floor.honouring.push_back(listener.address.to_string());
  for (const Network& network : config.delivery.routing.allow_destinations)
    floor.allow_destinations.push_back(network.to_string());
  floor.trust = config.trust;
  if (const auto roots = read_whole_file(config.trust)) floor.trust_sha256 = roots->source.sha256;
  floor.trust_ad = config.dns.trust_ad;
  const std::vector<Endpoint> servers = resolver_settings(config.dns).servers;
  for (const Endpoint& server : servers) floor.dns_servers.push_back(server.to_string());
  floor.dns_believed = dns::trusts_ad(config.dns.trust_ad, servers);
  floor.routes = config.routes;
  return floor;
}

std::vector<SettingChange> compare_settings(const FloorSettings& before,
                                            const std::vector<PartnerRule>& rules_before,
                                            const FloorSettings& after,
                                            const std::vector<PartnerRule>& rules_after, SystemTime now) {
  return Comparison(before, rules_before, after, rules_after, now).take();
}

void hold_setting(const SettingChange& change, const FloorSettings& before, Config& config) {
  delivery::Settings& delivery = config.delivery;
  if (change.key == "mta_sts.enabled") delivery.mta_sts = before.mta_sts;
  if (change.key == "dane.enabled") delivery.dane = before.dane;
  if (change.key == "dane.satisfies_sts") delivery.dane_satisfies_sts = before.dane_satisfies_sts;
  if (change.key == "tls.minimum") config.minimum = delivery.minimum = before.minimum;
  if (change.key == "tls.trust") config.trust = delivery.trust_id = before.trust;
  if (change.key == "delivery.hold_first_for_policy")
    delivery.hold_first_for_policy = before.hold_first_for_policy;
  if (change.key == "listener.honour_tls_required")
    for (ListenerConfig& listener : config.listeners)
      if (std::ranges::find(before.honouring, listener.address.to_string()) == before.honouring.end())
        listener.honour_tls_required = false;
  if (change.key == "delivery.allow_destinations")
    std::erase_if(delivery.routing.allow_destinations, [&](const Network& network) {
      return std::ranges::find(before.allow_destinations, network.to_string()) ==
             before.allow_destinations.end();
    });
  if (change.key == "dns.trust_ad") config.dns.trust_ad = before.trust_ad;
  if (change.key == "dns.servers") {
    config.dns.servers.clear();
    for (const std::string& server : before.dns_servers)
      if (const auto endpoint = dns::parse_server(server)) config.dns.servers.push_back(*endpoint);
  }
  if (change.key == "route") hold_route(change.detail, before, config);
}

}  // namespace sealpost::app
