// SPDX-License-Identifier: Apache-2.0
#include "app/in_force.hpp"

#include "app/client_identities.hpp"
#include "app/listener_certificates.hpp"
#include "privilege/identity.hpp"

namespace sealpost::app {
namespace {

delivery::SmartHosts smart_hosts_of(const Config& config) {
  delivery::SmartHosts all;
  for (const RouteConfig& route : config.routes) {
    if (!route.is_smart()) continue;
    auto made = std::make_shared<delivery::SmartHost>();
    made->name = route.name;
    made->relay = route.relay;
    made->hosts = route.hosts;
    made->implicit_tls = route.implicit_tls;
    made->level = route.level;
    made->account = route.account;
    made->lacks_account = !route.credentials.empty() && !route.account;
    made->file = route.file;
    made->line = route.line;
    all.emplace(route.name, std::move(made));
  }
  return all;
}

}  // namespace

Expected<InForcePtr> make_in_force(Config config, const keys::Source& keys) {
  auto made = std::make_shared<InForce>();
  auto trust = tls::TrustStore::load(config.trust);
  if (!trust)
    return Error(trust.error().code,
                 "tls.trust " + trust.error().detail + "; it is read as the user " + privilege::user_name());
  made->trust = std::move(*trust);
  auto certificates = load_listener_certificates(config, keys);
  if (!certificates) return certificates.error();
  made->certificates = std::move(*certificates);
  for (const ListenerConfig& listener : config.listeners) {
    auto authorities = load_client_authorities(listener);
    if (!authorities) return authorities.error();
    made->client_authorities.push_back(std::move(*authorities));
  }
  auto dkim = load_dkim(config, keys);
  if (!dkim) return dkim.error();
  made->dkim = std::move(*dkim);
  auto clients = load_client_identities(config.partners, keys);
  if (!clients) return clients.error();
  auto rules = std::make_shared<delivery::Rules>();
  rules->settings = config.delivery;
  rules->partners = config.partners;
  rules->limits = config.traffic;
  rules->client_identities = std::move(*clients);
  rules->smart_hosts = smart_hosts_of(config);
  rules->trust = made->trust;
  made->rules = std::move(rules);
  made->config = std::move(config);
  return InForcePtr(std::move(made));
}

}  // namespace sealpost::app
