// SPDX-License-Identifier: Apache-2.0
//
// Certificates of clients: asked for where a listener wants them, judged when the handshake is over, and kept for no later
// session (ADR 48).
#include "tls/client_certificate.hpp"

#include <doctest.h>

#include <tuple>

#include "bad_certificates.hpp"
#include "loopback.hpp"
#include "tls/openssl_server.hpp"
#include "tls/tls_stream.hpp"

namespace sealpost::test {
namespace {

CertificateSpec client_spec(std::string name) {
  CertificateSpec spec = server(std::move(name));
  spec.extended_key_usage = "clientAuth";
  return spec;
}

struct AskingFixture {
  explicit AskingFixture(const std::string& authorities = trusted_root().pem()) {
    const Issued leaf = issue(test::server("relay.example.test"), trusted_root());
    auto identity = tls::ServerIdentity::from_pem(leaf.pem(), leaf.key_pem());
    REQUIRE(identity);
    auto made = tls::OpensslServer::create(
        std::make_shared<const tls::ServerCertificates>(std::vector{*identity}), tls::ServerOptions());
    REQUIRE(made);
    plain = std::move(*made);
    auto asked = tls::ClientAuthorities::from_pem(authorities);
    REQUIRE(asked);
    asking = std::make_unique<tls::AskingServer>(plain, *asked);
  }
  struct Both {
    Expected<tls::Secured> ours, theirs;
  };
  Both shake(SSL_CTX& client, tls::Server& server) {
    Ends ends = loopback(loop);
    auto [theirs, ours] =
        run_both(loop, peer_shakes(std::move(ends.client), client, patience, "relay.example.test"),
                 server.accept(std::move(ends.server), patience));
    return {std::move(ours), std::move(theirs)};
  }
  std::shared_ptr<const tls::ClientCertificate> shown_by(const CertificateSpec& spec, const Issued& issuer,
                                                         int version = TLS1_3_VERSION) {
    const Issued leaf = issue(spec, issuer);
    PeerOptions options;
    options.oldest = options.newest = version;
    const SslContextPtr client = lax_client(options);
    REQUIRE(SSL_CTX_use_cert_and_key(client.get(), leaf.certificate.get(), leaf.key.get(), nullptr, 1) == 1);
    const auto both = shake(*client, *asking);
    REQUIRE(both.ours);
    return both.ours->client;
  }
  event::EventLoop loop;
  std::shared_ptr<tls::OpensslServer> plain;
  std::unique_ptr<tls::AskingServer> asking;
};

event::Task<Expected<tls::Secured>> showing_shakes(std::unique_ptr<tls::TlsStream> stream) {
  auto shaken = co_await stream->shake_hands(patience);
  if (!shaken) co_return std::move(shaken).error();
  HandshakeFacts facts;
  tls::Secured secured(std::move(stream), std::move(facts));
  co_return secured;
}

}  // namespace

TEST_CASE("a client's certificate is read, and its names count when an authority of the listener issued it") {
  AskingFixture f;
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    CAPTURE(version);
    CertificateSpec spec = client_spec("Printer.example.net");
    spec.emails = {"Anna@Example.ORG", "a b@example.org", "\"x\"@example.org",
                   "@example.org",     "a@b@example.org", std::string("a@example.org\0.net", 18)};
    const auto shown = f.shown_by(spec, trusted_root(), version);
    REQUIRE(shown);
    CHECK(shown->trusted);
    CHECK(shown->why.empty());
    CHECK(shown->dns_names == std::vector<std::string>{"printer.example.net"});
    CHECK(shown->addresses == std::vector<std::string>{"Anna@example.org"});
    CHECK(shown->certificate_sha256.size() == 64);
    CHECK(shown->key_sha256.size() == 64);
  }
}

