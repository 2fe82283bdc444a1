// SPDX-License-Identifier: Apache-2.0
//
// TLS as a server: identity files (T-51, T-52), protocol floors, unknown server names (RFC 8461 §7.1), ALPN (T-06),
// tickets, and replacing the certificate under connections that go on.
#include "tls/openssl_server.hpp"

#include <doctest.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cstdio>
#include <fstream>

#include "bad_certificates.hpp"
#include "keys/key_file.hpp"
#include "loopback.hpp"
#include "tls/certificate.hpp"
#include "tls/openssl_client.hpp"
#include "tls/tls_stream.hpp"

namespace sealpost::test {

namespace {

std::shared_ptr<const tls::ServerCertificates> certificates_of(const Issued& issued) {
  auto identity = tls::ServerIdentity::from_pem(issued.pem(), issued.key_pem());
  REQUIRE(identity);
  return std::make_shared<const tls::ServerCertificates>(std::vector{*identity});
}

struct ServerFixture {
  explicit ServerFixture(tls::ServerOptions options = {}) {
    auto made = tls::OpensslServer::create(certificates_of(leaf), options);
    REQUIRE(made);
    server = std::move(*made);
  }
  struct Both {
    Expected<tls::Secured> ours;
    Expected<tls::Secured> theirs;
  };
  Both shake(SSL_CTX& client, std::string name = {}, std::string alpn = {}) {
    Ends ends = loopback(loop);
    auto [theirs, ours] = run_both(
        loop, peer_shakes(std::move(ends.client), client, patience, std::move(name), std::move(alpn)),
        server->accept(std::move(ends.server), patience));
    return {std::move(ours), std::move(theirs)};
  }
  Issued leaf = issue(test::server("relay.example.test"), trusted_root());
  event::EventLoop loop;
  std::unique_ptr<tls::OpensslServer> server;
};

class Directory {
 public:
  Directory() { REQUIRE(::mkdtemp(path_.data()) != nullptr); }
  ~Directory() {
    for (const std::string& file : files_) std::remove(file.c_str());
    std::remove(path_.c_str());
  }
  std::string write(const std::string& name, const std::string& text, mode_t mode = 0600) {
    files_.push_back(path_ + "/" + name);
    std::ofstream(files_.back()) << text;
    REQUIRE(::chmod(files_.back().c_str(), mode) == 0);
    return files_.back();
  }

