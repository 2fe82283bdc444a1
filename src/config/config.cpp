// SPDX-License-Identifier: Apache-2.0
#include "config/config.hpp"

#include <sys/un.h>
#include <unistd.h>

#include <algorithm>

#include "base/text.hpp"
#include "config/checks.hpp"
#include "config/own_addresses.hpp"
#include "config/sections.hpp"
#include "mail/address.hpp"

namespace sealpost::app {
namespace {

std::string own_hostname() {
  char name[256] = {};
  if (::gethostname(name, sizeof name - 1) != 0 || name[0] == '\0') return "localhost";
  return text::lower(name);
}

void read_rua(TableReader& reader, std::string_view key, std::vector<std::string>& into) {
  const auto uris = reader.strings(key);
  if (!uris) return;
  for (const std::string& uri : *uris) {
    const auto set = parse_tls_rpt_records({"v=TLSRPTv1; rua=" + uri});
    if (set.targets.size() != 1)
      reader.error(key, "'" + uri +
                            "' is no report target; write it as \"mailto:reports@example.net\" or "
                            "\"https://reports.example.net/v1\"");
  }
  into = *uris;
}

bool has_listener(const Config& config, const Endpoint& at) {
  return std::any_of(config.listeners.begin(), config.listeners.end(),
                     [&](const auto& listener) { return listener.address == at; });
}

void read_receive(TableReader& reader, std::vector<std::string>& into) {
  constexpr std::size_t most = 20;
  const auto addresses = reader.strings("receive");
  if (!addresses) return;
  if (addresses->size() > most)
    reader.error("receive", "names more than " + std::to_string(most) + " addresses");
  for (const std::string& written : *addresses) {
    const auto address = parse_mailbox(written);
    if (!address || domain_of(*address).empty())
      reader.error("receive",
                   "'" + written + "' is no mail address; write it as \"tls-reports@example.net\"");
    else
      into.push_back(text::lower(*address));
  }
}

// Strangers reach it, so it is spoken in TLS; on loopback there is a proxy that does.
void read_receive_http(TableReader& reader, Config& config) {
  TlsRptConfig& report = config.tls_rpt;
  if (const auto url = reader.string("receive_url")) {
    const auto set = parse_tls_rpt_records({"v=TLSRPTv1; rua=" + *url});
    const bool good = set.targets.size() == 1 && set.targets.front().kind == ReportTarget::Kind::https &&
                      set.targets.front().path.find('?') == std::string::npos;
    if (good)
      report.receive_url = *url;
    else
      reader.error("receive_url", "'" + *url +
                                      "' is no address that reports can be brought to; write it as "
                                      "\"https://relay.example.net/tlsrpt\"");
    if (!reader.has("receive_http"))
      reader.warning("receive_url", "says nothing while receive_http is not set");
  }
  const auto at = read_endpoint(reader, "receive_http");
  if (!at) return;
  report.receive_http = *at;
  if (!at->address.is_loopback() && config.certificates.empty())
    reader.error("receive_http",
                 "'" + at->to_string() +
                     "' is not an address of this machine alone, and reports are brought over TLS: set "
                     "certificate and key in [tls], or use \"127.0.0.1:" +
                     std::to_string(at->port) + "\" and a proxy that has TLS");
  if (has_listener(config, *at)) reader.error("receive_http", at->to_string() + " has a listener already");
}

void read_tls_rpt(TableReader& reader, Config& config) {
  TlsRptConfig& report = config.tls_rpt;
  if (const auto value = reader.boolean("enabled")) report.enabled = *value;
  if (const auto value = reader.string("organization")) report.organization = *value;
  if (const auto value = read_mailbox(reader, "contact")) report.contact = *value;
  if (const auto value = read_mailbox(reader, "from")) report.from = *value;
  if (const auto value = reader.boolean("send")) report.send = *value;
  if (const auto value = reader.integer("keep_days", 2, 3650))
    report.retention.keep = std::chrono::days(*value);
  if (const auto value = reader.integer("keep_received_days", 2, 3650))
    report.retention.keep_received = std::chrono::days(*value);
  if (const auto value = reader.integer("vacuum_pages", 0, 1'000'000))
    report.retention.vacuum_pages = static_cast<std::uint32_t>(*value);
  if (const auto value = reader.integer("most_per_destination", 1, 1'000'000))
    report.most_per_destination = static_cast<std::uint64_t>(*value);
  read_receive(reader, report.receive);
  read_receive_http(reader, config);
  reader.each_table("domain", [&](TableReader& domain) {
    tlsrpt::DomainWish wish;
    domain.required("domain");
    if (const auto value = read_domain(domain, "domain")) wish.domain = *value;
    if (const auto value = domain.boolean("suppress")) wish.suppress = *value;
    read_rua(domain, "rua", wish.rua);
    read_rua(domain, "extra", wish.extra);
    report.domains.push_back(std::move(wish));
  });
}

void read_evidence(TableReader& reader, EvidenceConfig& evidence) {
  if (const auto value = reader.boolean("enabled")) evidence.enabled = *value;
  if (const auto value = reader.integer("keep_days", 1, 3650))
    evidence.keep_days = static_cast<std::uint32_t>(*value);
}

void read_ledger(TableReader& reader, LedgerConfig& ledger) {
  if (const auto value = reader.boolean("enabled")) ledger.enabled = *value;
  if (const auto value = reader.integer("keep_days", 1, 36500))
    ledger.keep_days = static_cast<std::uint32_t>(*value);
  if (const auto value = reader.choice("addresses", {"plain", "domain", "hash"})) ledger.addresses = *value;
  if (const auto value = reader.string("copy_heads_to")) ledger.copy_heads_to = *value;
}

void read_alerts(TableReader& reader, AlertsConfig& alerts) {
  if (const auto value = reader.boolean("enabled")) alerts.settings.enabled = *value;
  if (const auto value = reader.duration("after")) alerts.settings.after = *value;
  if (const auto value = reader.integer("certificate_days", 0, 365))
    alerts.settings.certificate = std::chrono::days(*value);
  if (const auto value = reader.integer("reporters", 0, 1000))
    alerts.settings.reporters = static_cast<unsigned>(*value);
  if (const auto value = read_mailbox(reader, "mail")) alerts.mail = *value;
  if (const auto value = read_mailbox(reader, "from")) alerts.from = *value;
}

// What may be known of the relay over HTTP. Numbers and the names of its parts are for those who watch it, so an address
// that others reach wants to be told who they are (T-59).
void read_control_http(TableReader& reader, Config& config) {
  read_networks(reader, "http_allow", config.control_http_allow);
  for (const Network& network : config.control_http_allow)
    if (network.to_string().ends_with("/0"))
      reader.error("http_allow",
                   "'" + network.to_string() + "' is everyone; name the networks of those who watch");
  const auto at = read_endpoint(reader, "http");
  if (!at) {
    if (reader.has("http_allow") && !reader.has("http"))
      reader.warning("http_allow", "says nothing while http is not set");
    return;
  }
  config.control_http = *at;
  if (!at->address.is_loopback() && config.control_http_allow.empty())
    reader.error("http",
                 "'" + at->to_string() +
                     "' is not an address of this machine alone; say who may read there, http_allow = "
                     "[\"192.0.2.7/32\"], or use \"127.0.0.1:" +
                     std::to_string(at->port) + "\"");
  if (has_listener(config, *at) || config.tls_rpt.receive_http == *at)
    reader.error("http", at->to_string() + " has a listener already");
}

// Commands reach the relay through the socket (T-59), for its owner alone; over HTTP there are none.
void read_control(TableReader& reader, Config& config) {
  if (const auto path = reader.string("socket")) {
    config.control_socket = *path;
    if (path->empty() || path->size() >= sizeof(sockaddr_un::sun_path))
      reader.error("socket", "must be a path of 1 to " + std::to_string(sizeof(sockaddr_un::sun_path) - 1) +
                                 " octets, as the system demands of sockets");
  }
  read_control_http(reader, config);
  read_web(reader, config);
}

void read_log(TableReader& reader, LogConfig& log) {
  if (const auto value = reader.choice("format", {"text", "json"})) log.format = *value;
  if (const auto value = reader.choice("level", {"debug", "info", "warning", "error"})) log.level = *value;
  if (const auto value = reader.string("file")) log.file = *value;
}

void read_root(TableReader& root, Config& config) {
  const auto hostname = read_domain(root, "hostname");
  if (hostname) config.hostname = *hostname;
  const bool told = root.has("hostname") && !hostname;  // what is wrong with it
  if (!told && config.hostname.find('.') == std::string::npos)
    root.warning(
        "hostname",
        (root.has("hostname")
             ? "'" + config.hostname + "' has no domain"
             : "is not set, and the name of this machine, '" + config.hostname + "', has no domain") +
            "; other servers expect a name that DNS knows: hostname = \"relay.example.net\" (RFC 5321 "
            "4.1.1.1)");
  if (const auto address = read_mailbox(root, "postmaster")) config.postmaster = *address;
  if (const auto dir = root.string("data_dir")) {
    config.data_dir = *dir;
    if (dir->empty()) root.error("data_dir", "must be a directory");
  }
  if (const auto value = root.string("user")) config.user = *value;
  if (const auto value = root.boolean("sandbox")) config.sandbox = *value;
  if (const auto count = root.integer("workers", 0, 256)) config.workers = static_cast<unsigned>(*count);
  if (const auto node = root.string("node")) config.node = *node;
  if (const auto grace = root.duration("shutdown_grace")) {
    config.shutdown_grace = *grace;
    if (*grace > std::chrono::hours(1)) root.error("shutdown_grace", "must be an hour at most");
  }
  root.table("tls", [&](TableReader& reader) { read_tls(reader, config); });  // listeners look at it
  if (root.has("listener")) config.listeners.clear();
  root.each_table("listener", [&](TableReader& reader) { read_listener(reader, config); });
  root.each_table("client", [&](TableReader& reader) { read_client(reader, config); });
  root.table("auth", [&](TableReader& reader) { read_auth(reader, config); });
  root.table("dns", [&](TableReader& reader) { read_dns(reader, config.dns); });
  root.table("delivery", [&](TableReader& reader) { read_delivery(reader, config); });
  root.each_table("route", [&](TableReader& reader) { read_route(reader, config); });
  root.each_table("limit", [&](TableReader& reader) { read_traffic_limit(reader, config.traffic); });
  root.each_table("host", [&](TableReader& reader) { read_host(reader, config); });
  root.table("mta_sts", [&](TableReader& reader) {
    if (const auto value = reader.boolean("enabled")) config.delivery.mta_sts = *value;
    if (const auto value = read_at_least(reader, "fetch_limit", std::chrono::seconds(1)))
      config.policy_fetch_limit = *value;
  });
  root.table("dane", [&](TableReader& reader) {
    if (const auto value = reader.boolean("enabled")) config.delivery.dane = *value;
    if (const auto value = reader.boolean("satisfies_sts")) config.delivery.dane_satisfies_sts = *value;
  });
  root.table("tls_rpt", [&](TableReader& reader) { read_tls_rpt(reader, config); });
  root.table("evidence", [&](TableReader& reader) { read_evidence(reader, config.evidence); });
  root.table("ledger", [&](TableReader& reader) { read_ledger(reader, config.ledger); });
  root.table("webhooks", [&](TableReader& reader) { read_webhooks(reader, config.webhook_keeping); });
  root.each_table("webhook", [&](TableReader& reader) { read_webhook(reader, config.webhooks); });
  root.table("alerts", [&](TableReader& reader) { read_alerts(reader, config.alerts); });
  root.table("dkim", [&](TableReader& reader) { read_dkim(reader, config); });
  root.table("control", [&](TableReader& reader) { read_control(reader, config); });
  root.table("injection", [&](TableReader& reader) { read_injection(reader, config); });
  root.table("policies", [&](TableReader& reader) {
    reader.required("directory");
    if (const auto value = reader.string("directory")) {
      config.policy_directory = *value;
      if (value->empty()) reader.error("directory", "is empty; name the directory, or take [policies] out");
    }
  });
  root.each_table("weaker", [&](TableReader& reader) {
    const auto now = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
    config.weaker.push_back(read_weaker_entry(reader, now));
  });
  root.table("notifications", [&](TableReader& reader) { read_notifications(reader, config.notices); });
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
  if (config.tls_rpt.receive_url.empty())
    config.tls_rpt.receive_url = "https://" + config.hostname + default_report_path;
  if (config.alerts.from.empty())
    config.alerts.from = config.postmaster.empty() ? "postmaster@" + config.hostname : config.postmaster;
  config.delivery.hostname = config.hostname;
  config.delivery.postmaster = config.postmaster;
  config.delivery.node = config.node;
  config.delivery.minimum = config.minimum;
  config.delivery.trust_id = config.trust;
  config.delivery.routing.own_names = {config.hostname};
  config.delivery.routing.own_addresses = own_addresses(config.listeners);
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
    listeners.push_back(std::move(listener));
  }
}

bool LoadResult::ok() const noexcept { return !has_errors(findings); }

LoadResult read_config(const std::string& path) {
  LoadResult result;
  if (!path.empty()) {
    result.config.source = path;
    const auto table = parse_toml_file(path, result.findings, &result.config.sources);
    if (!table) return result;
    TableReader root(*table, path, "", result.findings);
    read_root(root, result.config);
    result.config.written = written_values(*table);
    std::stable_sort(result.findings.begin(), result.findings.end(),
                     [](const Finding& a, const Finding& b) { return a.line < b.line; });
  }
  complete(result.config);
  return result;
}

std::vector<std::string> known_keys() {
  std::vector<std::string> keys;
  Findings unused;
  const toml::table nothing;
  Config config;
  TableReader root(nothing, "", "", unused, &keys);
  read_root(root, config);
  return keys;
}

}  // namespace sealpost::app