TEST_CASE("what proves nothing is no end of the handshake, and no name of it counts") {
  AskingFixture f;
  const SslContextPtr nobody = lax_client();
  const auto none = f.shake(*nobody, *f.asking);
  REQUIRE(none.ours);
  CHECK_FALSE(none.ours->client);

  CertificateSpec over = client_spec("a.example.net"), early = over, server_only = over, weak = over;
  over.not_after = test_now() - std::chrono::hours(1);
  early.not_before = test_now() + std::chrono::hours(1);
  server_only.extended_key_usage = "serverAuth";
  weak.key = KeyKind::rsa_1024;
  const Issued other = self_signed(authority("Other"));
  struct Row {
    const CertificateSpec& spec;
    const Issued& issuer;
    const char* why;
  };
  const CertificateSpec good = client_spec("a.example.net");
  for (const Row& row : {Row{over, trusted_root(), "X509_V_ERR_CERT_HAS_EXPIRED"},
                         Row{early, trusted_root(), "X509_V_ERR_CERT_NOT_YET_VALID"},
                         Row{server_only, trusted_root(), "X509_V_ERR_INVALID_PURPOSE"},
                         Row{weak, trusted_root(), "X509_V_ERR_EE_KEY_TOO_SMALL"},
                         Row{good, other, "X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY"}}) {
    CAPTURE(row.why);
    const auto shown = f.shown_by(row.spec, row.issuer);
    REQUIRE(shown);
    CHECK_FALSE(shown->trusted);
    CHECK(shown->why == row.why);
    CHECK(shown->dns_names.size() == 1);
  }
  AskingFixture without("");
  const auto shown = without.shown_by(good, trusted_root());
  REQUIRE(shown);
  CHECK_FALSE(shown->trusted);
  CHECK(shown->certificate_sha256.size() == 64);
}

TEST_CASE("T-04 who asks resumes nothing, and where nobody asks no certificate is shown") {
  AskingFixture f;
  const Issued leaf = issue(client_spec("a.example.net"), trusted_root());
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    CAPTURE(version);
    PeerOptions options;
    options.oldest = options.newest = version;
    const SslContextPtr client = lax_client(options);
    REQUIRE(SSL_CTX_use_cert_and_key(client.get(), leaf.certificate.get(), leaf.key.get(), nullptr, 1) == 1);
    const auto visit = [&](tls::Server& server, SSL_SESSION* session) {
      Ends ends = loopback(f.loop);
      SslPtr ssl(SSL_new(client.get()));
      SSL_set_connect_state(ssl.get());
      SSL_set_tlsext_host_name(ssl.get(), "relay.example.test");
      if (session != nullptr) SSL_set_session(ssl.get(), session);
      auto stream = std::make_unique<tls::TlsStream>(std::move(ends.client), std::move(ssl));
      SSL& peer = stream->ssl();
      auto [theirs, ours] = run_both(f.loop, showing_shakes(std::move(stream)),
                                     server.accept(std::move(ends.server), patience));
      REQUIRE(ours);
      REQUIRE(theirs);
      REQUIRE(event::run_until_done(f.loop, send_text(*ours->stream, "220 hi\r\n")));
      REQUIRE(event::run_until_done(f.loop, read_text(*theirs->stream, 8)));
      SslSessionPtr kept(SSL_get1_session(&peer));
      theirs->stream->close();
      return std::tuple(ours->client != nullptr, ours->facts.resumed, std::move(kept));
    };
    const auto asked = visit(*f.asking, nullptr);
    CHECK(std::get<0>(asked));
    CHECK_FALSE(std::get<1>(visit(*f.asking, std::get<2>(asked).get())));
    CHECK_FALSE(std::get<1>(visit(*f.plain, std::get<2>(asked).get())));
    const auto unasked = visit(*f.plain, nullptr);
    CHECK_FALSE(std::get<0>(unasked));
    const auto later = visit(*f.asking, std::get<2>(unasked).get());
    CHECK(std::get<0>(later));
    CHECK_FALSE(std::get<1>(later));
  }
}

}  // namespace sealpost::test
