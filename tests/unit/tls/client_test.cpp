// SPDX-License-Identifier: Apache-2.0
//
// Handshakes as a client on loopback: what is negotiated and recorded, protocol floors (T-08, TLS-04), error tokens,
// deadlines (T-26), DANE beside WebPKI (DANE-01).
#include <doctest.h>
#include <openssl/err.h>

#include <set>

#include "bad_certificates.hpp"
#include "loopback.hpp"
#include "tls/certificate.hpp"
#include "tls/openssl_client.hpp"
#include "tls/profile.hpp"
#include "tls/verify.hpp"

namespace sealpost::test {

namespace {

struct Fixture {
  Fixture() {
    auto made = tls::OpensslClient::create(trust_in_root());
    REQUIRE(made.has_value());
    client = std::move(*made);
  }
  struct Both {
    Expected<tls::Secured> ours;
    Expected<tls::Secured> theirs;
  };
  Both shake(SSL_CTX& peer, const tls::ClientOptions& options = {}, Duration limit = patience) {
    Ends ends = loopback(loop);
    auto [ours, theirs] = run_both(loop, client->handshake(std::move(ends.client), options, limit),
                                   peer_shakes(std::move(ends.server), peer));
    return {std::move(ours), std::move(theirs)};
  }
  event::EventLoop loop;
  std::unique_ptr<tls::OpensslClient> client;
  Issued leaf = issue(server(bad_host), trusted_root());
};

PeerOptions only(int version, std::string ciphers = "ALL:@SECLEVEL=0") {
  PeerOptions options;
  options.oldest = options.newest = version;
  options.ciphers = std::move(ciphers);
  return options;
}

TlsaRecord key_record(const Issued& issued) {
  const std::string hex = tls::read_certificate(*issued.certificate).spki_sha256;
  std::vector<std::uint8_t> data;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    data.push_back(static_cast<std::uint8_t>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  }
  return TlsaRecord(3, 1, 1, data);
}

}  // namespace

TEST_CASE("what a handshake records") {
  Fixture f;
  const SslContextPtr peer = lax_server(f.leaf, {});
  tls::ClientOptions options;
  options.server_name = bad_host;
  const auto both = f.shake(*peer, options);
  REQUIRE(both.ours);
  const HandshakeFacts& facts = both.ours->facts;
  CHECK(facts.version == TlsVersion::tls1_3);
  CHECK(facts.cipher == "TLS_AES_256_GCM_SHA384");
  CHECK(facts.group == "X25519");
  CHECK_FALSE(facts.resumed);
  const CertificateFacts& certificate = *facts.certificate;
  CHECK(certificate.subject == "CN=mx.example.test");
  CHECK(certificate.issuer == "CN=Root");
  CHECK(certificate.dns_names == std::vector<std::string>{bad_host});
  CHECK(certificate.leaf_expires == test_now() + std::chrono::days(365));
  CHECK(certificate.chain_expires == certificate.leaf_expires);
  CHECK(certificate.not_before == test_now() - std::chrono::days(1));
  CHECK(certificate.certificate_sha256.size() == 64);
  CHECK(certificate.spki_sha256.size() == 64);
  CHECK(certificate.certificate_sha256 != certificate.spki_sha256);
  CHECK(certificate.webpki.ok());
  CHECK_FALSE(certificate.dane);
}

TEST_CASE("names of suites and groups are those of the registries") {
  struct Row {
    int version;
    const char* ciphers;
    const char* groups;
    const char* suite;
    const char* group;
    KeyKind key = KeyKind::p256;
  };
  for (const Row& row : std::vector<Row>{
           {TLS1_3_VERSION, "ALL", "P-256", "TLS_AES_256_GCM_SHA384", "secp256r1"},
           {TLS1_3_VERSION, "ALL", "P-384", "TLS_AES_256_GCM_SHA384", "secp384r1"},
           {TLS1_3_VERSION, "ALL", "P-521", "TLS_AES_256_GCM_SHA384", "secp521r1"},
           {TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256", "X25519",
            "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "X25519"},
           {TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305", "P-256",
            "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "secp256r1"},
           {TLS1_2_VERSION, "DHE-RSA-AES128-GCM-SHA256", "", "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256", "",
            KeyKind::rsa_2048},
           {TLS1_2_VERSION, "AES128-GCM-SHA256", "", "TLS_RSA_WITH_AES_128_GCM_SHA256", "",
            KeyKind::rsa_2048},
       }) {
    CAPTURE(row.ciphers);
    Fixture f;
    CertificateSpec spec = server(bad_host);
    spec.key = row.key;
    spec.key_usage.reset();
    PeerOptions peer_options = only(row.version, row.ciphers);
    peer_options.groups = row.groups;
    const SslContextPtr peer = lax_server(issue(spec, trusted_root()), {}, peer_options);
    const auto both = f.shake(*peer);
    REQUIRE(both.ours);
    CHECK(both.ours->facts.cipher == row.suite);
    CHECK(both.ours->facts.group == row.group);
  }
}

TEST_CASE("T-07: each suite of the opportunistic profile is weak exactly when the strong one lacks it") {
  const auto suites_of = [](tls::Strength strength) {
    const SslContextPtr context(SSL_CTX_new(TLS_client_method()));
    REQUIRE(tls::apply_profile(*context, strength));
    std::set<std::string> names;
    const STACK_OF(SSL_CIPHER)* all = SSL_CTX_get_ciphers(context.get());
    for (int i = 0; i < sk_SSL_CIPHER_num(all); ++i)
      names.insert(SSL_CIPHER_standard_name(sk_SSL_CIPHER_value(all, i)));
    return names;
  };
  const auto strong = suites_of(tls::Strength::strong), any = suites_of(tls::Strength::opportunistic);
  CHECK(any.size() > strong.size());
  for (const std::string& name : any) {
    CAPTURE(name);
    HandshakeFacts facts;
    facts.version = name.find("_WITH_") == std::string::npos ? TlsVersion::tls1_3 : TlsVersion::tls1_2;
    facts.cipher = name;
    CHECK(weakness_of(facts).empty() == strong.contains(name));
  }
  for (const std::string& name : strong) CHECK(any.contains(name));
  CHECK_FALSE(weakness_of(HandshakeFacts()).empty());  // nothing known is not strong
}

TEST_CASE("T-08, T15: nothing below TLS 1.2, nothing below what is asked for; the token says why") {
  struct Row {
    int peer;
    TlsVersion minimum;
    bool works;
  };
  for (const Row& row : std::vector<Row>{{TLS1_VERSION, TlsVersion::none, false},
                                         {TLS1_1_VERSION, TlsVersion::none, false},
                                         {TLS1_1_VERSION, TlsVersion::tls1_0, false},
                                         {TLS1_2_VERSION, TlsVersion::none, true},
                                         {TLS1_2_VERSION, TlsVersion::tls1_2, true},
                                         {TLS1_2_VERSION, TlsVersion::tls1_3, false},
                                         {TLS1_3_VERSION, TlsVersion::tls1_3, true}}) {
    Fixture f;
    const SslContextPtr peer = lax_server(f.leaf, {}, only(row.peer));
    tls::ClientOptions options;
    options.minimum = row.minimum;
    const auto both = f.shake(*peer, options);
    CHECK(both.ours.has_value() == row.works);
    if (row.works) continue;
    CHECK(both.ours.error().code == Errc::tls);
    CHECK(both.ours.error().detail == "tlsv1-alert-protocol-version");
  }
}

TEST_CASE("T16: weak suites never, old key exchange only where clear text is the alternative") {
  struct Row {
    const char* ciphers;
    bool opportunistic;
    bool strong;
  };
  for (const Row& row : std::vector<Row>{{"ECDHE-RSA-AES128-GCM-SHA256", true, true},
                                         {"ECDHE-RSA-AES256-SHA384", true, true},
                                         {"DHE-RSA-AES256-GCM-SHA384", true, false},
                                         {"AES256-GCM-SHA384", true, false},
                                         {"AES128-SHA", true, false},
                                         {"ECDHE-RSA-NULL-SHA", false, false},
                                         {"NULL-SHA256", false, false},
                                         {"AECDH-AES256-SHA", false, false},
                                         {"ADH-AES256-GCM-SHA384", false, false}}) {
    for (const bool strong : {false, true}) {
      CAPTURE(row.ciphers);
      Fixture f;
      CertificateSpec spec = server(bad_host);
      spec.key = KeyKind::rsa_2048;
      spec.key_usage.reset();
      const SslContextPtr peer = lax_server(issue(spec, trusted_root()), {},
                                            only(TLS1_2_VERSION, row.ciphers + std::string(":@SECLEVEL=0")));
      tls::ClientOptions options;
      options.strong_only = strong;
      const auto both = f.shake(*peer, options);
      CHECK(both.ours.has_value() == (strong ? row.strong : row.opportunistic));
      if (!both.ours) CHECK(both.ours.error().detail == "sslv3-alert-handshake-failure");
    }
  }
}

TEST_CASE("the server name goes out as asked, and no protocol list") {
  Fixture f;
  struct Seen {
    std::string name;
    bool alpn = false;
  } seen;
  const SslContextPtr peer = lax_server(f.leaf, {});
  SSL_CTX_set_tlsext_servername_arg(peer.get(), &seen);
  SSL_CTX_set_tlsext_servername_callback(
      peer.get(), +[](SSL* ssl, int*, void* into) {
        if (const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name))
          static_cast<Seen*>(into)->name = name;
        return SSL_TLSEXT_ERR_OK;
      });
  SSL_CTX_set_alpn_select_cb(
      peer.get(),
      [](SSL*, const unsigned char**, unsigned char*, const unsigned char*, unsigned, void* into) {
        static_cast<Seen*>(into)->alpn = true;
        return SSL_TLSEXT_ERR_NOACK;
      },
      &seen);
  tls::ClientOptions options;
  options.server_name = "mx1.example.test";
  CHECK(f.shake(*peer, options).ours);
  CHECK(seen.name == "mx1.example.test");
  CHECK_FALSE(seen.alpn);
}

namespace {

sealpost::event::Task<std::size_t> octets_heard(sealpost::event::Stream& stream) {
  const bool ready = co_await stream.wait(sealpost::event::Interest::read, patience);
  std::string piece(65536, '\0');
  if (!ready) co_return std::size_t{0};
  co_return stream.try_read(piece).bytes;
}

sealpost::event::Task<void> shake_in_vain(tls::OpensslClient& client,
                                          std::unique_ptr<sealpost::event::Stream> plain,
                                          tls::ClientOptions with) {
  auto ignored = co_await client.handshake(std::move(plain), std::move(with), patience);
  CHECK_FALSE(ignored);
}

}  // namespace

TEST_CASE("T18: the first flight fits one segment") {
  Fixture f;
  Ends ends = loopback(f.loop);
  event::Stream& wire = *ends.server;
  tls::ClientOptions options;
  options.server_name = std::string(60, 'a') + "." + std::string(60, 'b') + ".test";
  event::TaskScope scope(f.loop);
  scope.spawn(shake_in_vain(*f.client, std::move(ends.client), options));
  const std::size_t octets = event::run_until_done(f.loop, octets_heard(wire));
  CHECK(octets > 100);
  CHECK(octets < 700);
}

TEST_CASE("T18: the second try with classical groups alone reaches what the first does") {
  for (const char* group : {"X25519", "P-256", "P-384"}) {
    CAPTURE(group);
    Fixture f;
    PeerOptions peer_options;
    peer_options.groups = group;
    const SslContextPtr peer = lax_server(f.leaf, {}, peer_options);
    tls::ClientOptions options;
    options.classical_groups_only = true;
    CHECK(f.shake(*peer, options).ours);
  }
}

TEST_CASE("handshakes that fail: what is said, and nothing is left in OpenSSL's error queue") {
  Fixture f;
  struct Row {
    const char* name;
    std::string says;
    bool hangs_up;
    Errc code;
    std::string token;
  };
  for (const Row& row : std::vector<Row>{
           {"clear text", "250 ok\r\n250 more of it\r\n", false, Errc::tls, "wrong-version-number"},
           {"an alert", std::string("\x15\x03\x03\x00\x02\x02\x50", 7), false, Errc::tls,
            "tlsv1-alert-internal-error"},
           {"hang-up", "", true, Errc::closed, "connection-closed"},
           {"hang-up in a record", "\x16\x03\x03", true, Errc::closed, "connection-closed"},
           {"silence", "", false, Errc::timed_out, "handshake-timed-out"},
           {"half a record", "\x16\x03\x03", false, Errc::timed_out, "handshake-timed-out"},
       }) {
    CAPTURE(row.name);
    Ends ends = loopback(f.loop);
    if (!row.says.empty()) CHECK(ends.server->try_write(row.says).bytes == row.says.size());
    if (row.hangs_up) ends.server->close();
    const auto limit = std::chrono::milliseconds(row.code == Errc::timed_out ? 50 : 5000);
    const auto ours = event::run_until_done(
        f.loop, f.client->handshake(std::move(ends.client), tls::ClientOptions(), limit));
    REQUIRE_FALSE(ours);
    CHECK(ours.error().code == row.code);
    CHECK(ours.error().detail == row.token);
    CHECK(ERR_peek_error() == 0);
  }
}

TEST_CASE("T-26: a handshake that drips is ended by the limit of the whole") {
  Fixture f;
  Ends ends = loopback(f.loop);
  auto drip = [](std::unique_ptr<event::Stream> stream) -> event::Task<void> {
    const std::string record("\x16\x03\x03\x10\x00", 5);
    for (std::size_t i = 0; i < 6000; ++i) {  // a minute
      stream->try_write(std::string(1, i < record.size() ? record[i] : '\x02'));
      co_await event::sleep_for(stream->loop(), std::chrono::milliseconds(10));
    }
  };
  event::TaskScope scope(f.loop);
  scope.spawn(drip(std::move(ends.server)));
  const auto ours = event::run_until_done(
      f.loop,
      f.client->handshake(std::move(ends.client), tls::ClientOptions(), std::chrono::milliseconds(100)));
  REQUIRE_FALSE(ours);
  CHECK(ours.error().code == Errc::timed_out);
  CHECK(scope.size() == 1);  // while octets still came
}

TEST_CASE("DANE-01: both verifications stand side by side, and neither stops the handshake") {
  Fixture f;
  const Issued self = self_signed(server("elsewhere.test"));
  tls::ClientOptions options;
  options.tlsa = {key_record(self)};
  SUBCASE("matches a certificate no root knows") {
    const SslContextPtr peer = lax_server(self, {});
    const auto both = f.shake(*peer, options);
    REQUIRE(both.ours);
    const auto& certificate = *both.ours->facts.certificate;
    CHECK(certificate.webpki.token == "X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT");
    REQUIRE(certificate.dane);
    CHECK(certificate.dane->chain.ok());
    CHECK(certificate.dane->matched_usage == 3);
    CHECK(certificate.dane->records_digest == tlsa_digest(options.tlsa));
  }
  SUBCASE("does not match a certificate that a root knows") {
    CertificateSpec spec = server(bad_host);
    spec.key = KeyKind::rsa_2048;
    const SslContextPtr peer = lax_server(issue(spec, trusted_root()), {});
    const auto both = f.shake(*peer, options);
    REQUIRE(both.ours);
    CHECK(both.ours->facts.certificate->webpki.ok());
    CHECK(both.ours->facts.certificate->dane->chain.token == "X509_V_ERR_DANE_NO_MATCH");
  }
}

TEST_CASE("a client can be made whatever the trust file; what is wrong with the file is said") {
  CHECK(tls::TrustStore::load("/nonexistent/roots.pem").error().code == Errc::io);
  CHECK(tls::TrustStore::load("/").error().detail == "/: is a directory; name one PEM file");
  CHECK(tls::TrustStore::from_pem("").error().code == Errc::invalid);
  CHECK(tls::TrustStore::from_pem("no PEM at all").error().code == Errc::invalid);
  const std::string pem = trusted_root().pem();
  CHECK((*tls::TrustStore::from_pem("# comment\n" + pem + "\n" + pem))->size() == 2);
  std::string damaged = pem;
  damaged.replace(damaged.find('\n') + 10, 20, "AAAAAAAAAAAAAAAAAAAA");
  const auto wrong = tls::TrustStore::from_pem(pem + damaged);
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().detail.starts_with("certificate 2 cannot be read: "));
}

}  // namespace sealpost::test
