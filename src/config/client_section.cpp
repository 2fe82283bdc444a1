// SPDX-License-Identifier: Apache-2.0
//
// [[client]]: whom the certificates of clients stand for (docs/client-certificates.md).
#include <algorithm>

#include "auth/password.hpp"
#include "auth/sender_pattern.hpp"
#include "base/text.hpp"
#include "config/checks.hpp"
#include "config/sections.hpp"
#include "mail/address.hpp"

namespace sealpost::app {
namespace {

constexpr std::size_t sha256_octets_of_fingerprint = 32;

// As openssl x509 -fingerprint shows it, with colons, or without; nothing: it is none.
std::string fingerprint_of(std::string_view written) {
  std::string digits;
  for (const char c : written)
    if (c != ':') digits += text::lower(c);
  const auto octets = text::from_hex(digits);
  return octets && octets->size() == sha256_octets_of_fingerprint ? digits : std::string();
}

// As it stands in certificates: lower case, domains in A-labels; nothing: none does.
std::string certificate_name_of(std::string_view written) {
  if (written.find('@') != written.npos) return auth::parse_sender_pattern(written).value_or(std::string());
  const bool wildcard = written.starts_with("*.");
  const auto domain = to_a_labels(written.substr(wildcard ? 2 : 0));
  if (!domain || domain->find('.') == domain->npos) return {};
  return (wildcard ? "*." : "") + *domain;
}

// One or several, each as `meaning_of` has it, which gives nothing for what is wrong.
std::vector<std::string> read_each(TableReader& reader, std::string_view key,
                                   std::string (*meaning_of)(std::string_view), const char* wrong) {
  std::vector<std::string> all;
  for (const std::string& written : reader.one_or_more(key).value_or(std::vector<std::string>())) {
    all.push_back(meaning_of(written));
    if (all.back().empty()) reader.error(key, "'" + written + "' is no " + wrong);
  }
  return all;
}

void read_names(TableReader& reader, ClientConfig& client) {
  client.names = read_each(reader, "name", certificate_name_of,
                           "name that certificates have; write it as \"printer.example.net\", "
                           "\"*.example.net\", \"anna@example.net\" or \"@example.net\"");
  client.fingerprints = read_each(reader, "fingerprint", fingerprint_of,
                                  "SHA-256 of a certificate or its key, 64 hexadecimal digits; "
                                  "'openssl x509 -noout -fingerprint -sha256 -in FILE' shows it");
}

void warn_of_vain_client(TableReader& reader, const Config& config, const ClientConfig& client) {
  const auto any_listener = [&](auto&& is) {
    return std::any_of(config.listeners.begin(), config.listeners.end(), is);
  };
  const bool asked = any_listener([](const ListenerConfig& listener) { return listener.ask_certificate; });
  const bool relay =
      any_listener([](const ListenerConfig& one) { return one.ask_certificate && one.relays(); });
  const bool trusted =
      any_listener([](const ListenerConfig& listener) { return !listener.client_cas.empty(); });
  if (!asked)
    reader.warning(client.names.empty() ? "fingerprint" : "name",
                   "says nothing while no listener asks for certificates: set client_ca or ask_certificate "
                   "there");
  else if (!client.names.empty() && !trusted)
    reader.warning("name", "says nothing while no listener has client_ca: no authority's names count");
  else if (client.relay && !relay)
    reader.warning("relay", "says nothing while no listener of mode relay asks for certificates");
}

}  // namespace

void read_client(TableReader& reader, Config& config) {
  ClientConfig client;
  read_names(reader, client);
  if (client.names.empty() && client.fingerprints.empty())
    reader.error("name", "is missing, and there is no fingerprint: whose certificate it is, is not said");
  if (const auto typed = reader.string("user")) {
    auto name = auth::prepared_name(*typed);
    if (name)
      client.user = std::move(*name);
    else
      reader.error("user", name.error().detail);
  }
  if (const auto value = reader.boolean("relay")) client.relay = *value;
  const bool by_address = std::any_of(client.names.begin(), client.names.end(),
                                      [](const std::string& name) { return name.find('@') != name.npos; });
  if (!reader.has("user") && !client.relay && !by_address)
    reader.error("user", "is missing: as which account may it send? Or set relay = true");
  warn_of_vain_client(reader, config, client);
  config.clients.push_back(std::move(client));
}

}  // namespace sealpost::app
