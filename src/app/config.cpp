// SPDX-License-Identifier: Apache-2.0
#include "app/config.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "app/partner_file.hpp"
#include "base/text.hpp"

namespace sealpost::app {
namespace {

using namespace std::chrono_literals;

std::string own_hostname() {
  char name[256] = {};
  if (::gethostname(name, sizeof name - 1) != 0 || name[0] == '\0') return "localhost";
  return text::lower(name);
}

bool is_host_name(std::string_view name) {
  if (name.empty() || name.size() > 253) return false;
  for (const std::string_view label : text::split(name, '.')) {
    if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-') return false;
    if (!std::all_of(label.begin(), label.end(), [](char c) {
          return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
        }))
      return false;
  }
  return true;
}

// A file that must be there; a key must not be readable by others (T-51).
void check_file(TableReader& reader, std::string_view key, const std::string& path, bool secret) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0)
    return reader.error(key, "cannot be read: " + path + ": " + std::strerror(errno));
  if (!S_ISREG(status.st_mode)) return reader.error(key, path + " is not a file");
  if (secret && (status.st_mode & 0077) != 0)
    reader.error(key, path + " can be read by others; run: chmod 600 " + path);
}

void read_networks(TableReader& reader, std::string_view key, std::vector<Network>& into) {
  const auto texts = reader.strings(key);
  if (!texts) return;
  into.clear();
  for (const std::string& entry : *texts) {
    if (const auto network = Network::parse(entry)) {
      into.push_back(*network);
    } else {
      reader.error(
          key, "'" + entry +
                   "' is not a network; write it as \"192.0.2.0/24\" or \"2001:db8::/32\", host bits zero");
    }
  }
}

void read_listener(TableReader& reader, Config& config) {
  ListenerConfig listener;
  listener.allow = {*Network::parse("127.0.0.0/8"), *Network::parse("::1/128")};
  reader.required("address");
  if (const auto text = reader.string("address")) {
    if (const auto endpoint = Endpoint::parse(*text)) {
      listener.address = *endpoint;
    } else {
      reader.error(
          "address",
          "'" + *text + "' is not an address with port; write it as \"127.0.0.1:25\" or \"[::1]:25\"");
    }
  }
  if (const auto mode = reader.choice("mode", {"relay", "submission", "submissions"});
      mode && *mode != "relay")
    reader.error("mode", "'" + *mode + "' is not available in this version; use \"relay\"");
  read_networks(reader, "allow", listener.allow);
  config.listeners.push_back(std::move(listener));
}

void read_tls(TableReader& reader, Config& config) {
  if (const auto path = reader.string("certificate"))
    config.certificate = *path, check_file(reader, "certificate", *path, false);
  if (const auto path = reader.string("key")) config.key = *path, check_file(reader, "key", *path, true);
  if (config.certificate.empty() != config.key.empty())
    reader.error(config.key.empty() ? "certificate" : "key",
                 "certificate and key belong together; one of them is missing");
  if (const auto path = reader.string("trust"))
    config.trust = *path, check_file(reader, "trust", *path, false);
  if (const auto minimum = reader.choice("minimum", {"1.2", "1.3"}))
    config.minimum = *minimum == "1.3" ? TlsVersion::tls1_3 : TlsVersion::tls1_2;
}

void read_dns(TableReader& reader, DnsConfig& config) {
  if (const auto servers = reader.strings("servers")) {
    for (const std::string& text : *servers) {
      if (const auto address = IpAddress::parse(text)) {
        config.servers.emplace_back(*address, std::uint16_t{53});
      } else if (const auto endpoint = Endpoint::parse(text)) {
        config.servers.push_back(*endpoint);
      } else {
        reader.error("servers",
                     "'" + text + "' is not an address; write it as \"127.0.0.1\" or \"127.0.0.1:5353\"");
      }
    }
  }
  if (const auto trust = reader.choice("trust_ad", {"loopback", "always", "never"}))
    config.trust_ad = *dns::parse_trust_ad(*trust);
  if (const auto name = reader.string("signed_name")) config.signed_name = *name;
  if (const auto name = reader.string("broken_name")) config.broken_name = *name;
  if (config.signed_name.empty() != config.broken_name.empty())
    reader.error(config.signed_name.empty() ? "broken_name" : "signed_name",
                 "signed_name and broken_name belong together");
}

void read_timeouts(TableReader& reader, smtp::ClientLimits& limits) {
  const auto read = [&](std::string_view key, Duration& into) {
    const auto value = reader.duration(key);
    if (!value) return;
    if (*value < 1s) return reader.error(key, "must be at least 1s");
    into = *value;
  };
  read("connect", limits.connect);
  read("greeting", limits.greeting);
  read("ehlo", limits.ehlo);
  read("starttls", limits.starttls);
  read("mail", limits.mail);
  read("rcpt", limits.rcpt);
  read("data", limits.data);
  read("body", limits.body);
  read("final", limits.final_dot);
}