 private:
  std::string path_ = "/tmp/sealpost-identity-XXXXXX";
  std::vector<std::string> files_;
};

std::string encrypted_pem(const Issued& issued) {
  const BioPtr out(BIO_new(BIO_s_mem()));
  unsigned char word[] = "secret";
  REQUIRE(PEM_write_bio_PrivateKey(out.get(), issued.key.get(), EVP_aes_128_cbc(), word, 6, nullptr,
                                   nullptr) == 1);
  char* data = nullptr;
  const long size = BIO_get_mem_data(out.get(), &data);
  return std::string(data, static_cast<std::size_t>(size));
}

std::string wire_list(const std::vector<std::string>& protocols) {
  std::string wire;
  for (const std::string& name : protocols) wire += static_cast<char>(name.size()) + name;
  return wire;
}

}  // namespace

TEST_CASE("a handshake and its facts, for the Received header") {
  ServerFixture f;
  const SslContextPtr client = lax_client();
  const auto both = f.shake(*client, "whatever.example");
  REQUIRE(both.ours);
  CHECK(both.ours->facts.version == TlsVersion::tls1_3);
  CHECK(both.ours->facts.cipher == "TLS_AES_256_GCM_SHA384");
  CHECK(both.ours->facts.group == "X25519");
  CHECK_FALSE(both.ours->facts.certificate);
}

TEST_CASE("T15: versions and suites by strength") {
  struct Row {
    int version;
    const char* ciphers;
    bool relay;
    bool strong;
    bool submission;
  };
  for (const Row& row :
       std::vector<Row>{{TLS1_VERSION, "ALL:@SECLEVEL=0", false, false, false},
                        {TLS1_1_VERSION, "ALL:@SECLEVEL=0", false, false, false},
                        {TLS1_2_VERSION, "ALL:@SECLEVEL=0", true, true, true},
                        {TLS1_3_VERSION, "ALL", true, true, true},
                        {TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256", true, true, true},
                        {TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305", true, true, true},
                        {TLS1_2_VERSION, "ECDHE-ECDSA-AES256-SHA384", true, true, false},
                        {TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA", true, true, false},
                        {TLS1_2_VERSION, "AECDH-AES256-SHA:@SECLEVEL=0", false, false, false},
                        {TLS1_2_VERSION, "ECDHE-ECDSA-NULL-SHA:@SECLEVEL=0", false, false, false}}) {
    CAPTURE(row.ciphers);
    for (const auto strength :
         {tls::Strength::opportunistic, tls::Strength::strong, tls::Strength::submission}) {
      tls::ServerOptions options;
      options.strength = strength;
      ServerFixture f(options);
      PeerOptions peer;
      peer.oldest = peer.newest = row.version;
      peer.ciphers = row.ciphers;
      const SslContextPtr client = lax_client(peer);
      CHECK(f.shake(*client).ours.has_value() == (strength == tls::Strength::submission ? row.submission
                                                  : strength == tls::Strength::strong   ? row.strong
                                                                                        : row.relay));
    }
  }
  tls::ServerOptions options;
  options.minimum = TlsVersion::tls1_3;
  ServerFixture f(options);
  PeerOptions peer;
  peer.newest = TLS1_2_VERSION;
  const SslContextPtr client = lax_client(peer);
  CHECK_FALSE(f.shake(*client).ours);
}

TEST_CASE("T-06: where pages are served a list of protocols without HTTP gets no handshake") {
  struct Row {
    std::vector<std::string> list;
    bool works;
  };
  for (const Row& row : std::vector<Row>{{{}, true},
                                         {{"h2", "http/1.1"}, true},
                                         {{"http/1.0"}, true},
                                         {{"h2"}, false},
                                         {{"smtp"}, false},
                                         {{"submission", "imap"}, false}}) {
    tls::ServerOptions options;
    options.service = tls::Service::pages;
    ServerFixture f(options);
    const SslContextPtr client = lax_client();
    const auto both = f.shake(*client, {}, wire_list(row.list));
    CAPTURE(row.works);
    CHECK(both.ours.has_value() == row.works);
  }
}

TEST_CASE("T-06: a list of protocols without a mail protocol gets no handshake") {
  struct Row {
    std::vector<std::string> list;
    bool works;
  };
  for (const Row& row : std::vector<Row>{{{}, true},
                                         {{"h2"}, false},
                                         {{"http/1.1"}, false},
                                         {{"h2", "http/1.1", "imap", "ftp"}, false},
                                         {{"smtp"}, true},
                                         {{"h2", "smtp"}, true},
                                         {{"submission"}, true},
                                         {{"SMTP"}, false},
                                         {{"smtpx", "smt"}, false}}) {
    ServerFixture f;
    const SslContextPtr client = lax_client();
    const auto both = f.shake(*client, {}, wire_list(row.list));
    CHECK(both.ours.has_value() == row.works);
    if (!row.works) CHECK(both.theirs.error().detail == "tlsv1-alert-no-application-protocol");
  }
}

TEST_CASE("a client that says no TLS, or nothing, is given up in time") {
  ServerFixture f;
  Ends ends = loopback(f.loop);
  ends.client->try_write("GET / HTTP/1.1\r\n\r\n");
  const auto wrong = event::run_until_done(f.loop, f.server->accept(std::move(ends.server), patience));
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().code == Errc::tls);
  CHECK(wrong.error().detail == "http-request");
  Ends silent = loopback(f.loop);
  const auto late = event::run_until_done(
      f.loop, f.server->accept(std::move(silent.server), std::chrono::milliseconds(30)));
  REQUIRE_FALSE(late);
  CHECK(late.error().code == Errc::timed_out);
}

TEST_CASE("tickets: sessions resume, on every thread's server with the same identity") {
  ServerFixture f;
  auto second = tls::OpensslServer::create(certificates_of(f.leaf), {});
  REQUIRE(second);
  auto client = tls::OpensslClient::create(trust_in_root());
  REQUIRE(client);
  tls::ClientOptions options;
  options.session_key = "k";
  const auto visit = [&](tls::Server& server) {
    Ends ends = loopback(f.loop);
    auto [theirs, ours] = run_both(f.loop, (*client)->handshake(std::move(ends.client), options, patience),
                                   server.accept(std::move(ends.server), patience));
    REQUIRE(ours);
    REQUIRE(event::run_until_done(f.loop, send_text(*ours->stream, "220 hi\r\n")));
    REQUIRE(event::run_until_done(f.loop, read_text(*theirs->stream, 8)));
    CHECK(ours->facts.resumed == theirs->facts.resumed);
    return ours->facts.resumed;
  };
  CHECK_FALSE(visit(*f.server));
  CHECK(visit(*f.server));
  CHECK_FALSE(visit(**second));  // loaded apart: another ticket secret
  const auto shared = certificates_of(f.leaf);
  REQUIRE(f.server->replace(shared));
  REQUIRE((*second)->replace(shared));
  CHECK_FALSE(visit(*f.server));
  CHECK(visit(**second));
}

TEST_CASE(
    "tickets: another secret opens those of the one before, which are replaced, and none that is older") {
  for (const tls::Strength strength : {tls::Strength::opportunistic, tls::Strength::submission}) {
    ServerFixture f;
    const auto certificates = certificates_of(f.leaf);
    tls::ServerOptions server_options;
    server_options.strength = strength;
    auto server = tls::OpensslServer::create(certificates, server_options);
    REQUIRE(server);
    auto client = tls::OpensslClient::create(trust_in_root());
    REQUIRE(client);
    tls::ClientOptions options;
    options.session_key = "k";
    const auto visit = [&] {
      Ends ends = loopback(f.loop);
      auto [theirs, ours] = run_both(f.loop, (*client)->handshake(std::move(ends.client), options, patience),
                                     (*server)->accept(std::move(ends.server), patience));
      REQUIRE(ours);
      REQUIRE(event::run_until_done(f.loop, send_text(*ours->stream, "220 hi\r\n")));
      REQUIRE(event::run_until_done(f.loop, read_text(*theirs->stream, 8)));
      return ours->facts.resumed;
    };
    CHECK_FALSE(visit());
    certificates->tickets().rotate();
    CHECK(visit());  // and has a ticket of the new secret now
    certificates->tickets().rotate();
    CHECK(visit());
    certificates->tickets().rotate();
    certificates->tickets().rotate();
    CHECK_FALSE(visit());
    CHECK(visit());
  }
}

TEST_CASE("T-52: a new certificate serves new handshakes, old connections go on, a bad one changes nothing") {
  ServerFixture f;
  auto client = tls::OpensslClient::create(trust_in_root());
  REQUIRE(client);
  const auto names = [&](const tls::Secured& secured) {
    return secured.facts.certificate->dns_names.front();
  };
  const auto visit = [&] {
    Ends ends = loopback(f.loop);
    return run_both(f.loop, (*client)->handshake(std::move(ends.client), tls::ClientOptions(), patience),
                    f.server->accept(std::move(ends.server), patience));
  };
  auto [old_theirs, old_ours] = visit();
  REQUIRE(old_theirs);
  CHECK(names(*old_theirs) == "relay.example.test");

  for (int round = 0; round < 50; ++round) {
    const std::string name = "relay" + std::to_string(round) + ".example.test";
    const Issued next = issue(test::server(name), trusted_root());
    REQUIRE(f.server->replace(certificates_of(next)));
    // Half of the reloads are broken: they never become an identity.
    CertificateSpec other = test::server("other.example.test");
    other.key = KeyKind::rsa_2048;
    CHECK_FALSE(tls::ServerIdentity::from_pem(next.pem(), issue(other, trusted_root()).key_pem()));
    auto [theirs, ours] = visit();
    REQUIRE(theirs);
    CHECK(names(*theirs) == name);
  }
  // Too weak to be installed at all.
  CertificateSpec weak = test::server("weak.example.test");
  weak.key = KeyKind::rsa_1024;
  tls::ServerOptions strong;
  strong.strength = tls::Strength::strong;
  ServerFixture strict(strong);
  CHECK_FALSE(strict.server->replace(certificates_of(issue(weak, trusted_root()))));
  const SslContextPtr lax = lax_client();
  CHECK(strict.shake(*lax).ours);

  REQUIRE(event::run_until_done(f.loop, send_text(*old_ours->stream, "still here")));
  CHECK(*event::run_until_done(f.loop, read_text(*old_theirs->stream, 10)) == "still here");
}

TEST_CASE(
    "what SASL binds itself to is the same on both sides, and of each connection its own (RFC 9266, RFC "
    "5929)") {
  const auto by_client = [](const tls::Secured& theirs) {
    SSL& ssl = static_cast<tls::TlsStream&>(*theirs.stream).ssl();
    std::string out(32, '\0');
    REQUIRE(SSL_export_keying_material(&ssl, reinterpret_cast<unsigned char*>(out.data()), out.size(),
                                       "EXPORTER-Channel-Binding", 24, nullptr, 0, 0) == 1);
    return out;
  };
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    CAPTURE(version);
    tls::ServerOptions options;
    options.strength = tls::Strength::submission;
    ServerFixture f(options);
    PeerOptions peer;
    peer.oldest = peer.newest = version;
    const SslContextPtr client = lax_client(peer);
    const auto one = f.shake(*client), other = f.shake(*client);
    REQUIRE((one.ours && other.ours));
    CHECK(one.ours->bindings.exporter == by_client(*one.theirs));
    CHECK(other.ours->bindings.exporter == by_client(*other.theirs));
    CHECK(one.ours->bindings.exporter != other.ours->bindings.exporter);
    std::string digest(32, '\0');
    REQUIRE(X509_digest(f.leaf.certificate.get(), EVP_sha256(),
                        reinterpret_cast<unsigned char*>(digest.data()), nullptr) == 1);
    CHECK(one.ours->bindings.server_end_point == digest);
  }
  // TLS 1.2 without the extended master secret: its keys may be those of another connection.
  tls::ServerOptions options;
  options.strength = tls::Strength::submission;
  ServerFixture f(options);
  PeerOptions peer;
  peer.newest = TLS1_2_VERSION;
  const SslContextPtr old = lax_client(peer);
  SSL_CTX_set_options(old.get(), SSL_OP_NO_EXTENDED_MASTER_SECRET);
  const auto both = f.shake(*old);
  REQUIRE(both.ours);
  CHECK(both.ours->bindings.exporter.empty());
  CHECK(both.ours->bindings.server_end_point.size() == 32);

  ServerFixture relay;  // where nobody asks, nothing is worked out
  const SslContextPtr client = lax_client();
  const auto plain = relay.shake(*client);
  REQUIRE(plain.ours);
  CHECK(plain.ours->bindings.exporter.empty());
}

TEST_CASE(
    "tls-server-end-point takes the hash of the certificate's signature, and there is none for Ed25519") {
  const auto end_point_of = [](const Issued& leaf) {
    tls::ServerOptions options;
    options.strength = tls::Strength::submission;
    event::EventLoop loop;
    auto made = tls::OpensslServer::create(certificates_of(leaf), options);
    REQUIRE(made);
    const SslContextPtr client = lax_client();
    Ends ends = loopback(loop);
    auto [theirs, ours] = run_both(loop, peer_shakes(std::move(ends.client), *client, patience),
                                   (*made)->accept(std::move(ends.server), patience));
    REQUIRE(ours);
    return ours->bindings.server_end_point;
  };
  CertificateSpec spec = test::server("relay.example.test");
  spec.digest = "SHA384";
  CHECK(end_point_of(issue(spec, trusted_root())).size() == 48);
  CertificateSpec edwards = test::server("relay.example.test");
  edwards.key = KeyKind::ed25519;
  edwards.digest = nullptr;
  CHECK(end_point_of(self_signed(edwards)).empty());
}

TEST_CASE("T-51, T-52: identity files are checked whole; errors name the file and the remedy") {
  Directory files;
  const Issued leaf = issue(test::server("relay.example.test"), trusted_root());
  CertificateSpec other_spec = test::server("other.example.test");
  other_spec.key = KeyKind::rsa_2048;
  const Issued other = issue(other_spec, trusted_root());
  const std::string certificate = files.write("cert.pem", leaf.pem() + trusted_root().pem());
  const std::string key = files.write("key.pem", leaf.key_pem());

  const auto good = tls::ServerIdentity::load(certificate, key, keys::FileSource());
  REQUIRE(good);
  CHECK((*good)->expires() == test_now() + std::chrono::days(365));

  const auto fails_with = [](const std::string& with, const std::string& its_key) {
    const auto identity = tls::ServerIdentity::load(with, its_key, keys::FileSource());
    REQUIRE_FALSE(identity);
    return identity.error().detail;
  };
  CHECK(fails_with("/nonexistent.pem", key) == "/nonexistent.pem: No such file or directory");
  CHECK(fails_with(certificate, "/nonexistent.pem") == "/nonexistent.pem: No such file or directory");
  const std::string empty = files.write("empty.pem", "");
  CHECK(fails_with(empty, key) ==
        empty + ": no certificate in it; PEM with the server's own first is needed");
  CHECK(fails_with(certificate, empty).starts_with(empty + ": no private key in it"));
  CHECK(fails_with(key, key).starts_with(key + ": no certificate in it"));
  const std::string wrong = files.write("other.pem", other.key_pem());
  CHECK(fails_with(certificate, wrong) ==
        wrong + ": the key does not belong to the first certificate of the chain");
  const std::string open = files.write("open.pem", leaf.key_pem(), 0644);
  CHECK(fails_with(certificate, open) == open + ": open to every user of this machine; chmod o-rwx it");
  const std::string group = files.write("group.pem", leaf.key_pem(), 0640);
  CHECK(tls::ServerIdentity::load(certificate, group, keys::FileSource()));
  const std::string locked = files.write("locked.pem", encrypted_pem(leaf));
  CHECK(fails_with(certificate, locked) ==
        locked + ": the key is encrypted; store it without a passphrase, readable by sealpost only");
}

TEST_CASE("what clients that verify have against our certificate is known before they say it") {
  using Kind = tls::Objection::Kind;
  using namespace std::chrono_literals;
  const SystemTime now = test_now();
  const auto objection = [&](CertificateSpec spec, const std::string& host) {
    return certificates_of(issue(spec, trusted_root()))->objections(host, now, std::chrono::days(14)).front();
  };
  CHECK_FALSE(objection(server("relay.example.net"), "relay.example.net"));
  CHECK_FALSE(objection(server("*.example.net"), "relay.example.net"));
  const auto other = objection(server("mail.example.net"), "relay.example.net");
  REQUIRE(other);
  CHECK(other->kind == Kind::name);
  CHECK(other->what.find("does not name relay.example.net") == 0);
  CertificateSpec dated = server("relay.example.net");
  dated.not_after = now + std::chrono::days(13);
  CHECK(objection(dated, "relay.example.net")->kind == Kind::ends_soon);
  dated.not_after = now - 1s;
  CHECK(objection(dated, "relay.example.net")->kind == Kind::refused);
  CHECK(objection(dated, "relay.example.net")->what == "expired on " + to_utc_day(now - 1s));
  dated.not_after = now + std::chrono::days(300);
  dated.not_before = now + 1h;
  CHECK(objection(dated, "relay.example.net")->kind == Kind::refused);
}

}  // namespace sealpost::test
