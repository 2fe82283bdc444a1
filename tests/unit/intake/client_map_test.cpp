// SPDX-License-Identifier: Apache-2.0
//
// Whom a client's certificate stands for, and what it may then: as a table, and in sessions of both kinds of listener.
#include "intake/client_map.hpp"

#include <doctest.h>

#include "../log_capture.hpp"
#include "../smtp/scripted_auth.hpp"
#include "intake_fixture.hpp"

using namespace sealpost;
using namespace sealpost::test;
using intake::certified_by;

namespace {

intake::ClientEntry entry_of(std::vector<std::string> names, std::string user, bool relay = false) {
  intake::ClientEntry entry;
  entry.names = std::move(names);
  entry.user = std::move(user);
  entry.relay = relay;
  return entry;
}

tls::ClientCertificate certificate_of(std::vector<std::string> dns, std::vector<std::string> addresses = {},
                                      bool trusted = true) {
  tls::ClientCertificate shown;
  shown.dns_names = std::move(dns);
  shown.addresses = std::move(addresses);
  shown.trusted = trusted;
  shown.certificate_sha256 = std::string(64, 'c');
  shown.key_sha256 = std::string(64, 'k');
  return shown;
}

// TLS that is there at once, and a client that has shown a certificate in it.
class ShownTls final : public tls::Server {
 public:
  std::shared_ptr<const tls::ClientCertificate> shown;
  event::Task<Expected<tls::Secured>> accept(std::unique_ptr<event::Stream> plain, Duration) override {
    HandshakeFacts facts;
    facts.version = TlsVersion::tls1_3;
    tls::Secured secured(std::move(plain), std::move(facts));
    secured.client = shown;
    co_return secured;
  }
};

struct CertifiedClients : IntakeFixture {
  CertifiedClients() {
    options->tls = tls;
    options->authenticator = &accounts;
    auto map = std::make_shared<intake::ClientMap>();
    map->push_back(entry_of({"printer.example.net"}, "anna", true));
    clients = map;
  }
  void shows(const tls::ClientCertificate& certificate) {
    tls->shown = std::make_shared<const tls::ClientCertificate>(certificate);
  }
  std::shared_ptr<ShownTls> tls = std::make_shared<ShownTls>();
  ScriptedAuthenticator accounts;
};

const std::string far_away = "203.0.113.9";

}  // namespace

TEST_CASE("a certificate stands for whom the first entry that fits says, by names that count, or by itself") {
  intake::ClientMap map{entry_of({"printer.example.net", "*.scanners.example.net"}, "scanner"),
                        entry_of({"@example.org"}, ""), entry_of({"boss@example.com"}, "Boss", true),
                        entry_of({"*.example.net"}, "", true)};
  map.emplace_back();
  map.back().fingerprints = {std::string(64, 'k')};
  map.back().user = "pinned";
  struct Row {
    tls::ClientCertificate shown;
    const char* user;
    bool relay;
  };
  for (const Row& row : std::vector<Row>{
           {certificate_of({"printer.example.net"}), "scanner", false},
           {certificate_of({"a.scanners.example.net"}), "scanner", false},
           {certificate_of({"a.b.scanners.example.net"}), "pinned", false},
           {certificate_of({"other.example.net"}), "", true},
           {certificate_of({"*.example.net"}), "pinned", false},  // a claim, no name
           {certificate_of({}, {"Anna@example.org"}), "Anna@example.org", false},
           {certificate_of({}, {"anna@sub.example.org"}), "pinned", false},
           {certificate_of({}, {"BOSS@example.com"}), "Boss", true},
           {certificate_of({"example.org"}), "pinned", false},
           {certificate_of({"printer.example.net"}, {}, false), "pinned", false},  // its key alone counts
       }) {
    CAPTURE(row.user);
    const intake::Certified found = certified_by(map, row.shown);
    CHECK(found.user == row.user);
    CHECK(found.relay == row.relay);
  }
  map.back().fingerprints = {std::string(64, 'c')};
  CHECK(certified_by(map, certificate_of({}, {}, false)).user == "pinned");
  map.back().fingerprints = {std::string(64, 'x')};
  CHECK(certified_by(map, certificate_of({"printer.example.net"}, {}, false)).user.empty());
  CHECK_FALSE(certified_by(map, certificate_of({"other.example.net"}, {}, false)).relay);
}

TEST_CASE("T-30 a certificate lets a stranger relay where the map says so, from the handshake on") {
  CertifiedClients f;
  const auto tries = [&](bool trusted) {
    tls::ClientCertificate certificate = certificate_of({"printer.example.net"}, {}, trusted);
    f.shows(certificate);
    Script& client = f.connect(far_away);
    f.say(client, hello);
    CHECK(f.say(client, "MAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.org>\r\n").find("\r\n55") !=
          std::string::npos);
    CHECK(f.say(client, "STARTTLS\r\n").starts_with("220"));
    const std::string offered = f.say(client, hello);
    CHECK(offered.find("AUTH") == std::string::npos);  // T-05: not on this kind of listener
    return f.say(client, "MAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.org>\r\n");
  };
  CHECK(tries(true).find("\r\n250 ") != std::string::npos);
  CHECK(tries(false).find("\r\n55") != std::string::npos);
}

TEST_CASE("on a listener for submission it lets nobody send without AUTH, and says whom EXTERNAL is for") {
  CertifiedClients f;
  f.options->service = smtp::Service::submissions;
  f.rules.allow = {*Network::parse("0.0.0.0/0")};
  f.shows(certificate_of({"printer.example.net"}));
  Script& client = f.connect(far_away);
  f.say(client, hello);
  CHECK(f.accounts.channels.back().certified_user == "anna");
  CHECK(f.say(client, "MAIL FROM:<a@example.net>\r\n").starts_with("530 "));
  f.shows(certificate_of({"printer.example.net"}, {}, false));
  f.say(f.connect(far_away), hello);
  CHECK(f.accounts.channels.back().certified_user.empty());
}

TEST_CASE("what a filter shows is its own: XCLIENT takes it back (T-30)") {
  CertifiedClients f;
  f.xclients = {*Network::parse("203.0.113.0/24")};
  f.shows(certificate_of({"printer.example.net"}));
  Script& filter = f.connect(far_away);
  f.say(filter, hello);
  f.say(filter, "STARTTLS\r\n");
  f.say(filter, hello);
  const std::string mail = "MAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.org>\r\n";
  CHECK(f.say(filter, mail).find("\r\n250 ") != std::string::npos);
  f.say(filter, "RSET\r\n");
  CHECK(f.say(filter, "XCLIENT ADDR=198.51.100.7 NAME=x.example\r\n").starts_with("220"));
  f.say(filter, hello);
  CHECK(f.say(filter, mail).find("\r\n55") != std::string::npos);
}
