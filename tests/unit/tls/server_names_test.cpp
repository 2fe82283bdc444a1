// SPDX-License-Identifier: Apache-2.0
//
// Several certificates of one server: which of them a client is shown by the name it asks for (RFC 6066 §3, RFC 9525 §6.3)
// and by what it can verify, and what becomes of sessions and channel bindings then.
#include <doctest.h>

#include <array>

#include "bad_certificates.hpp"
#include "base/text.hpp"
#include "loopback.hpp"
#include "tls/openssl_server.hpp"
#include "tls/server_name.hpp"
#include "tls/tls_stream.hpp"

namespace sealpost::test {
namespace {

using Identities = std::vector<tls::ServerCertificates::Identity>;

CertificateSpec named(std::vector<std::string> names, KeyKind key = KeyKind::p256) {
  CertificateSpec spec = server(names.front());
  spec.dns = std::move(names);
  spec.key = key;
  return spec;
}

tls::ServerCertificates::Identity identity_for(const CertificateSpec& spec) {
  const Issued issued = issue(spec, trusted_root());
  auto identity = tls::ServerIdentity::from_pem(issued.pem(), issued.key_pem());
  REQUIRE(identity);
  return *identity;
}

std::shared_ptr<const tls::ServerCertificates> certificates_for(const std::vector<CertificateSpec>& specs) {
  Identities all;
  for (const CertificateSpec& spec : specs) all.push_back(identity_for(spec));
  return std::make_shared<const tls::ServerCertificates>(std::move(all));
}

enum class Verifies : std::uint8_t { anything, rsa, ecdsa };

SslContextPtr client_that(Verifies what, int version = 0) {
  PeerOptions options;
  if (version != 0) options.oldest = options.newest = version;
  SslContextPtr client = lax_client(options);
  if (what != Verifies::anything) {
    const char* list = what == Verifies::rsa ? "rsa_pss_rsae_sha256:rsa_pkcs1_sha256"
                                             : "ecdsa_secp256r1_sha256:ecdsa_secp384r1_sha384";
    REQUIRE(SSL_CTX_set1_sigalgs_list(client.get(), list) == 1);
  }
  return client;
}

struct NamesFixture {
  explicit NamesFixture(std::shared_ptr<const tls::ServerCertificates> certificates_,
                        tls::ServerOptions options = {})
      : certificates(std::move(certificates_)) {
    auto made = tls::OpensslServer::create(certificates, options);
    REQUIRE(made);
    server = std::move(*made);
  }
  struct Visit {
    std::string shown;  // SHA-256 of the certificate
    bool resumed = false;
    tls::ChannelBindings bindings;
    SslSessionPtr session;
  };
  Visit visit(SSL_CTX& client, const std::string& name, SSL_SESSION* session = nullptr) {
    SslPtr ssl(SSL_new(&client));
    SSL_set_connect_state(ssl.get());
    if (!name.empty()) SSL_set_tlsext_host_name(ssl.get(), name.c_str());
    if (session != nullptr) REQUIRE(SSL_set_session(ssl.get(), session) == 1);
    Ends ends = loopback(loop);
    auto [theirs, ours] = run_both(loop, session_shakes(std::move(ends.client), std::move(ssl)),
                                   server->accept(std::move(ends.server), patience));
    REQUIRE(ours);
    REQUIRE(theirs);
    REQUIRE(event::run_until_done(loop, send_text(*ours->stream, "220 hi\r\n")));
    REQUIRE(event::run_until_done(loop, read_text(*theirs->stream, 8)));
    SSL& peer = static_cast<tls::TlsStream&>(*theirs->stream).ssl();
    Visit made;
    for (const auto& identity : certificates->all()) {
      std::array<unsigned char, 32> digest{};
      REQUIRE(X509_digest(SSL_get0_peer_certificate(&peer), EVP_sha256(), digest.data(), nullptr) == 1);
      if (identity->leaf_sha256() == text::hex(digest)) made.shown = identity->leaf_sha256();
    }
    made.resumed = ours->facts.resumed;
    made.bindings = ours->bindings;
    made.session.reset(SSL_get1_session(&peer));
    theirs->stream->close();
    return made;
  }
  std::size_t place_of(const std::string& leaf) const {
    for (std::size_t i = 0; i < certificates->all().size(); ++i)
      if (certificates->all()[i]->leaf_sha256() == leaf) return i;
    return 99;
  }
  std::shared_ptr<const tls::ServerCertificates> certificates;
  event::EventLoop loop;
  std::unique_ptr<tls::OpensslServer> server;
};

std::string extension_of(std::string_view name) {
  const auto size = [](std::size_t of) {
    return std::string{static_cast<char>(of >> 8U), static_cast<char>(of & 0xffU)};
  };
  return size(name.size() + 3) + '\0' + size(name.size()) + std::string(name);
}

}  // namespace

TEST_CASE("a client is shown a certificate for the name it asks for, of a kind that it can verify") {
  NamesFixture f(certificates_for({
      named({"relay.example.net"}),                                               // 0
      named({"relay.example.net", "smtp.example.net"}, KeyKind::rsa_2048),        // 1: has all names of 0
      named({"mail.example.org", "*.example.org"}),                               // 2
      named({"*.example.org"}, KeyKind::rsa_2048),                                // 3
      named({"in.example.org"}),                                                  // 4
      named({"*.deep.in.example.org", "f*.example.com", "*.test", "www.*.com"}),  // 5
  }));
  struct Row {
    const char* name;
    Verifies what;
    std::size_t shown;
  };
  for (const Row& row : std::vector<Row>{
           {"", Verifies::anything, 0},  // ECDSA goes before RSA
           {"", Verifies::ecdsa, 0},
           {"", Verifies::rsa, 1},
           {"relay.example.net", Verifies::anything, 0},
           {"RELAY.example.NET", Verifies::rsa, 1},
           {"relay.example.net.", Verifies::rsa, 1},
           {"smtp.example.net", Verifies::anything, 1},  // the only one that has it
           {"mail.example.org", Verifies::ecdsa, 2},
           {"mail.example.org", Verifies::rsa, 3},  // by its wildcard, beside the other's full name
           {"a.example.org", Verifies::anything, 2},
           {"a.example.org", Verifies::rsa, 3},
           {"in.example.org", Verifies::anything, 4},  // in full before by a wildcard
           {"in.example.org", Verifies::rsa, 3},
           {"example.org", Verifies::anything, 0},  // a wildcard is a label
           {"a.b.example.org", Verifies::anything, 0},
           {"a.in.example.org", Verifies::rsa, 1},  // one label, no more
           {"a.deep.in.example.org", Verifies::anything, 5},
           {"foo.example.com", Verifies::anything, 0},  // the whole label
           {"a.test", Verifies::anything, 0},           // of two labels at least
           {"www.example.com", Verifies::anything, 0},  // the leftmost one
           {"*.example.org", Verifies::anything, 0},
           {"nobody.example", Verifies::anything, 0},
           {"nobody.example", Verifies::rsa, 1},
       }) {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
      CAPTURE(row.name);
      CAPTURE(version);
      const SslContextPtr client = client_that(row.what, version);
      CHECK(f.place_of(f.visit(*client, row.name).shown) == row.shown);
    }
  }
}