void read_delivery(TableReader& reader, Config& config) {
  if (const auto retry = reader.durations("retry")) {
    if (retry->empty() || std::any_of(retry->begin(), retry->end(), [](auto gap) { return gap < 1s; })) {
      reader.error("retry", "needs at least one gap, each of 1s or more");
    } else {
      config.schedule.retry = *retry;
    }
  }
  if (const auto value = reader.duration("lifetime")) config.schedule.lifetime = *value;
  if (const auto value = reader.duration("delay_notice")) config.schedule.delay_notice = *value;
  if (const auto value = reader.duration("hold_first_for_policy"))
    config.delivery.hold_first_for_policy = *value;
  if (const auto value = reader.integer("connections_per_host", 1, 10'000))
    config.connections_per_host = static_cast<std::uint32_t>(*value);
  if (const auto value = reader.integer("messages_per_connection", 1, 1'000'000))
    config.delivery.messages_per_connection = static_cast<std::uint32_t>(*value);
  if (const auto value = reader.integer("recipients_per_transaction", 1, 1000))
    config.delivery.recipients_per_transaction = static_cast<std::uint32_t>(*value);
  if (const auto value = reader.duration("idle_connection")) config.delivery.idle_connection = *value;
  if (const auto value = reader.boolean("ipv4")) config.delivery.routing.ipv4 = *value;
  if (const auto value = reader.boolean("ipv6")) config.delivery.routing.ipv6 = *value;
  if (!config.delivery.routing.ipv4 && !config.delivery.routing.ipv6)
    reader.error("ipv6", "ipv4 and ipv6 cannot both be off");
  reader.table("timeouts", [&](TableReader& timeouts) { read_timeouts(timeouts, config.delivery.limits); });
  read_networks(reader, "allow_destinations", config.delivery.routing.allow_destinations);
}

void read_route(TableReader& reader, Config& config) {
  RouteConfig route;
  reader.required("domain");
  reader.required("relay");
  if (const auto domain = reader.string("domain")) route.domain = text::lower(*domain);
  if (const auto relay = reader.string("relay")) {
    route.relay = *relay;
    if (!delivery::NextHop::parse(*relay))
      reader.error("relay", "'" + *relay +
                                "' is not a relay; write it as \"smtp.example.net:587\" (its MX hosts are "
                                "looked up) or \"[smtp.example.net]:587\"");
  }
  const bool known = std::any_of(config.routes.begin(), config.routes.end(),
                                 [&](const auto& other) { return other.domain == route.domain; });
  if (known) reader.error("domain", "'" + route.domain + "' has a route already");
  config.routes.push_back(std::move(route));
}

void read_tls_rpt(TableReader& reader, TlsRptConfig& report) {
  if (const auto value = reader.boolean("enabled")) report.enabled = *value;
  if (const auto value = reader.string("organization")) report.organization = *value;
  if (const auto value = reader.string("contact")) report.contact = *value;
  if (const auto value = reader.string("from")) report.from = *value;
  if (const auto value = reader.boolean("send")) report.send = *value;
  for (const auto& [key, value] :
       {std::pair<std::string_view, const std::string&>{"contact", report.contact}, {"from", report.from}}) {
    if (!value.empty() && value.find('@') == std::string::npos)
      reader.error(
          key,
          "'" + value + "' is not a mail address; write it as \"tls-reports@example.net\", without mailto:");
  }
}

void read_dkim(TableReader& reader, Config& config) {
  DkimConfig dkim;
  for (const std::string_view key : {"domain", "selector", "key"}) reader.required(key);
  if (const auto value = reader.string("domain")) dkim.domain = text::lower(*value);
  if (const auto value = reader.string("selector")) dkim.selector = *value;
  if (const auto value = reader.string("key")) dkim.key = *value, check_file(reader, "key", *value, true);
  if (const auto value = reader.boolean("sign_relayed")) dkim.sign_relayed = *value;
  config.dkim = std::move(dkim);
}

void read_limits(TableReader& reader, LimitsConfig& limits) {
  const auto read = [&](std::string_view key, auto& into, std::int64_t least, std::int64_t most) {
    if (const auto value = reader.integer(key, least, most))
      into = static_cast<std::remove_reference_t<decltype(into)>>(*value);
  };
  read("message_size", limits.message_size, 64 << 10, std::int64_t{2} << 30);
  read("recipients", limits.recipients, 100, 1000);
  read("sessions", limits.sessions, 1, 1'000'000);
  read("sessions_per_address", limits.sessions_per_address, 1, 1'000'000);
  read("body_memory", limits.body_memory, 1 << 20, std::int64_t{64} << 30);
}

void read_log(TableReader& reader, LogConfig& log) {
  if (const auto value = reader.choice("format", {"text", "json"})) log.format = *value;
  if (const auto value = reader.choice("level", {"debug", "info", "warning", "error"})) log.level = *value;
  if (const auto value = reader.string("file")) log.file = *value;
}

void read_root(TableReader& root, Config& config) {
  if (const auto name = root.string("hostname")) {
    config.hostname = text::lower(*name);
    if (!is_host_name(config.hostname)) root.error("hostname", "'" + *name + "' is not a host name");
  }
  if (const auto dir = root.string("data_dir")) config.data_dir = *dir;
  if (const auto count = root.integer("workers", 0, 256)) config.workers = static_cast<unsigned>(*count);
  if (const auto node = root.string("node")) config.node = *node;
  if (root.has("listener")) config.listeners.clear();
  root.each_table("listener", [&](TableReader& reader) { read_listener(reader, config); });
  root.table("tls", [&](TableReader& reader) { read_tls(reader, config); });
  root.table("dns", [&](TableReader& reader) { read_dns(reader, config.dns); });
  root.table("delivery", [&](TableReader& reader) { read_delivery(reader, config); });
  root.each_table("route", [&](TableReader& reader) { read_route(reader, config); });
  root.table("mta_sts", [&](TableReader& reader) {
    if (const auto value = reader.boolean("enabled")) config.delivery.mta_sts = *value;
  });
  root.table("dane", [&](TableReader& reader) {
    if (const auto value = reader.boolean("enabled")) config.delivery.dane = *value;
    if (const auto value = reader.boolean("satisfies_sts")) config.delivery.dane_satisfies_sts = *value;
  });
  root.table("tls_rpt", [&](TableReader& reader) { read_tls_rpt(reader, config.tls_rpt); });
  root.table("dkim", [&](TableReader& reader) { read_dkim(reader, config); });
  root.table("control", [&](TableReader& reader) {
    if (const auto value = reader.string("socket")) config.control_socket = *value;
    if (const auto value = reader.string("http")) config.control_http = *value;
  });
  root.table("policies", [&](TableReader& reader) {
    if (const auto value = reader.string("directory")) config.policy_directory = *value;
  });
  root.table("limits", [&](TableReader& reader) { read_limits(reader, config.limits); });
  root.table("log", [&](TableReader& reader) { read_log(reader, config.log); });
  root.finish();
}

// What follows from what was read.
void complete(Config& config) {
  if (config.control_socket.empty()) config.control_socket = config.data_dir + "/control.sock";
  if (config.node.empty()) config.node = config.hostname;
  const auto dot = config.hostname.find('.');
  const std::string domain = dot == std::string::npos ? config.hostname : config.hostname.substr(dot + 1);
  if (config.tls_rpt.organization.empty()) config.tls_rpt.organization = domain;
  if (config.tls_rpt.contact.empty()) config.tls_rpt.contact = "postmaster@" + config.hostname;
  if (config.tls_rpt.from.empty()) config.tls_rpt.from = config.tls_rpt.contact;
  config.delivery.hostname = config.hostname;
  config.delivery.node = config.node;
  config.delivery.minimum = config.minimum;
  config.delivery.trust_id = config.trust;
  config.delivery.routing.own_names = {config.hostname};
  for (const auto& listener : config.listeners) {
    if (listener.address.port == 25)
      config.delivery.routing.own_addresses.push_back(listener.address.address);
  }
}

}  // namespace

Config::Config()
    : source("(embedded defaults)"),
      hostname(own_hostname()),
      data_dir("sealpost-data"),
      trust("/etc/ssl/certs/ca-certificates.crt") {
  for (const char* address : {"127.0.0.1:2525", "[::1]:2525"}) {
    ListenerConfig listener;
    listener.address = *Endpoint::parse(address);
    listener.allow = {*Network::parse("127.0.0.0/8"), *Network::parse("::1/128")};
    listeners.push_back(std::move(listener));
  }
}

bool LoadResult::ok() const noexcept { return !has_errors(findings); }

LoadResult load_config(const std::string& path) {
  LoadResult result;
  if (!path.empty()) {
    result.config.source = path;
    const auto table = parse_toml_file(path, result.findings);
    if (!table) return result;
    TableReader root(*table, path, "", result.findings);
    read_root(root, result.config);
  }
  if (!result.config.policy_directory.empty()) {
    const auto now = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
    PartnerFiles partners = read_partner_directory(result.config.policy_directory, now);
    result.config.partners = std::move(partners.rules);
    result.findings.insert(result.findings.end(), partners.findings.begin(), partners.findings.end());
  }
  complete(result.config);
  return result;
}

}  // namespace sealpost::app
