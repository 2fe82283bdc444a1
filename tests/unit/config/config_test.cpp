// SPDX-License-Identifier: Apache-2.0
#include "config/config.hpp"

#include <doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>

#include "app/intake_setup.hpp"
#include "load_text.hpp"

using namespace sealpost;
using namespace sealpost::app;
using namespace std::chrono_literals;

namespace {

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
  CHECK(config.delivery.schedule.settings().lifetime == 120h);
  CHECK(config.delivery.schedule.settings().retry ==
        std::vector<std::chrono::seconds>{5min, 10min, 30min, 1h, 2h, 4h});
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
xclient = ["192.0.2.11"]
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
[[limit]]
mx = "*.Example.org"
connections = 3
messages_per_connection = 4
rate = "5/min"
recipients_per_transaction = 6
[[limit]]
site = ["mx2.example", "MX1.example"]
connections = 1
[[limit]]
domain = ["*", "One.example"]
rate = "7/s"
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
  REQUIRE(c.certificates.size() == 1);
  CHECK(c.certificates[0].certificate == certificate);
  CHECK(c.certificates[0].key == key);
  CHECK(c.trust == certificate);
  CHECK(c.minimum == TlsVersion::tls1_3);
  REQUIRE(c.dns.servers.size() == 2);
  CHECK(c.dns.servers[1].to_string() == "[::1]:5353");
  CHECK(c.dns.signed_name == "signed.test");
  CHECK(c.delivery.schedule.settings().retry == std::vector<std::chrono::seconds>{1min, 90min});
  CHECK(c.delivery.schedule.settings().lifetime == 48h);
  CHECK(c.delivery.schedule.settings().delay_notice == 0s);
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
  REQUIRE(c.traffic.size() == 4);
  CHECK(c.traffic[0].name() == "limit mx = \"*.example.org\"");
  CHECK(c.traffic[0].connections == 3U);
  CHECK(c.traffic[0].messages_per_connection == 4U);
  CHECK(c.traffic[0].rate == delivery::Rate(5, 1min));
  CHECK(c.traffic[0].recipients_per_transaction == 6U);
  CHECK(c.traffic[1].name() == "limit site = \"mx1.example mx2.example\"");
  CHECK(c.traffic[2].name() == "limit domain = \"*\"");
  CHECK(c.traffic[3].name() == "limit domain = \"one.example\"");
  CHECK(c.traffic[3].rate == delivery::Rate(7, 1s));
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

  const auto settings = intake_settings(c, c.listeners[0], nullptr, nullptr, nullptr);
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
  CHECK(caps.guest == 65);
  CHECK(caps.guest_network == 325);
  CHECK(caps.strangers == 2);
  CHECK(caps.stranger_rate == 17);
  CHECK(c.limits.body_memory == 2000000);
}

TEST_CASE("certificates of other names and keys stand beside the first, and never without it") {
  const Directory directory;
  const std::string files = "certificate = \"" + directory.file("cert.pem", "x", 0644) + "\"\nkey = \"" +
                            directory.file("key.pem", "x", 0640) + "\"\n";
  const auto load = [&](const std::string& text) {
    return load_config(directory.file("sealpost.toml", "hostname = \"a.test\"\n" + text));
  };
  const LoadResult all = load("[tls]\n" + files + "[[tls.also]]\n" + files + "[[tls.also]]\n" + files);
  CHECK(findings(all).empty());
  REQUIRE(all.config.certificates.size() == 3);
  CHECK(all.config.certificates[0].line == 0);
  CHECK(all.config.certificates[2].line == 8);
  const auto alone = findings(load("[[tls.also]]\n" + files));
  REQUIRE(alone.size() == 1);
  CHECK(alone[0].starts_with("3 error tls.also.certificate: is beside no other"));
  const auto half = findings(load("[tls]\n" + files + "[[tls.also]]\n" + files.substr(0, files.find('\n'))));
  REQUIRE(half.size() == 1);
  CHECK(half[0].find("error tls.also.key") != std::string::npos);
  std::string many = "[tls]\n" + files;
  for (int i = 0; i < 200; ++i) many += "[[tls.also]]\n" + files;
  CHECK(findings(load(many)).size() == 1);
}

TEST_CASE(
    "T-30 listeners for submission: anyone may connect unless it is said who, and nobody relays for his "
    "network") {
  const Directory directory;
  const std::string certificate = directory.file("cert.pem", "x", 0644),
                    key = directory.file("key.pem", "x", 0640);
  const std::string tls = "[tls]\ncertificate = \"" + certificate + "\"\nkey = \"" + key + "\"\n";
  const LoadResult result = load_config(directory.file("sealpost.toml", R"(
hostname = "relay.example.net"
[[listener]]
address = "127.0.0.1:587"
mode = "submission"
[[listener]]
address = "127.0.0.1:465"
mode = "submissions"
allow = ["192.0.2.0/24"]
[[listener]]
address = "127.0.0.1:588"
mode = "submission"
allow = ["0.0.0.0/0"]
)" + tls));
  CHECK(findings(result).empty());
  const auto& listeners = result.config.listeners;
  REQUIRE(listeners.size() == 3);
  CHECK(listeners[0].mode == smtp::Service::submission);
  CHECK(listeners[1].mode == smtp::Service::submissions);
  const auto settings = [&](std::size_t number) {
    return intake_settings(result.config, listeners[number], nullptr, nullptr, nullptr);
  };
  CHECK(settings(0)->submission());
  CHECK(settings(0)->relay.allows(*IpAddress::parse("203.0.113.9")));
  CHECK(settings(0)->relay.allows(*IpAddress::parse("2001:db8::9")));
  CHECK(!settings(1)->relay.allows(*IpAddress::parse("203.0.113.9")));
  CHECK(!settings(1)->relay.allows(*IpAddress::parse("127.0.0.1")));
  CHECK(!settings(2)->relay.allows(*IpAddress::parse("2001:db8::9")));

  const LoadResult nobody = load_config(directory.file(
      "sealpost.toml",
      "hostname = \"a.example\"\n[[listener]]\naddress = \"127.0.0.1:587\"\nmode = \"submission\"\n"
      "allow = []\n" +
          tls));
  CHECK(findings(nobody) ==
        std::vector<std::string>{
            "5 error listener.allow: is empty: nobody could connect; leave it out for anyone "
            "who can authenticate"});
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