TEST_CASE("RSA and ECDSA go together only where one has the other's names") {
  NamesFixture f(certificates_for(
      {named({"a.example.net", "b.example.net"}), named({"a.example.net"}, KeyKind::rsa_2048)}));
  using Choices = std::vector<tls::ServerCertificates::Choice>;
  CHECK(f.certificates->choices() == Choices{{0}, {0, 1}, {0}});
  CHECK(f.certificates->find("a.example.net") == 1U);
  CHECK(f.certificates->find("b.example.net") == 2U);
  CHECK_FALSE(f.certificates->find("c.example.net"));
  CHECK_FALSE(f.certificates->find(""));
  CHECK(f.certificates->keys_for("a.example.net").size() == 2);
  CHECK(f.certificates->keys_for("c.example.net").size() == 1);
}

TEST_CASE("a session is not resumed under another name (RFC 6066 §3)") {
  NamesFixture f(certificates_for({named({"relay.example.net"}), named({"*.example.org"})}));
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    CAPTURE(version);
    const SslContextPtr client = client_that(Verifies::anything, version);
    const auto resumes = [&](const char* begun, const char* later) {
      auto first = f.visit(*client, begun);
      return f.visit(*client, later, first.session.get()).resumed;
    };
    CHECK(resumes("relay.example.net", "relay.example.net"));
    CHECK(resumes("a.example.org", "A.example.org"));
    CHECK_FALSE(resumes("a.example.org", "b.example.org"));
    CHECK_FALSE(resumes("a.example.org", "relay.example.net"));
    CHECK_FALSE(resumes("a.example.org", ""));
    CHECK_FALSE(resumes("", "relay.example.net"));
    CHECK(resumes("", ""));
  }
}

