// SPDX-License-Identifier: Apache-2.0
#include "config/config.hpp"

#include <doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>

#include "app/intake_setup.hpp"
#include "partner/load_config.hpp"
#include "scratch_files.hpp"

using namespace sealpost;
using namespace sealpost::app;
using namespace std::chrono_literals;

namespace {

LoadResult load(const std::string& text) {
  const Directory directory;
  return load_config(directory.file("sealpost.toml", text));
}

// Findings without the directory: "3 error workers: must be ...".
std::vector<std::string> findings(const LoadResult& result) {
  std::vector<std::string> texts;
  for (const Finding& finding : result.findings)
    texts.push_back(std::to_string(finding.line) +
                    (finding.kind == Finding::Kind::error ? " error " : " warning ") + finding.key + ": " +
                    finding.message);
  return texts;
}

// The only finding, or what was found instead.
std::string finding(const std::string& text) {
  const auto all = findings(load("hostname = \"relay.example.net\"\n" + text));
  if (all.size() == 1) return all[0];
  std::string joined = std::to_string(all.size()) + " findings";
  for (const auto& one : all) joined += "\n" + one;
  return joined;
}

std::string read(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

const std::string documentation = read(DOCUMENTATION "/configuration.md");

}  // namespace

TEST_CASE("config: without a file the defaults of the documentation hold") {
  const LoadResult result = load_config("");
  CHECK(result.ok());
  const Config& config = result.config;
  REQUIRE(config.listeners.size() == 2);
  CHECK(config.listeners[0].address.to_string() == "127.0.0.1:2525");
  CHECK(config.listeners[1].address.to_string() == "[::1]:2525");
  CHECK(config.listeners[0].allow == std::vector{*Network::parse("127.0.0.0/8"), *Network::parse("::1/128")});
  CHECK(config.data_dir == "sealpost-data");
  CHECK(config.control_socket == "sealpost-data/control.sock");
  CHECK(config.schedule.lifetime == 120h);
  CHECK(config.schedule.retry == std::vector<std::chrono::seconds>{5min, 10min, 30min, 1h, 2h, 4h});
  CHECK(config.limits.message_size == 52428800);
}

TEST_CASE("config: every key of the contract, read into its place") {
  const Directory directory;
  const std::string certificate = directory.file("cert.pem", "x", 0644);
  const std::string key = directory.file("key.pem", "x", 0640);
  std::filesystem::create_directory(directory.path() + "/policies");
  directory.file("policies/p.toml", "[[partner]]\nname = \"P\"\ndomains = [\"p.test\"]\ntls = \"encrypt\"\n");
  const LoadResult result = load_config(directory.file("sealpost.toml", R"(
hostname = "Relay.Example.NET"
postmaster = "ops@example.net"
data_dir = "/var/lib/sealpost"
workers = 3
user = "mail"
sandbox = false
node = "n1"
[[listener]]
address = "127.0.0.1:25"
mode = "relay"
allow = ["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"]
address_literals = true
hide_client = true
honour_tls_required = true
bare_newline = "reject"
proxy_protocol = ["192.0.2.10"]
[[listener]]
address = "[::1]:25"
[tls]
certificate = ")" + certificate + R"("
key = ")" + key + R"("
trust = ")" + certificate + R"("
minimum = "1.3"
[dns]
servers = ["127.0.0.1", "[::1]:5353"]
trust_ad = "never"
signed_name = "signed.test"
broken_name = "broken.test"
[delivery]
retry = ["1m", "1h30m"]
lifetime = "2d"
delay_notice = "0s"
hold_first_for_policy = "3s"
connections_per_host = 7
messages_per_connection = 8
recipients_per_transaction = 9
idle_connection = "1s"
ipv6 = false
timeouts = { connect = "1s", greeting = "6m", ehlo = "7m", starttls = "3m", mail = "8m", rcpt = "9m", data = "4m", body = "5m", final = "11m" }
allow_destinations = ["192.0.2.0/24"]
[[route]]
domain = "*"
relay = "smtp.provider.example:587"
[[route]]
domain = "*.Example.org"
relay = "[192.0.2.9]:25"
[mta_sts]
enabled = false
fetch_limit = "20s"
[dane]
enabled = false
satisfies_sts = true
[alerts]
after = "90s"
certificate_days = 30
mail = "admin@example.net"
from = "relay@example.net"

[tls_rpt]
keep_days = 60
keep_received_days = 365
vacuum_pages = 0
organization = "Example Org"
contact = "tls-reports@example.net"
from = "noreply@example.net"
send = true
enabled = false
[dkim]
domain = "example.net"
selector = "s1"
key = ")" + key + R"("
sign_relayed = false
[control]
socket = "/run/sealpost/control.sock"
[policies]
directory = ")" + directory.path() + R"(/policies"
[notifications]
per_sender = 21
in_all = 22
gather = "23s"
again = "26m"
keep_held = "24h"
most_held = 25
[limits]
message_size = 100000
recipients = 200
hops = 30
sessions = 11
sessions_per_address = 12
sessions_per_stranger = 13
stranger_share = 20
stranger_rate = 17
errors = 14
minimum_rate = 15
command = "6m"
transaction = "7m"
data_block = "8m"
data = "90m"
session = "20h"
body_memory = 2000000
[log]
format = "json"
level = "debug"
file = "/var/log/sealpost.log"
)"));
  CHECK(findings(result) == std::vector<std::string>{});
  const Config& c = result.config;
  CHECK(c.hostname == "relay.example.net");
  CHECK(c.postmaster == "ops@example.net");
  CHECK(c.data_dir == "/var/lib/sealpost");
  CHECK(c.workers == 3);
  CHECK(c.user == "mail");
  CHECK_FALSE(c.sandbox);
  CHECK(c.node == "n1");
  REQUIRE(c.listeners.size() == 2);
  CHECK(c.listeners[0].allow.size() == 3);
  CHECK(c.listeners[0].address_literals);
  CHECK(c.listeners[0].hide_client);
  CHECK(c.listeners[1].allow.size() == 2);
  CHECK(!c.listeners[1].hide_client);
  CHECK(c.listeners[0].honour_tls_required);
  CHECK(!c.listeners[1].honour_tls_required);
  CHECK(c.listeners[0].bare_newline == smtp::BareNewline::reject);
  REQUIRE(c.listeners[0].proxies.size() == 1);
  CHECK(c.listeners[0].proxies[0].contains(*IpAddress::parse("192.0.2.10")));
  CHECK(c.listeners[1].proxies.empty());
  CHECK(c.listeners[1].bare_newline == smtp::BareNewline::normalize);
  CHECK(c.certificate == certificate);
  CHECK(c.key == key);
  CHECK(c.trust == certificate);
  CHECK(c.minimum == TlsVersion::tls1_3);
  REQUIRE(c.dns.servers.size() == 2);
  CHECK(c.dns.servers[1].to_string() == "[::1]:5353");
  CHECK(c.dns.signed_name == "signed.test");
  CHECK(c.schedule.retry == std::vector<std::chrono::seconds>{1min, 90min});
  CHECK(c.schedule.lifetime == 48h);
  CHECK(c.schedule.delay_notice == 0s);
  CHECK(c.delivery.hold_first_for_policy == 3s);
  CHECK(c.connections_per_host == 7);
  CHECK(c.delivery.messages_per_connection == 8);
  CHECK(c.delivery.recipients_per_transaction == 9);
  CHECK(c.delivery.idle_connection == 1s);
  CHECK(c.delivery.routing.ipv4);
  CHECK(!c.delivery.routing.ipv6);
  CHECK(c.delivery.limits.connect == 1s);
  CHECK(c.delivery.limits.greeting == 6min);
  CHECK(c.delivery.limits.ehlo == 7min);
  CHECK(c.delivery.limits.starttls == 3min);
  CHECK(c.delivery.limits.mail == 8min);
  CHECK(c.delivery.limits.rcpt == 9min);
  CHECK(c.delivery.limits.data == 4min);
  CHECK(c.delivery.limits.body == 5min);
  CHECK(c.delivery.limits.final_dot == 11min);
  CHECK(c.delivery.routing.allow_destinations.size() == 1);
  REQUIRE(c.routes.size() == 2);
  CHECK(c.routes[1].domain == "*.example.org");
  CHECK(!c.delivery.mta_sts);
  CHECK(c.policy_fetch_limit == 20s);
  CHECK(!c.delivery.dane);
  CHECK(c.delivery.dane_satisfies_sts);
  CHECK(c.alerts.settings.enabled);
  CHECK(c.alerts.settings.after == 90s);
  CHECK(c.alerts.settings.certificate == std::chrono::days(30));
  CHECK(c.alerts.mail == "admin@example.net");
  CHECK(c.alerts.from == "relay@example.net");
  CHECK(c.tls_rpt.retention.keep == std::chrono::days(60));
  CHECK(c.tls_rpt.retention.keep_received == std::chrono::days(365));
  CHECK(c.tls_rpt.retention.vacuum_pages == 0);
  CHECK(c.tls_rpt.organization == "Example Org");
  CHECK(c.tls_rpt.contact == "tls-reports@example.net");
  CHECK(c.tls_rpt.from == "noreply@example.net");
  CHECK(c.tls_rpt.send);
  CHECK(!c.tls_rpt.enabled);
  REQUIRE(c.dkim);
  CHECK(c.dkim->selector == "s1");
  CHECK_FALSE(c.dkim->sign_relayed);
  CHECK(c.control_socket == "/run/sealpost/control.sock");
  CHECK(c.log.format == "json");
  CHECK(c.log.file == "/var/log/sealpost.log");

  const auto settings = intake_settings(c, c.listeners[0], nullptr, nullptr);
  CHECK(settings->hide_client);
  CHECK(settings->honour_tls_required);
  CHECK(settings->server->offer_requiretls);
  CHECK(settings->server->bare_newline == smtp::BareNewline::reject);
  CHECK(settings->proxies.size() == 1);
  CHECK(settings->most_hops == 30);
  const smtp::ServerLimits& limits = settings->server->limits;
  CHECK(limits.message_size == 100000);
  CHECK(limits.recipients == 200);
  CHECK(limits.errors == 14);
  CHECK(limits.minimum_rate == 15);
  CHECK(limits.command == 6min);
  CHECK(limits.transaction == 7min);
  CHECK(limits.data_block == 8min);
  CHECK(limits.data == 90min);
  CHECK(c.notices.per_sender == 21);
  CHECK(c.notices.in_all == 22);
  CHECK(c.notices.gather == 23s);
  CHECK(c.notices.again == 26min);
  CHECK(c.notices.keep_held == 24h);
  CHECK(c.notices.most_held == 25);
  CHECK(limits.session == 20h);
  REQUIRE(settings->server->strangers);
  CHECK(settings->server->strangers->session == 1h);
  REQUIRE(settings->server->stressed);
  CHECK(settings->server->stressed->command == 10s);
  std::string recipient = "postmaster";
  CHECK(!settings->relay.check_recipient(false, recipient));
  CHECK(recipient == "ops@example.net");
  const auto caps = connection_caps(c.limits, 100);
  CHECK(caps.total == 11);
  CHECK(caps.client == 12);
  CHECK(caps.stranger == 13);
  CHECK(caps.strangers == 2);
  CHECK(caps.stranger_rate == 17);
  CHECK(c.limits.body_memory == 2000000);
}

TEST_CASE("config: one thing wrong, one finding, with its line and what would be right") {
  const struct {
    std::string_view text, said;
  } rows[] = {
      {"hostnme = \"x\"", "2 error hostnme: unknown key; did you mean 'hostname'?"},
      {"quite_another = 1", "2 error quite_another: unknown key"},
      {"workers = \"4\"", "2 error workers: must be an integer, not a string"},
      {"workers = 257", "2 error workers: 257 is out of range; 0 to 256 is allowed"},
      {"data_dir = \"\"", "2 error data_dir: must be a directory"},
      {"postmaster = \"Ops <ops@example.net>\"",
       "2 error postmaster: 'Ops <ops@example.net>' is not a mail address; write it as "
       "\"postmaster@example.net\", without "
       "name, brackets or mailto:"},
      {"tls = 1", "2 error tls: must be a table, not an integer"},
      {"listener = 1",
       "2 error listener: must be an array of tables, written as [[listener]], not an integer"},
      {"[[listener]]\nallow = []\naddress = \"127.0.0.1:25\"",
       "3 warning listener.allow: is empty: nobody may relay through this listener"},
      {"[[listener]]", "2 error listener.address: is missing"},
      {"[[listener]]\naddress = \"127.0.0.1\"",
       "3 error listener.address: '127.0.0.1' is not an address with port; write it as \"127.0.0.1:25\" or "
       "\"[::1]:25\""},
      {"[[listener]]\naddress = \"127.0.0.1:0\"",
       "3 error listener.address: '127.0.0.1:0' is not an address with port; write it as \"127.0.0.1:25\" or "
       "\"[::1]:25\""},
      {"[[listener]]\naddress = \"127.0.0.1:25\"\n[[listener]]\naddress = \"127.0.0.1:25\"",
       "5 error listener.address: 127.0.0.1:25 has a listener already"},
      {"[[listener]]\naddress = \"127.0.0.1:25\"\nmode = \"open\"",
       "4 error listener.mode: 'open' is not one of: relay, submission, submissions"},
      {"[[listener]]\naddress = \"127.0.0.1:25\"\nmode = \"submission\"",
       "4 error listener.mode: 'submission' is not available in this version; use \"relay\""},
      {"[[listener]]\naddress = \"127.0.0.1:25\"\nallow = [\"10.0.0.1/8\"]",
       "4 error listener.allow: '10.0.0.1/8' is not a network; write it as \"192.0.2.0/24\" or "
       "\"2001:db8::/32\", host bits "
       "zero"},
      {"[[listener]]\naddress = \"127.0.0.1:25\"\nallow = [\"::/0\"]",
       "4 error listener.allow: '::/0' is everyone: this would be an open relay; name your own networks"},
      {"[tls]\nminimum = \"1.1\"", "3 error tls.minimum: '1.1' is not one of: 1.2, 1.3"},
      {"[tls]\ntrust = \"/nonexistent/roots\"",
       "3 error tls.trust: cannot be read: /nonexistent/roots: No such file or directory"},
      {"[tls]\ntrust = \"/tmp\"", "3 error tls.trust: /tmp is not a file"},
      {"[dns]\nservers = [\"localhost\"]",
       "3 error dns.servers: 'localhost' is not an address; write it as \"127.0.0.1\", \"127.0.0.1:5353\" or "
       "\"[::1]:5353\""},
      {"[dns]\nservers = [1]",
       "3 error dns.servers: must be an array of strings, and every entry a string, not an integer"},
      {"[dns]\nsigned_name = \"a.test\"",
       "3 error dns.signed_name: signed_name and broken_name belong together"},
      {"[delivery]\nretry = []", "3 error delivery.retry: needs at least one gap, each of 1s or more"},
      {"[delivery]\nretry = [\"5 minutes\"]",
       "3 error delivery.retry: '5 minutes' is not a duration; write it as \"90s\", \"15m\", \"4h\" or "
       "\"5d\""},
      {"[delivery]\nlifetime = 5", "3 error delivery.lifetime: must be a string, not an integer"},
      {"[delivery]\nlifetime = \"1s\"", "3 error delivery.lifetime: must be 1m or more"},
      {"[delivery]\nlifetime = \"2m\"",
       "3 error delivery.lifetime: ends before the first retry; it must be longer than retry's first gap"},
      {"[delivery]\ndelay_notice = \"6d\"",
       "3 warning delivery.delay_notice: is not before the end of lifetime: no delay notice will be sent"},
      {"[delivery]\nipv4 = false\nipv6 = false", "4 error delivery.ipv6: ipv4 and ipv6 cannot both be off"},
      {"[delivery]\ntimeouts = { final = \"1m\" }",
       "3 warning delivery.timeouts.final: is shorter than the 10m that RFC 5321 4.5.3.2 asks for"},
      {"[delivery]\ntimeouts = { finl = \"10m\" }",
       "3 error delivery.timeouts.finl: unknown key; did you mean 'final'?"},
      {"[[route]]\ndomain = \"exa mple\"\nrelay = \"smtp.example:25\"",
       "3 error route.domain: 'exa mple' is not a domain; write it as \"example.net\", \"*.example.net\" for "
       "what lies below "
       "it, or \"*\" for all others"},
      {"[[route]]\ndomain = \"*\"\nrelay = \"smtp.example:70000\"",
       "4 error route.relay: 'smtp.example:70000' is not a relay; write it as \"smtp.example.net:587\" (its "
       "MX hosts are "
       "looked up) or \"[smtp.example.net]:587\""},
      {"[[route]]\ndomain = \"a.test\"\nrelay = \"b.test\"\n[[route]]\ndomain = \"A.test.\"\nrelay = "
       "\"c.test\"",
       "6 error route.domain: 'a.test' has a route already"},
      {"[mta_sts]\nfetch_limit = \"0s\"", "3 error mta_sts.fetch_limit: must be 1s or more"},
      {"[mta_sts]\nenabled = \"yes\"", "3 error mta_sts.enabled: must be true or false, not a string"},
      {"[tls_rpt]\ncontact = \"mailto:a@example.net\"",
       "3 error tls_rpt.contact: 'mailto:a@example.net' is not a mail address; write it as "
       "\"postmaster@example.net\", "
       "without name, brackets or mailto:"},
      {"[control]\nhttp = \"127.0.0.1:8025\"",
       "3 error control.http: is not available in this version: nothing would be served there; take it out "
       "and "
       "ask 'sealpost --json status'"},
      {"[limits]\nrecipients = 10", "3 error limits.recipients: 10 is out of range; 100 to 1000 is allowed"},
      {"[limits]\ncommand = \"1m\"",
       "3 warning limits.command: is shorter than the 5m that RFC 5321 4.5.3.2.7 asks a server to wait"},
      {"[limits]\ncommand = \"1s\"", "3 error limits.command: must be 10s or more"},
      {"[log]\nlevel = \"loud\"", "3 error log.level: 'loud' is not one of: debug, info, warning, error"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    CHECK(finding(std::string(row.text)) == row.said);
  }
}

TEST_CASE("config: every error is told, in the order of the file") {
  const auto result =
      load("workers = -1\n[log]\nlevel = 3\n[dns]\ntrust_ad = \"sometimes\"\n[tls]\nkeyy = \"\"\n");
  CHECK(!result.ok());
  std::vector<unsigned> lines;
  for (const Finding& found : result.findings)
    if (found.kind == Finding::Kind::error) lines.push_back(found.line);
  CHECK(lines == std::vector<unsigned>{1, 3, 5, 7});
}

TEST_CASE("config: what is absent has no line") {
  const auto result = load("workers = 1\n");
  for (const Finding& found : result.findings) {
    CAPTURE(found.to_string());
    CHECK(found.key == "hostname");  // of a machine whose name has no domain
    CHECK(found.line == 0);
    CHECK(found.message.starts_with("is not set, and the name of this machine, "));
  }
}

TEST_CASE("config: a syntax error says what was probably meant") {
  const std::pair<const char*, const char*> rows[] = {
      {"hostname = relay.example.net", "stand in quotes: key ="},
      {"postmaster = postmaster@example.net", "stand in quotes: key ="},
      {"[delivery]\nlifetime = 5d", "stand in quotes: key ="},
      {"[delivery]\nretry = [5m, 10m]", "in quotes"},
      {"[[listener]]\nallow = [\"10.0.0.0/8\" \"192.0.2.0/24\"]", "with commas between them"},
      {"workers 4", "a line is key = value"},
      {"workers = 4 hostname = \"x\"", "each key on a line of its own"},
      {"[log]\nlevel = \"info\"\n[log]\nformat = \"json\"", "write it once"},
      {"data_dir = \"C:\\data\"", "a backslash is written twice"},
      {"workers = 04", "without them"},
      {"hostname = ", "a value is missing"},
  };
  for (const auto& [text, words] : rows) {
    const auto result = load(text);
    REQUIRE(result.findings.size() >= 1);
    CAPTURE(result.findings[0].to_string());
    CHECK(result.findings[0].message.find(words) != std::string::npos);
    CHECK(result.findings[0].line > 0);
  }
}

TEST_CASE("config: a syntax error has its line") {
  const auto result = load("hostname = \"a.test\"\nworkers = = 3\n");
  REQUIRE(result.findings.size() == 1);
  CHECK(result.findings[0].line == 2);
  CHECK(!result.ok());
  CHECK(!load_config("/nonexistent/sealpost.toml").ok());
}

TEST_CASE("T-51 a key that others can read is refused") {
  const struct {
    unsigned mode;
    bool good;
  } rows[] = {{0600, true},  {0400, true},  {0640, true}, {0644, false},
              {0604, false}, {0660, false}, {0601, false}};
  for (const auto& row : rows) {
    CAPTURE(row.mode);
    const Directory directory;
    const std::string certificate = directory.file("cert.pem", "x");
    const std::string key = directory.file("key.pem", "x", row.mode);
    const auto result =
        load_config(directory.file("sealpost.toml", "hostname = \"a.test\"\n[tls]\ncertificate = \"" +
                                                        certificate + "\"\nkey = \"" + key + "\"\n"));
    CHECK(result.ok() == row.good);
    if (!row.good)
      CHECK(findings(result) == std::vector<std::string>{"4 error tls.key: " + key +
                                                         " is open to others; run: chmod o-rwx,g-w " + key});
  }
}

TEST_CASE("docs/configuration.md lists every key, and no other") {
  std::set<std::string> documented;
  const std::regex row("(^|\n)\\| `([a-z0-9_.]+)` \\|");
  for (std::sregex_iterator it(documentation.begin(), documentation.end(), row), end; it != end; ++it)
    documented.insert((*it)[2]);
  const auto keys = known_keys();
  const std::set<std::string> known(keys.begin(), keys.end());
  CHECK(keys.size() == known.size());
  std::vector<std::string> missing, surplus;
  std::set_difference(known.begin(), known.end(), documented.begin(), documented.end(),
                      std::back_inserter(missing));
  std::set_difference(documented.begin(), documented.end(), known.begin(), known.end(),
                      std::back_inserter(surplus));
  CHECK(missing == std::vector<std::string>{});
  CHECK(surplus == std::vector<std::string>{});
}

TEST_CASE("docs/configuration.md: its example is understood, but for files that are not here") {
  const auto begin = documentation.find("```toml\n") + 8;
  const auto result = load(documentation.substr(begin, documentation.find("```", begin) - begin));
  for (const Finding& found : result.findings) {
    CAPTURE(found.to_string());
    CHECK(found.to_string().find("/etc/sealpost/") != std::string::npos);
  }
}
