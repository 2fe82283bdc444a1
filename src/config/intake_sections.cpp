// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "config/checks.hpp"
#include "config/sections.hpp"

namespace sealpost::app {

using namespace std::chrono_literals;

namespace {

constexpr std::size_t most_certificates = 200;

smtp::Service service_of(std::string_view mode) {
  if (mode == "submission") return smtp::Service::submission;
  return mode == "submissions" ? smtp::Service::submissions : smtp::Service::relay;
}

std::vector<Network> everyone() { return {*Network::parse("0.0.0.0/0"), *Network::parse("::/0")}; }

void read_client_cas(TableReader& reader, const Config& config, ListenerConfig& listener) {
  listener.client_cas = read_file_paths(reader, "client_ca");
  listener.ask_certificate = !listener.client_cas.empty();
  if (const auto value = reader.boolean("ask_certificate")) {
    if (!*value && listener.ask_certificate)
      reader.error("ask_certificate",
                   "is false, and client_ca says whose certificates count; take one of them out");
    listener.ask_certificate = *value;
  }
  if (listener.ask_certificate && config.certificates.empty())
    reader.error(listener.client_cas.empty() ? "ask_certificate" : "client_ca",
                 "needs TLS: set certificate and key in [tls]");
}

}  // namespace

ListenerConfig::ListenerConfig() : allow{*Network::parse("127.0.0.0/8"), *Network::parse("::1/128")} {}

void read_listener(TableReader& reader, Config& config) {
  ListenerConfig listener;
  reader.required("address");
  if (const auto address = read_endpoint(reader, "address")) {
    const bool known = std::any_of(config.listeners.begin(), config.listeners.end(),
                                   [&](const auto& other) { return other.address == *address; });
    if (known) reader.error("address", address->to_string() + " has a listener already");
    listener.address = *address;
  }
  if (const auto mode = reader.choice("mode", {"relay", "submission", "submissions"})) {
    listener.mode = service_of(*mode);
    if (!listener.relays()) listener.allow = everyone();
    if (!listener.relays() && config.certificates.empty())
      reader.error("mode", "'" + *mode +
                               "' needs TLS, since passwords never go in clear: set certificate and key in "
                               "[tls]");
  }
  const auto entries = read_networks(reader, "allow", listener.allow);
  read_networks(reader, "proxy_protocol", listener.proxies);
  read_networks(reader, "xclient", listener.xclients);
  const auto nobody_is_everyone = [&](std::string_view key, const std::vector<Network>& networks) {  // T-30
    for (const Network& network : networks) {
      if (network.to_string().ends_with("/0"))
        reader.error(key, "'" + network.to_string() +
                              "' is everyone: this would be an open relay; name your own networks");
    }
  };
  if (listener.relays()) nobody_is_everyone("allow", listener.allow);
  nobody_is_everyone("proxy_protocol", listener.proxies);
  nobody_is_everyone("xclient", listener.xclients);
  if (entries == 0 && listener.relays())
    reader.warning("allow", "is empty: nobody may relay through this listener");
  if (entries == 0 && !listener.relays())
    reader.error("allow", "is empty: nobody could connect; leave it out for anyone who can authenticate");
  read_client_cas(reader, config, listener);
  if (const auto value = reader.boolean("address_literals")) listener.address_literals = *value;
  if (const auto value = reader.boolean("smtputf8")) listener.smtputf8 = *value;
  if (const auto value = reader.boolean("hide_client")) listener.hide_client = *value;
  if (const auto value = reader.boolean("honour_tls_required")) listener.honour_tls_required = *value;
  if (const auto value = reader.choice("bare_newline", {"normalize", "reject"}))
    listener.bare_newline = *value == "reject" ? smtp::BareNewline::reject : smtp::BareNewline::normalize;
  config.listeners.push_back(std::move(listener));
}

void read_tls(TableReader& reader, Config& config) {
  CertificateConfig first;
  first.certificate = read_file_path(reader, "certificate", Secret::no);
  first.key = read_file_path(reader, "key", Secret::yes);
  if (first.certificate.empty() != first.key.empty())
    reader.error(first.key.empty() ? "certificate" : "key",
                 "certificate and key belong together; one of them is missing");
  first.ocsp_staple = read_file_path(reader, "ocsp_staple", Secret::no);
  const bool tls = !first.certificate.empty();
  if (!tls && !first.ocsp_staple.empty()) reader.error("ocsp_staple", "is beside no certificate");
  if (tls) config.certificates.push_back(std::move(first));
  reader.each_table("also", [&](TableReader& also) {
    CertificateConfig more;
    more.line = also.line();
    for (const std::string_view key : {"certificate", "key"}) also.required(key);
    more.certificate = read_file_path(also, "certificate", Secret::no);
    more.key = read_file_path(also, "key", Secret::yes);
    more.ocsp_staple = read_file_path(also, "ocsp_staple", Secret::no);
    if (!tls)
      also.error(
          "certificate",
          "is beside no other: set certificate and key in [tls], which are for clients that ask for no "
          "name");
    if (config.certificates.size() == most_certificates)
      also.error("certificate", "is one more than the " + std::to_string(most_certificates) +
                                    " that there can be; one certificate can have many names");
    if (!more.certificate.empty()) config.certificates.push_back(std::move(more));
  });
  if (auto path = read_file_path(reader, "trust", Secret::no); !path.empty()) config.trust = std::move(path);
  if (const auto minimum = reader.choice("minimum", {"1.2", "1.3"}))
    config.minimum = *minimum == "1.3" ? TlsVersion::tls1_3 : TlsVersion::tls1_2;
}

// Tokens go over it, so it is spoken in TLS; on loopback a program of this machine may do without.
void read_injection(TableReader& reader, Config& config) {
  reader.required("http");
  const auto at = read_endpoint(reader, "http");
  if (!at) return;
  config.injection.http = *at;
  if (!at->address.is_loopback() && config.certificates.empty())
    reader.error("http", "'" + at->to_string() +
                             "' is not an address of this machine alone, and tokens never go in clear: set "
                             "certificate and key in [tls], or use \"127.0.0.1:" +
                             std::to_string(at->port) + "\"");
  const bool taken = std::any_of(config.listeners.begin(), config.listeners.end(),
                                 [&](const auto& listener) { return listener.address == *at; });
  if (taken || config.control_http == *at || config.tls_rpt.receive_http == *at)
    reader.error("http", at->to_string() + " has a listener already");
}

void read_limits(TableReader& reader, LimitsConfig& limits) {
  const auto number = [&](std::string_view key, auto& into, std::int64_t least, std::int64_t most) {
    if (const auto value = reader.integer(key, least, most))
      into = static_cast<std::remove_reference_t<decltype(into)>>(*value);
  };
  number("message_size", limits.message_size, 64 << 10, std::int64_t{2} << 30);  // RFC 5321 §4.5.3.1.7
  number("recipients", limits.recipients, 100, 1000);                            // RFC 5321 §4.5.3.1.8
  number("hops", limits.hops, 10, 1000);
  number("sessions", limits.sessions, 1, 1'000'000);
  number("sessions_per_address", limits.sessions_per_address, 1, 1'000'000);
  number("sessions_per_stranger", limits.sessions_per_stranger, 1, 1'000'000);
  number("stranger_share", limits.stranger_share, 1, 90);
  number("stranger_rate", limits.stranger_rate, 1, 1'000'000);
  number("errors", limits.errors, 1, 10'000);
  number("minimum_rate", limits.minimum_rate, 1, 1 << 20);
  number("body_memory", limits.body_memory, 1 << 20, std::int64_t{64} << 30);
  const auto time = [&](std::string_view key, std::chrono::seconds& into, std::chrono::seconds usual) {
    const auto value = read_at_least(reader, key, 10s);
    if (!value) return;
    into = *value;
    if (*value < usual)
      reader.warning(key, "is shorter than the " + to_duration_text(usual) +
                              " that RFC 5321 4.5.3.2.7 asks a server to wait");
  };
  time("command", limits.command, 5min);
  time("transaction", limits.transaction, 5min);
  time("data_block", limits.data_block, 3min);
  time("data", limits.data, 10min);
  time("session", limits.session, 10min);
}

}  // namespace sealpost::app
