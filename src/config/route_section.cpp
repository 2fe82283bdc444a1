// SPDX-License-Identifier: Apache-2.0
//
// [[route]]: mail that goes to a relay instead of the MX hosts of its domain, and how (docs/smart-hosts.md).
#include <algorithm>

#include "auth/sender_pattern.hpp"
#include "base/text.hpp"
#include "config/checks.hpp"
#include "config/credentials.hpp"
#include "config/sections.hpp"
#include "mail/address.hpp"

namespace sealpost::app {
namespace {

constexpr std::uint16_t implicit_tls_port = 465;  // RFC 8314 §3.3

void read_route_domain(TableReader& reader, RouteConfig& route) {
  const auto text = reader.string("domain");
  if (!text) return;
  const bool pattern = text->starts_with("*.");
  const std::string_view domain = pattern ? std::string_view(*text).substr(2) : std::string_view(*text);
  const auto name = to_a_labels(domain);
  if (*text == "*")
    route.domain = *text;
  else if (name)
    route.domain = (pattern ? "*." : "") + *name;
  else if (is_lenient_domain_name(domain))  // as in partner rules: mail is taken for such domains (ADR 32)
    route.domain = text::lower(*text);
  else
    reader.error("domain", "'" + *text +
                               "' is not a domain; write it as \"example.net\", \"*.example.net\" for what "
                               "lies below it, or \"*\" for all others");
}

void read_senders(TableReader& reader, RouteConfig& route) {
  const auto senders = reader.strings("senders");
  if (!senders) return;
  if (senders->empty()) reader.error("senders", "is empty; leave it out for the mail of everybody");
  for (const std::string& sender : *senders) {
    auto pattern = auth::parse_sender_pattern(sender);
    if (pattern)
      route.senders.push_back(std::move(*pattern));
    else
      reader.error("senders", "'" + sender + "': " + pattern.error().detail +
                                  "; write it as \"anna@example.net\" or \"@example.net\"");
  }
}

// One host of several; all have one port, and stand for themselves.
void read_route_host(TableReader& reader, RouteConfig& route) {
  delivery::SmartHostChoice choice;
  reader.required("address");
  if (const auto address = reader.string("address")) {
    const auto hop = delivery::NextHop::parse(*address);
    if (!hop || hop->use_mx)
      reader.error("address", "'" + *address + "' is not a host; write it as \"[smtp.example.net]:587\"");
    else
      choice.name = hop->domain;
    if (hop && !hop->use_mx) {
      if (route.hosts.empty())
        route.relay = *address;
      else if (const auto first = delivery::NextHop::parse(route.relay); first && first->port != hop->port)
        reader.error("address",
                     "has another port than the first host of this route; make it a route of its own");
    }
  }
  if (const auto value = reader.integer("preference", 0, 65'535))
    choice.preference = static_cast<std::uint16_t>(*value);
  if (const auto value = reader.integer("weight", 0, 65'535))
    choice.weight = static_cast<std::uint16_t>(*value);
  constexpr std::size_t most_hosts = 10;  // T-40
  if (route.hosts.size() == most_hosts) reader.error("address", "is one host too many: ten are used");
  route.hosts.push_back(std::move(choice));
}

void read_relay(TableReader& reader, RouteConfig& route) {
  const auto relay = reader.string("relay");
  reader.each_table("host", [&](TableReader& host) { read_route_host(host, route); });
  if (relay && !route.hosts.empty())
    reader.error("relay", "and [[route.host]] say the same thing twice; leave one of them out");
  if (!relay && route.hosts.empty()) reader.required("relay");
  if (!relay) return;
  route.relay = *relay;
  if (!delivery::NextHop::parse(*relay))
    reader.error("relay", "'" + *relay +
                              "' is not a relay; write it as \"smtp.example.net:587\" (its MX hosts are "
                              "looked up) or \"[smtp.example.net]:587\"");
}

// A password goes out encrypted, and to whom it is meant for unless the operator says otherwise.
void read_level(TableReader& reader, RouteConfig& route) {
  const bool logs_in = !route.credentials.empty();
  if (logs_in) route.level = PartnerLevel::verify;
  const auto level = reader.choice("tls", {"opportunistic", "encrypt", "verify"});
  if (level && *level == "opportunistic" && logs_in)
    reader.error("tls",
                 "'opportunistic' with credentials would send a password in clear; 'verify' is the default, "
                 "'encrypt' lets anybody in between read it");
  else if (level)
    route.level = *level == "verify"    ? PartnerLevel::verify
                  : *level == "encrypt" ? PartnerLevel::encrypt
                                        : PartnerLevel::opportunistic;
  if (level && *level == "encrypt" && logs_in)
    reader.warning("tls", "'encrypt' shows the password to whoever answers in the relay's place");
}

}  // namespace

void read_route(TableReader& reader, Config& config) {
  RouteConfig route;
  route.file = reader.file();
  route.line = reader.line();
  reader.required("domain");
  read_route_domain(reader, route);
  read_senders(reader, route);
  read_relay(reader, route);
  const auto hop = delivery::NextHop::parse(route.relay);
  route.implicit_tls = hop && hop->port == implicit_tls_port;
  if (const auto value = reader.boolean("implicit_tls")) route.implicit_tls = *value;
  if (reader.has("credentials")) {
    route.credentials = read_file_path(reader, "credentials", Secret::yes);
    if (!route.credentials.empty()) route.account = read_credentials(reader, route.credentials);
  }
  read_level(reader, route);
  // Without a word on TLS that port asks for it all the same: what has no certificate to show is not talked to in clear.
  if (route.implicit_tls) route.level = std::max(route.level, PartnerLevel::encrypt);

  route.name = route.domain;
  for (const std::string& sender : route.senders) route.name += " from " + sender;
  if (reader.has("name"))
    if (auto name = read_words(reader, "name"); !name.empty()) route.name = std::move(name);
  const auto whom = [](const RouteConfig& one) {
    return one.senders.empty() ? std::vector<std::string>{""} : one.senders;
  };
  for (const RouteConfig& other : config.routes) {
    if (!route.domain.empty() && other.name == route.name) {
      reader.error(reader.has("name") ? "name" : "domain", "'" + route.name + "' has a route already");
      break;
    }
    const auto theirs = whom(other), ours = whom(route);
    const bool same = std::any_of(ours.begin(), ours.end(), [&](const std::string& one) {
      return std::find(theirs.begin(), theirs.end(), one) != theirs.end();
    });
    if (!route.domain.empty() && other.domain == route.domain && same) {
      reader.error("domain", "'" + route.domain + "' has a route already, '" + other.name + "'");
      break;
    }
  }
  config.routes.push_back(std::move(route));
}

}  // namespace sealpost::app