TEST_CASE("a resumed session is bound to the certificate that it began with (RFC 5929 §4)") {
  tls::ServerOptions options;
  options.strength = tls::Strength::submission;
  NamesFixture f(
      certificates_for({named({"relay.example.net"}), named({"relay.example.net"}, KeyKind::rsa_2048)}),
      options);
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    for (const char* name : {"", "relay.example.net"}) {
      CAPTURE(version);
      const SslContextPtr rsa = client_that(Verifies::rsa, version),
                          any = client_that(Verifies::anything, version);
      auto by_rsa = f.visit(*rsa, name);
      auto by_ecdsa = f.visit(*any, name);
      REQUIRE(by_rsa.bindings.server_end_point.size() == 32);
      CHECK(by_rsa.bindings.server_end_point != by_ecdsa.bindings.server_end_point);
      for (auto* first : {&by_rsa, &by_ecdsa}) {
        auto again = f.visit(*any, name, first->session.get());
        CHECK(again.resumed);
        CHECK(again.bindings.server_end_point == first->bindings.server_end_point);
        const auto third = f.visit(*any, name, again.session.get());  // with the ticket of a resumed one
        CHECK(third.resumed);
        CHECK(third.bindings.server_end_point == first->bindings.server_end_point);
      }
    }
  }
}

TEST_CASE("T-52: one certificate that cannot be used, and all stay as they were") {
  tls::ServerOptions options;
  options.strength = tls::Strength::strong;
  NamesFixture f(certificates_for({named({"relay.example.net"}), named({"mail.example.org"})}), options);
  const auto weak =
      certificates_for({named({"relay.example.net"}), named({"weak.example.org"}, KeyKind::rsa_1024)});
  CHECK_FALSE(f.server->replace(weak));
  const SslContextPtr client = client_that(Verifies::anything);
  CHECK(f.place_of(f.visit(*client, "mail.example.org").shown) == 1);
  f.certificates = certificates_for({named({"relay.example.net"}), named({"new.example.org"})});
  REQUIRE(f.server->replace(f.certificates));
  CHECK(f.place_of(f.visit(*client, "mail.example.org").shown) == 0);
  CHECK(f.place_of(f.visit(*client, "new.example.org").shown) == 1);
}

TEST_CASE("what clients that verify have against our certificates is known of each before they say it") {
  using Kind = tls::Objection::Kind;
  const SystemTime now = test_now();
  CertificateSpec old = named({"old.example.net"}), soon = named({"soon.example.net"});
  old.not_after = now - std::chrono::seconds(1);
  soon.not_after = now + std::chrono::days(13);
  CertificateSpec nameless = named({"x"}, KeyKind::rsa_2048);
  nameless.dns = {"*.test"};
  const auto against = [&](const std::vector<CertificateSpec>& specs, const char* host) {
    return certificates_for(specs)->objections(host, now, std::chrono::days(14));
  };
  const auto mixed = against({named({"mail.example.net"}), old, soon, named({"mail.example.net"}), nameless,
                              named({"relay.example.net"})},
                             "relay.example.net");
  CHECK_FALSE(mixed[0]);  // that another one names us is enough
  REQUIRE(mixed[1]);
  CHECK(mixed[1]->kind == Kind::refused);
  REQUIRE(mixed[2]);
  CHECK(mixed[2]->kind == Kind::ends_soon);
  REQUIRE(mixed[3]);
  CHECK(mixed[3]->kind == Kind::unused);
  REQUIRE(mixed[4]);
  CHECK(mixed[4]->kind == Kind::unused);
  CHECK_FALSE(mixed[5]);
  const auto unnamed =
      against({named({"mail.example.net"}), named({"mail.example.org"})}, "relay.example.net");
  REQUIRE(unnamed[0]);
  CHECK(unnamed[0]->kind == Kind::name);
  CHECK_FALSE(unnamed[1]);
}

TEST_CASE("a server name in the ClientHello (RFC 6066 §3)") {
  const auto read = [](const std::string& extension) {
    const tls::ServerName name(extension);
    return std::string(name.view());
  };
  CHECK(read(extension_of("Mail.Example.ORG")) == "mail.example.org");
  CHECK(read(extension_of("mail.example.org.")) == "mail.example.org");
  CHECK(read(extension_of(std::string(255, 'a'))) == std::string(255, 'a'));
  CHECK(read(extension_of(std::string(256, 'a'))).empty());
  CHECK(read(extension_of(std::string_view("a\0b", 3))).empty());
  CHECK(read(extension_of("m\xc3\xa4il.example.org")).empty());
  CHECK(read(extension_of("")).empty());
  CHECK(read("").empty());
  CHECK(read(extension_of("a.example") + "x").empty());
  const std::string whole = extension_of("mail.example.org");
  for (std::size_t size = 0; size < whole.size(); ++size) CHECK(read(whole.substr(0, size)).empty());
  std::string other_kind = whole;
  other_kind[2] = '\x01';
  CHECK(read(other_kind).empty());
}

}  // namespace sealpost::test
