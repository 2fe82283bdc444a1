// SPDX-License-Identifier: Apache-2.0
//
// T-07, S43: a session is resumed only under the key it was made with, and a resumed handshake has the facts of the
// full one. STS-18 at the level of TLS.
#include <doctest.h>

#include "bad_certificates.hpp"
#include "loopback.hpp"
#include "tls/openssl_client.hpp"
#include "tls/openssl_server.hpp"

namespace sealpost::test {

namespace {

// A host with tickets, and a client that goes to it.
struct ResumptionFixture {
  explicit ResumptionFixture(int version = TLS1_3_VERSION, std::size_t sessions = 16) {
    auto made = tls::OpensslClient::create(trust_in_root(), sessions);
    REQUIRE(made.has_value());
    client = std::move(*made);
    PeerOptions options;
    options.oldest = options.newest = version;
    peer = lax_server(issue(server(bad_host), trusted_root()), {}, options);
  }

  // A handshake, a greeting from the peer (with which the tickets of TLS 1.3 arrive), an orderly end.
  HandshakeFacts visit(const std::string& key, bool orderly = true) {
    tls::ClientOptions options;
    options.server_name = bad_host;
    options.session_key = key;
    return visit(std::move(options), orderly);
  }
  HandshakeFacts visit(tls::ClientOptions options, bool orderly = true) {
    Ends ends = loopback(loop);
    auto [ours, theirs] = run_both(loop, client->handshake(std::move(ends.client), options, patience),
                                   peer_shakes(std::move(ends.server), *peer));
    REQUIRE(ours);
    REQUIRE(theirs);
    REQUIRE(event::run_until_done(loop, send_text(*theirs->stream, "220 hi\r\n")));
    const auto greeting = event::run_until_done(loop, read_text(*ours->stream, 8));
    CHECK(greeting.has_value());
    if (orderly) ours->stream->close();
    return ours->facts;
  }

  event::EventLoop loop;
  std::unique_ptr<tls::OpensslClient> client;
  SslContextPtr peer;
};

}  // namespace

TEST_CASE("T-07: the same key resumes, with the recorded facts; TLS 1.2 and 1.3") {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    CAPTURE(version);
    ResumptionFixture f(version);
    const HandshakeFacts first = f.visit("mx|enforce|mx.example.test");
    CHECK_FALSE(first.resumed);
    for (int i = 0; i < 3; ++i) {
      const HandshakeFacts again = f.visit("mx|enforce|mx.example.test");
      CHECK(again.resumed);
      CHECK(again.certificate == first.certificate);  // the very same
      CHECK(again.version == first.version);
      CHECK_FALSE(again.cipher.empty());
    }
    CHECK(f.client->sessions() == 1);
  }
}

TEST_CASE("T-07, STS-18: another key never does, in either order, and no key keeps nothing") {
  ResumptionFixture f;
  CHECK_FALSE(f.visit("mx|opportunistic").resumed);
  CHECK_FALSE(f.visit("mx|enforce").resumed);
  CHECK_FALSE(f.visit("").resumed);
  CHECK_FALSE(f.visit("").resumed);
  CHECK(f.visit("mx|opportunistic").resumed);
  CHECK(f.visit("mx|enforce").resumed);
  CHECK(f.client->sessions() == 2);
}

TEST_CASE("T-07: the client's own profile is part of the key: no session goes from one to another") {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    CAPTURE(version);
    ResumptionFixture f(version);
    tls::ClientOptions plain;
    plain.server_name = bad_host;
    plain.session_key = "the same for all";
    std::vector<tls::ClientOptions> profiles(5, plain);
    profiles[1].strong_only = true;
    profiles[2].server_name = "other.example.test";
    profiles[3].classical_groups_only = true;
    profiles[4].tlsa = {TlsaRecord(3, 1, 1, std::vector<std::uint8_t>(32, 1))};
    for (int turn = 0; turn < 2; ++turn) {
      for (const auto& profile : profiles) CHECK(f.visit(profile).resumed == (turn == 1));
    }
    if (version == TLS1_3_VERSION) {
      tls::ClientOptions newer = plain;
      newer.minimum = TlsVersion::tls1_3;
      CHECK_FALSE(f.visit(newer).resumed);
    }
  }
}

