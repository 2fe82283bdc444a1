// SPDX-License-Identifier: Apache-2.0
//
// What is wrong with a configuration is told with its line and what would be right.
#include <doctest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/config.hpp"
#include "load_text.hpp"

using namespace sealpost;
using namespace sealpost::app;

namespace {

// The only finding, or what was found instead.
std::string finding(const std::string& text) {
  const auto all = findings(load("hostname = \"relay.example.net\"\n" + text));
  if (all.size() == 1) return all[0];
  std::string joined = std::to_string(all.size()) + " findings";
  for (const auto& one : all) joined += "\n" + one;
  return joined;
}

}  // namespace

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
       "4 error listener.mode: 'submission' needs TLS, since passwords never go in clear: set certificate "
       "and "
       "key in [tls]"},
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
      {"[[limit]]\nconnections = 1",
       "2 error limit.domain: is missing: say whom the limit is for, by domain, mx or site"},
      {"[[limit]]\ndomain = \"a.test\"\nmx = \"b.test\"\nconnections = 1",
       "3 error limit.domain: stands beside another of domain, mx and site; write a [[limit]] for each"},
      {"[[limit]]\nmx = \"a test\"\nconnections = 1",
       "3 error limit.mx: 'a test' is not a name; write it as \"example.net\", \"*.example.net\" for what "
       "lies "
       "below it, or \"*\" for all"},
      {"[[limit]]\nmx = [\"a.test\", \"a*.test\"]\nconnections = 1",
       "3 error limit.mx: 'a*.test' is not a name; write it as \"example.net\", \"*.example.net\" for what "
       "lies below it, or \"*\" for all"},
      {"[[limit]]\ndomain = []\nconnections = 1",
       "3 error limit.domain: is empty; name whom the limit is for, or remove it"},
      {"[[limit]]\ndomain = 5\nconnections = 1",
       "3 error limit.domain: must be a string, or an array of strings, not an integer"},
      {"[[limit]]\nsite = []\nconnections = 1",
       "3 error limit.site: needs the names of the site's MX hosts, all of them"},
      {"[[limit]]\nsite = \"mx.test\"\nconnections = 1",
       "3 error limit.site: must be an array of strings, not a string"},
      {"[[limit]]\nmx = \"a.test\"",
       "2 error limit.connections: is missing: a limit sets connections, messages_per_connection, rate or "
       "recipients_per_transaction"},
      {"[[limit]]\nmx = \"a.test\"\nrate = \"100 a minute\"",
       "4 error limit.rate: '100 a minute' is not a rate; write messages per time, as \"100/min\", with s, "
       "min, h "
       "or d"},
      {"[[limit]]\nmx = \"a.test\"\nconnections = 0",
       "4 error limit.connections: 0 is out of range; 1 to 10000 is allowed"},
      {"[[limit]]\nmx = \"a.test\"\nconections = 1\nrate = \"1/s\"",
       "4 error limit.conections: unknown key; did you mean 'connections'?"},
      {"[[limit]]\nmx = \"a.test\"\nrate = \"1/s\"\n[[limit]]\nmx = [\"b.test\", \"A.test\"]\nconnections = "
       "1",
       "6 error limit.mx: 'a.test' has a limit already; put all keys into one"},
      {"[mta_sts]\nfetch_limit = \"0s\"", "3 error mta_sts.fetch_limit: must be 1s or more"},
      {"[mta_sts]\nenabled = \"yes\"", "3 error mta_sts.enabled: must be true or false, not a string"},
      {"[tls_rpt]\ncontact = \"mailto:a@example.net\"",
       "3 error tls_rpt.contact: 'mailto:a@example.net' is not a mail address; write it as "
       "\"postmaster@example.net\", "
       "without name, brackets or mailto:"},
      {"[tls_rpt]\nreceive_http = \"192.0.2.1:443\"",
       "3 error tls_rpt.receive_http: '192.0.2.1:443' is not an address of this machine alone, and reports "
       "are brought over TLS: set certificate and key in [tls], or use \"127.0.0.1:443\" and a proxy that "
       "has TLS"},
      {"[tls_rpt]\nreceive_http = \"127.0.0.1:2525\"",
       "3 error tls_rpt.receive_http: 127.0.0.1:2525 has a listener already"},
      {"[tls_rpt]\nreceive_http = \"127.0.0.1:8460\"\n[control]\nhttp = \"127.0.0.1:8460\"",
       "5 error control.http: 127.0.0.1:8460 has a listener already"},
      {"[tls_rpt]\nreceive_http = \"127.0.0.1:8460\"\nreceive_url = \"http://a.test/r\"",
       "4 error tls_rpt.receive_url: 'http://a.test/r' is no address that reports can be brought to; write "
       "it as \"https://relay.example.net/tlsrpt\""},
      {"[tls_rpt]\nreceive_url = \"https://a.test/r\"",
       "3 warning tls_rpt.receive_url: says nothing while receive_http is not set"},
      {"[injection]\nhttp = \"192.0.2.1:8025\"",
       "3 error injection.http: '192.0.2.1:8025' is not an address of this machine alone, and tokens never "
       "go "
       "in clear: set certificate and key in [tls], or use \"127.0.0.1:8025\""},
      {"[injection]\nhttp = \"127.0.0.1:2525\"",
       "3 error injection.http: 127.0.0.1:2525 has a listener already"},
      {"[control]\nhttp = \"127.0.0.1:8025\"\n[injection]\nhttp = \"127.0.0.1:8025\"",
       "5 error injection.http: 127.0.0.1:8025 has a listener already"},
      {"[control]\nhttp = \"192.0.2.1:9925\"",
       "3 error control.http: '192.0.2.1:9925' is not an address of this machine alone; say who may read "
       "there, "
       "http_allow = [\"192.0.2.7/32\"], or use \"127.0.0.1:9925\""},
      {"[control]\nhttp = \"0.0.0.0:9925\"\nhttp_allow = []",
       "3 error control.http: '0.0.0.0:9925' is not an address of this machine alone; say who may read "
       "there, "
       "http_allow = [\"192.0.2.7/32\"], or use \"127.0.0.1:9925\""},
      {"[control]\nhttp = \"0.0.0.0:9925\"\nhttp_allow = [\"0.0.0.0/0\"]",
       "4 error control.http_allow: '0.0.0.0/0' is everyone; name the networks of those who watch"},
      {"[control]\nhttp_allow = [\"192.0.2.0/24\"]",
       "3 warning control.http_allow: says nothing while http is not set"},
      {"[control]\nhttp = \"localhost\"",
       "3 error control.http: 'localhost' is not an address with port; write it as \"127.0.0.1:25\" or "
       "\"[::1]:25\""},
      {"[control]\nhttp = \"127.0.0.1:9925\"\n[[control.user]]\nname = \"anna\"\nrole = \"boss\"\npassword = "
       "\"$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7\"",
       "6 error control.user.role: 'boss' is not one of: viewer, compliance, operator"},
      {"[control]\nhttp = \"127.0.0.1:9925\"\n[[control.user]]\nname = \"anna\"\nrole = \"viewer\"\npassword "
       "= \"hunter2\"",
       "7 error control.user.password: is not the hash of a password; 'sealpost user web NAME' makes one"},
      {"[control]\nhttp = \"127.0.0.1:9925\"\n[[control.user]]\nname = \"anna\"\nrole = \"viewer\"",
       "4 error control.user.password: is missing, and no proxy says who it is; 'sealpost user web NAME' "
       "makes one"},
      {"[[control.user]]\nname = \"anna\"\nrole = \"viewer\"\npassword = "
       "\"$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7\"",
       "2 warning control.user: says nothing while http is not set"},
      {"[control]\nhttp = \"192.0.2.1:9925\"\nhttp_allow = [\"192.0.2.7/32\"]\nhttp_proxy_from = "
       "[\"192.0.2.7/32\"]\n"
       "http_proxy_header = \"X-User\"",
       "3 error control.http: '192.0.2.1:9925' is not an address of this machine alone, and passwords never "
       "go in clear to "
       "another one: set certificate and key in [tls], or use \"127.0.0.1:9925\" and a proxy that has TLS"},
      {"[control]\nhttp = \"127.0.0.1:9925\"\nhttp_proxy_header = \"X-User\"",
       "4 error control.http_proxy_header: whose word is taken is not said; name the proxy: http_proxy_from "
       "= "
       "[\"127.0.0.1/32\"]"},
      {"[control]\nhttp = \"127.0.0.1:9925\"\nhttp_proxy_from = [\"0.0.0.0/0\"]\nhttp_proxy_header = "
       "\"X-User\"",
       "4 error control.http_proxy_from: '0.0.0.0/0' is everyone; name the proxy's address"},
      {"[control]\nhttp = \"127.0.0.1:9925\"\nhttp_proxy_from = [\"127.0.0.1/32\"]\nhttp_proxy_header = \"X "
       "User\"",
       "5 error control.http_proxy_header: 'X User' is no header field; write it as \"X-Remote-User\""},
      {"[control]\nhttp = \"127.0.0.1:9925\"\nhttp_proxy_from = [\"192.0.2.7/32\"]",
       "4 warning control.http_proxy_from: says nothing while http_proxy_header is not set"},
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
      {"[[listener]]\naddress = 127.0.0.1:25", "stand in quotes: key ="},
      {"[[listener]]\nallow = [127.0.0.0/8]", "stand in quotes: key ="},
      {"[weaker]\ndate = 2026-13-45", "a date is 2026-12-31 without quotes"},
      {"[mta_sts]\nenabled = True", "true or false, in small letters"},
      {"[mta_sts]\nenabled = yes  # please", "true or false, in small letters"},
      {"[delivery\nlifetime = \"5d\"", "ends with the bracket it began with"},
      {"postmaster = \"a@b.test'\nworkers = 2", "ends on its own line"},
      {"postmaster = \xE2\x80\x9C"
       "a@b.test\xE2\x80\x9D",
       "not typographic ones"},
      {"[[listener]]\nallow = [\xE2\x80\x9E"
       "10.0.0.0/8\xE2\x80\x9C]",
       "not typographic ones"},
      {"hostname = \"a.test\",\nworkers = 2", "without a comma behind it"},
  };
  for (const auto& [text, words] : rows) {
    const auto result = load(text);
    REQUIRE(result.findings.size() >= 1);
    CAPTURE(result.findings[0].to_string());
    CHECK(result.findings[0].message.find(words) != std::string::npos);
    CHECK(result.findings[0].line > 0);
    CHECK(!result.findings[0].message.starts_with("Error"));  // what to do comes first
  }
}

TEST_CASE("config: a syntax error repeats no value, which may be a secret") {
  const auto result = load("[[control.user]]\npassword = $y$j9T$hunter2\n");
  REQUIRE(result.findings.size() == 1);
  CHECK(result.findings[0].message.find("hunter2") == std::string::npos);
}

TEST_CASE("config: of a name that is wrong, one thing is said") {
  for (const char* text : {"hostname = 5\n", "hostname = \"a..test\"\n"}) {
    const auto result = load(text);
    CAPTURE(text);
    REQUIRE(result.findings.size() == 1);
    CHECK(result.findings[0].kind == Finding::Kind::error);
    CHECK(result.findings[0].key == "hostname");
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
