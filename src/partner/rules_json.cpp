// SPDX-License-Identifier: Apache-2.0
#include "partner/rules_json.hpp"

#include <stdexcept>
#include <utility>

namespace sealpost::app {
namespace {

using Json = nlohmann::json;

template <class Enum>
Enum checked(const Json& json, Enum last) {
  const auto number = json.get<std::uint64_t>();
  if (number > static_cast<std::uint64_t>(last)) throw std::invalid_argument("a value out of range");
  return static_cast<Enum>(number);
}
template <class Enum>
std::uint64_t number_of(Enum value) {
  return static_cast<std::uint64_t>(value);
}

Json to_json(const std::optional<SystemTime>& time) {
  return time ? Json(time->time_since_epoch().count()) : Json();
}
SystemTime time_from(const Json& json) {
  return SystemTime(std::chrono::microseconds(json.get<std::int64_t>()));
}
std::optional<SystemTime> maybe_time(const Json& json) {
  return json.is_null() ? std::nullopt : std::optional(time_from(json));
}

Json to_json(const PartnerRule& rule) {
  Json exceptions = Json::array();
  for (const PartnerException& each : rule.exceptions)
    exceptions.push_back({{"until", each.until.time_since_epoch().count()},
                          {"level", number_of(each.level)},
                          {"reason", each.reason},
                          {"approved_by", each.approved_by}});
  return {{"name", rule.name},
          {"domains", rule.domains},
          {"level", number_of(rule.level)},
          {"mx", rule.mx},
          {"names", number_of(rule.names)},
          {"literal_names", rule.literal_names},
          {"pins", rule.pins},
          {"minimum", number_of(rule.minimum)},
          {"audit", rule.audit},
          {"on_failure", number_of(rule.on_failure)},
          {"reroute", rule.reroute},
          {"client_certificate", rule.client_certificate},
          {"client_key", rule.client_key},
          {"grace", rule.grace.count()},
          {"starts", to_json(rule.starts)},
          {"ends", to_json(rule.ends)},
          {"review_by", to_json(rule.review_by)},
          {"owner", rule.owner},
          {"reference", rule.reference},
          {"exceptions", std::move(exceptions)},
          {"file", rule.file},
          {"line", rule.line},
          {"hash", rule.hash}};
}

PartnerRule rule_from(const Json& json) {
  PartnerRule rule;
  json.at("name").get_to(rule.name);
  json.at("domains").get_to(rule.domains);
  rule.level = checked(json.at("level"), PartnerLevel::pin);
  json.at("mx").get_to(rule.mx);
  rule.names = checked(json.at("names"), PartnerRule::Names::literal);
  json.at("literal_names").get_to(rule.literal_names);
  json.at("pins").get_to(rule.pins);
  rule.minimum = checked(json.at("minimum"), TlsVersion::tls1_3);
  json.at("audit").get_to(rule.audit);
  rule.on_failure = checked(json.at("on_failure"), PartnerRule::OnFailure::reroute);
  json.at("reroute").get_to(rule.reroute);
  json.at("client_certificate").get_to(rule.client_certificate);
  json.at("client_key").get_to(rule.client_key);
  rule.grace = std::chrono::seconds(json.at("grace").get<std::int64_t>());
  rule.starts = maybe_time(json.at("starts"));
  rule.ends = maybe_time(json.at("ends"));
  rule.review_by = maybe_time(json.at("review_by"));
  json.at("owner").get_to(rule.owner);
  json.at("reference").get_to(rule.reference);
  for (const Json& each : json.at("exceptions")) {
    PartnerException exception;
    exception.until = time_from(each.at("until"));
    exception.level = checked(each.at("level"), PartnerLevel::pin);
    each.at("reason").get_to(exception.reason);
    each.at("approved_by").get_to(exception.approved_by);
    rule.exceptions.push_back(std::move(exception));
  }
  json.at("file").get_to(rule.file);
  json.at("line").get_to(rule.line);
  json.at("hash").get_to(rule.hash);
  return rule;
}

Json to_json(const FloorSettings& floor) {
  Json routes = Json::array();
  for (const RouteConfig& route : floor.routes) {
    Json hosts = Json::array();
    for (const delivery::SmartHostChoice& host : route.hosts)
      hosts.push_back({{"name", host.name}, {"preference", host.preference}, {"weight", host.weight}});
    routes.push_back({{"domain", route.domain},
                      {"relay", route.relay},
                      {"name", route.name},
                      {"level", number_of(route.level)},
                      {"senders", route.senders},
                      {"hosts", std::move(hosts)},
                      {"implicit_tls", route.implicit_tls},
                      {"credentials", route.credentials}});
  }
  return {{"mta_sts", floor.mta_sts},
          {"dane", floor.dane},
          {"dane_satisfies_sts", floor.dane_satisfies_sts},
          {"minimum", number_of(floor.minimum)},
          {"hold_first_for_policy", floor.hold_first_for_policy.count()},
          {"honouring", floor.honouring},
          {"allow_destinations", floor.allow_destinations},
          {"trust", floor.trust},
          {"trust_sha256", floor.trust_sha256},
          {"trust_ad", number_of(floor.trust_ad)},
          {"dns_servers", floor.dns_servers},
          {"dns_believed", floor.dns_believed},
          {"routes", std::move(routes)}};
}

FloorSettings settings_from(const Json& json) {
  FloorSettings floor;
  json.at("mta_sts").get_to(floor.mta_sts);
  json.at("dane").get_to(floor.dane);
  json.at("dane_satisfies_sts").get_to(floor.dane_satisfies_sts);
  floor.minimum = checked(json.at("minimum"), TlsVersion::tls1_3);
  floor.hold_first_for_policy = std::chrono::seconds(json.at("hold_first_for_policy").get<std::int64_t>());
  json.at("honouring").get_to(floor.honouring);
  json.at("allow_destinations").get_to(floor.allow_destinations);
  json.at("trust").get_to(floor.trust);
  json.at("trust_sha256").get_to(floor.trust_sha256);
  floor.trust_ad = checked(json.at("trust_ad"), dns::TrustAd::never);
  json.at("dns_servers").get_to(floor.dns_servers);
  json.at("dns_believed").get_to(floor.dns_believed);
  for (const Json& each : json.at("routes")) {
    RouteConfig route;
    each.at("domain").get_to(route.domain);
    each.at("relay").get_to(route.relay);
    route.name = each.value("name", route.domain);  // neither was written down by earlier releases
    route.senders = each.value("senders", std::vector<std::string>());
    route.credentials = each.value("credentials", std::string());
    for (const Json& host : each.value("hosts", Json::array())) {
      delivery::SmartHostChoice choice;
      host.at("name").get_to(choice.name);
      host.at("preference").get_to(choice.preference);
      host.at("weight").get_to(choice.weight);
      route.hosts.push_back(std::move(choice));
    }
    route.implicit_tls = each.value("implicit_tls", false);
    if (each.contains("level")) route.level = checked(each.at("level"), PartnerLevel::pin);
    floor.routes.push_back(std::move(route));
  }
  return floor;
}

}  // namespace

nlohmann::json to_json(const RulesInForce& rules) {
  Json partners = Json::array();
  for (const PartnerRule& rule : rules.partners) partners.push_back(to_json(rule));
  return {{"settings", to_json(rules.settings)}, {"partners", std::move(partners)}};
}

RulesInForce rules_from_json(const nlohmann::json& json) {
  RulesInForce rules;
  rules.settings = settings_from(json.at("settings"));
  for (const Json& each : json.at("partners")) rules.partners.push_back(rule_from(each));
  return rules;
}

}  // namespace sealpost::app
