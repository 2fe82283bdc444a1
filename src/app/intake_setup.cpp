// SPDX-License-Identifier: Apache-2.0
#include "app/intake_setup.hpp"

#include <algorithm>

#include "event/socket_stream.hpp"

namespace sealpost::app {

namespace {

std::shared_ptr<const intake::ClientMap> client_map(const std::vector<ClientConfig>& clients) {
  auto map = std::make_shared<intake::ClientMap>();
  for (const ClientConfig& client : clients) {
    intake::ClientEntry entry;
    entry.names = client.names;
    entry.fingerprints = client.fingerprints;
    entry.user = client.user;
    entry.relay = client.relay;
    map->push_back(std::move(entry));
  }
  return map;
}

using StreamResult = Expected<std::unique_ptr<event::Stream>>;

event::Task<StreamResult> dial_endpoint(event::EventLoop& loop, Endpoint to, Duration limit) {
  event::SocketConnector connector(loop);
  co_return co_await connector.connect(to, limit);
}

}  // namespace

auth::OutsideRulesPtr outside_rules(const AuthConfig& config) {
  auto rules = std::make_shared<auth::OutsideRules>();
  rules->unlisted = config.unlisted;
  rules->tokens = config.tokens;
  return rules;
}

auth::AccountsSettings accounts_settings(const AuthConfig& config) {
  auth::AccountsSettings settings;
  settings.outside = outside_rules(config);
  if (config.dovecot.empty()) return settings;
  settings.dovecot.emplace();
  settings.dovecot->where = config.dovecot;
  settings.dovecot->limit = config.dovecot_timeout;
  const Duration limit = config.dovecot_timeout;
  if (config.dovecot_endpoint)
    settings.dovecot->dial = [to = *config.dovecot_endpoint, limit](event::Loop& loop) {
      return dial_endpoint(static_cast<event::EventLoop&>(loop), to, limit);
    };
  else
    settings.dovecot->dial = [path = config.dovecot_path, limit](event::Loop& loop) {
      return event::connect_to_path(static_cast<event::EventLoop&>(loop), path, limit);
    };
  return settings;
}

intake::SettingsPtr intake_settings(const Config& config, const ListenerConfig& listener,
                                    std::shared_ptr<tls::Server> tls, std::shared_ptr<const DkimKeyring> dkim,
                                    auth::Authenticator* authenticator) {
  intake::RelayRules rules;
  rules.allow = listener.allow;
  rules.hostname = config.hostname;
  rules.postmaster = config.postmaster;
  rules.address_literals = listener.address_literals;
  rules.report_addresses = config.tls_rpt.receive;

  const LimitsConfig& limits = config.limits;
  auto server = std::make_shared<smtp::ServerOptions>();
  server->hostname = config.hostname;
  server->service = listener.mode;
  server->authenticator = listener.relays() ? nullptr : authenticator;
  server->tls = std::move(tls);
  server->offer_dsn =
      true;  // honoured for what we say ourselves, passed on to hosts that offer it (RFC 3461 §5.2)
  server->offer_requiretls = true;  // and is, inside TLS (RFC 8689 §2)
  server->offer_smtputf8 = listener.smtputf8;
  server->bare_newline = listener.bare_newline;
  server->limits.message_size = limits.message_size;
  server->limits.recipients = limits.recipients;
  server->limits.errors = limits.errors;
  server->limits.minimum_rate = limits.minimum_rate;
  server->limits.command = limits.command;
  server->limits.transaction = limits.transaction;
  server->limits.data_block = limits.data_block;
  server->limits.data = limits.data;
  server->limits.session = limits.session;
  server->strangers = smtp::for_strangers(server->limits);
  server->stressed = smtp::under_stress(server->limits);

  auto settings = std::make_shared<intake::Settings>(std::move(rules));
  settings->server = std::move(server);
  settings->most_hops = limits.hops;
  settings->hide_client = listener.hide_client;
  settings->proxies = listener.proxies;
  settings->xclients = listener.xclients;
  settings->honour_tls_required = listener.honour_tls_required;
  if (listener.ask_certificate) settings->clients = client_map(config.clients);
  settings->dkim = std::move(dkim);
  return settings;
}

intake::ConnectionCaps connection_caps(const LimitsConfig& limits, std::uint64_t descriptors) {
  intake::ConnectionCaps caps;
  caps.total = static_cast<std::uint32_t>(std::min<std::uint64_t>(limits.sessions, descriptors));
  caps.client = limits.sessions_per_address;
  // With fewer descriptors than that, one client must not have all places all the same.
  if (caps.total < limits.sessions) caps.client = std::min(caps.client, std::max(1U, caps.total / 5 * 3));
  caps.stranger = limits.sessions_per_stranger;
  caps.stranger_network = 5 * limits.sessions_per_stranger;
  caps.accounts = std::max(1U, caps.total / 5 * 4);  // the last fifth is for the networks that may relay
  caps.guest = caps.stranger_network;
  caps.guest_network = 5 * caps.guest;
  caps.strangers =
      std::max(1U, static_cast<std::uint32_t>(std::uint64_t{caps.total} * limits.stranger_share / 100));
  caps.stranger_rate = limits.stranger_rate;
  return caps;
}

}  // namespace sealpost::app