TEST_CASE(
    "T-07 T-52: a session is resumed only under the roots it was made under, and others are looked at for "
    "each handshake") {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    CAPTURE(version);
    ResumptionFixture f(version);
    tls::ClientOptions former;
    former.server_name = bad_host;
    former.session_key = "the same for all";
    CHECK(f.visit(former).certificate->webpki.ok());
    CHECK(f.visit(former).resumed);
    const auto others = tls::TrustStore::from_pem(self_signed(authority("Another Root")).pem());
    REQUIRE(others);
    tls::ClientOptions present = former;
    present.trust = *others;
    const HandshakeFacts facts = f.visit(present);
    CHECK_FALSE(facts.resumed);
    CHECK_FALSE(facts.certificate->webpki.ok());
    present.trust = trust_in_root();  // the same roots, loaded again
    CHECK(f.visit(present).resumed);
  }
}

TEST_CASE("a connection that just goes away does not spoil the session") {
  ResumptionFixture f;
  CHECK_FALSE(f.visit("k", false).resumed);
  CHECK(f.visit("k", false).resumed);
  CHECK(f.visit("k").resumed);
}

TEST_CASE("the cache is bounded; the least recently used goes first") {
  ResumptionFixture f(TLS1_3_VERSION, 2);
  f.visit("a");
  f.visit("b");
  CHECK(f.visit("a").resumed);
  f.visit("c");
  CHECK(f.client->sessions() == 2);
  CHECK(f.visit("a").resumed);
  CHECK_FALSE(f.visit("b").resumed);
  ResumptionFixture none(TLS1_3_VERSION, 0);
  none.visit("a");
  CHECK_FALSE(none.visit("a").resumed);
}

TEST_CASE("T-07: a peer that fails when a session is offered is met with a full handshake next time") {
  ResumptionFixture f;
  f.visit("k");
  CHECK(f.client->sessions() == 1);
  Ends ends = loopback(f.loop);
  ends.server->close();
  tls::ClientOptions options;
  options.server_name = bad_host;
  options.session_key = "k";
  CHECK_FALSE(event::run_until_done(f.loop, f.client->handshake(std::move(ends.client), options, patience)));
  CHECK(f.client->sessions() == 0);
  CHECK_FALSE(f.visit("k").resumed);
}

TEST_CASE("a peer that forgets its tickets is verified anew") {
  ResumptionFixture f;
  const HandshakeFacts first = f.visit("k");
  f.peer = lax_server(issue(server(bad_host), trusted_root()), {});
  const HandshakeFacts second = f.visit("k");
  CHECK_FALSE(second.resumed);
  REQUIRE(second.certificate);
  CHECK(second.certificate != first.certificate);
  CHECK(second.certificate->certificate_sha256 != first.certificate->certificate_sha256);
}

TEST_CASE("a session with a huge chain is not kept") {
  ResumptionFixture f;
  CertificateSpec spec = server(bad_host);
  for (int i = 0; i < 1000; ++i) spec.dns.push_back("name" + std::to_string(i) + ".example.test");
  f.peer = lax_server(issue(spec, trusted_root()), {});
  CHECK(f.visit("k").certificate->dns_names.size() == 1001);
  CHECK_FALSE(f.visit("k").resumed);
  CHECK(f.client->sessions() == 0);
}

TEST_CASE("streams may outlive the client that made them") {
  ResumptionFixture f;
  Ends ends = loopback(f.loop);
  tls::ClientOptions options;
  options.session_key = "k";
  auto [ours, theirs] = run_both(f.loop, f.client->handshake(std::move(ends.client), options, patience),
                                 peer_shakes(std::move(ends.server), *f.peer));
  REQUIRE(ours);
  REQUIRE(theirs);
  f.client.reset();
  REQUIRE(event::run_until_done(f.loop, send_text(*theirs->stream, "220 hi\r\n")));
  CHECK(*event::run_until_done(f.loop, read_text(*ours->stream, 8)) == "220 hi\r\n");
}

}  // namespace sealpost::test
