// SPDX-License-Identifier: Apache-2.0
//
// OCSP responses of our own certificates (RFC 6960): which files are taken, what is said of them, and which are shown to whom
// (RFC 6066 §8).
#include <doctest.h>
#include <openssl/ocsp.h>

#include "bad_certificates.hpp"
#include "loopback.hpp"
#include "tls/ocsp_staple.hpp"
#include "tls/openssl_server.hpp"
#include "tls/tls_stream.hpp"

namespace sealpost::test {
namespace {

using namespace std::chrono_literals;
using tls::OcspStaple;

struct Answer {
  Answer() = default;
  int status = V_OCSP_CERTSTATUS_GOOD;
  Duration begins = -24h, ends = 72h;  // from now
  bool open_ended = false;
  const Issued* signer = nullptr;  // null: the issuer
  int outer = OCSP_RESPONSE_STATUS_SUCCESSFUL;
};

ASN1_TIME* time_at(Duration from_now) {
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(test_now().time_since_epoch() + from_now);
  return ASN1_GENERALIZEDTIME_set(nullptr, static_cast<time_t>(seconds.count()));
}

std::string response_for(const Issued& leaf, const Issued& issuer, const Answer& answer = {}) {
  const std::unique_ptr<OCSP_BASICRESP, FreeWith<OCSP_BASICRESP_free>> basic(OCSP_BASICRESP_new());
  const std::unique_ptr<OCSP_CERTID, FreeWith<OCSP_CERTID_free>> id(
      OCSP_cert_to_id(nullptr, leaf.certificate.get(), issuer.certificate.get()));
  const std::unique_ptr<ASN1_TIME, FreeWith<ASN1_TIME_free>> begins(time_at(answer.begins)),
      ends(answer.open_ended ? nullptr : time_at(answer.ends));
  const bool revoked = answer.status == V_OCSP_CERTSTATUS_REVOKED;
  OCSP_basic_add1_status(basic.get(), id.get(), answer.status, 0, revoked ? begins.get() : nullptr,
                         begins.get(), ends.get());
  const Issued& signer = answer.signer != nullptr ? *answer.signer : issuer;
  REQUIRE(OCSP_basic_sign(basic.get(), signer.certificate.get(), signer.key.get(), EVP_sha256(), nullptr,
                          0) == 1);
  const std::unique_ptr<OCSP_RESPONSE, FreeWith<OCSP_RESPONSE_free>> response(OCSP_response_create(
      answer.outer, answer.outer == OCSP_RESPONSE_STATUS_SUCCESSFUL ? basic.get() : nullptr));
  unsigned char* der = nullptr;
  const int size = i2d_OCSP_RESPONSE(response.get(), &der);
  REQUIRE(size > 0);
  std::string out(reinterpret_cast<char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return out;
}

CertificateSpec of_another_key(CertificateSpec spec) {
  spec.key = KeyKind::rsa_2048;
  return spec;
}

struct StapleFixture {
  Issued issuer = self_signed(authority("Staple CA"));
  Issued other = self_signed(of_another_key(authority("Other CA")));
  Issued leaf = issue(server("relay.example.net"), issuer);
  X509StackPtr chain = stack_of({issuer.certificate.get()});
  X509StackPtr no_chain = stack_of({});

  Expected<OcspStaple> parse(const std::string& der, bool with_chain = true) {
    return OcspStaple::parse(der, *leaf.certificate, *(with_chain ? chain : no_chain));
  }
  std::string words(const std::string& der, bool with_chain = true) {
    auto staple = parse(der, with_chain);
    return staple ? "" : staple.error().detail;
  }
};

tls::ServerCertificates::Identity identity_with(const StapleFixture& f, std::optional<OcspStaple> staple) {
  X509_up_ref(f.leaf.certificate.get());
  EVP_PKEY_up_ref(f.leaf.key.get());
  return std::make_shared<const tls::ServerIdentity>(X509Ptr(f.leaf.certificate.get()),
                                                     stack_of({f.issuer.certificate.get()}),
                                                     EvpKeyPtr(f.leaf.key.get()), std::move(staple));
}

}  // namespace

TEST_CASE("an OCSP response is taken when it is of this certificate and of its issuer") {
  StapleFixture f;
  const std::string good = response_for(f.leaf, f.issuer);
  const auto staple = f.parse(good);
  REQUIRE(staple);
  CHECK(staple->state() == OcspStaple::State::good);
  CHECK(staple->ends() == test_now() + 72h);
  CHECK(staple->der() == good);
  CHECK(f.words(good, false).empty());  // who the issuer is, the file does not say

  CHECK(f.words("").find("no OCSP response") != std::string::npos);
  CHECK(f.words(good + "x").find("no OCSP response") != std::string::npos);
  CHECK(f.words(good.substr(0, good.size() - 1)).find("no OCSP response") != std::string::npos);
  CHECK(f.words(std::string(70'000, 'x')).find("larger") != std::string::npos);
  const Issued neighbour = issue(server("other.example.net"), f.issuer);
  CHECK(f.words(response_for(neighbour, f.issuer)) == "is about another certificate");
  CHECK(f.words(response_for(f.leaf, f.other)) == "is about another certificate");
  Answer forged;
  forged.signer = &f.other;
  CHECK(f.words(response_for(f.leaf, f.issuer, forged)).find("not signed by the issuer") !=
        std::string::npos);
  Answer endless;
  endless.open_ended = true;
  CHECK(f.words(response_for(f.leaf, f.issuer, endless)).find("nextUpdate") != std::string::npos);
  Answer backwards;
  backwards.ends = -48h;
  CHECK(f.words(response_for(f.leaf, f.issuer, backwards)).find("dates") != std::string::npos);
  Answer error;
  error.outer = OCSP_RESPONSE_STATUS_TRYLATER;
  CHECK(f.words(response_for(f.leaf, f.issuer, error)).find("trylater") != std::string::npos);
}

TEST_CASE("what an OCSP response says is an objection of its own, and what is over is not shown") {
  StapleFixture f;
  using Kind = tls::Objection::Kind;
  struct Row {
    Duration ends;
    int status;
    bool shown;
    std::optional<Kind> kind;
  };
  for (const Row& row : std::vector<Row>{{72h, V_OCSP_CERTSTATUS_GOOD, true, std::nullopt},
                                         {6h, V_OCSP_CERTSTATUS_GOOD, true, Kind::staple},
                                         {-1h, V_OCSP_CERTSTATUS_GOOD, false, Kind::staple},
                                         {72h, V_OCSP_CERTSTATUS_REVOKED, false, Kind::refused},
                                         {72h, V_OCSP_CERTSTATUS_UNKNOWN, false, Kind::staple}}) {
    Answer answer;
    answer.ends = row.ends;
    answer.status = row.status;
    auto staple = f.parse(response_for(f.leaf, f.issuer, answer));
    REQUIRE(staple);
    CHECK(staple->may_be_shown(test_now()) == row.shown);
    const auto identity = identity_with(f, std::move(*staple));
    const auto objection = identity->objection(test_now(), 0s);
    CHECK(objection.has_value() == row.kind.has_value());
    if (objection && row.kind) CHECK(objection->kind == *row.kind);
  }
  CHECK_FALSE(identity_with(f, std::nullopt)->objection(test_now(), 0s));
}

TEST_CASE("a client that asks is shown the response of the certificate it is shown, while that is good") {
  for (const Duration ends : {Duration(72h), Duration(-1h)}) {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
      for (const bool asks : {true, false}) {
        StapleFixture f;
        Answer answer;
        answer.ends = ends;
        const std::string der = response_for(f.leaf, f.issuer, answer);
        std::vector<tls::ServerCertificates::Identity> all{identity_with(f, std::move(*f.parse(der)))};
        auto certificates = std::make_shared<const tls::ServerCertificates>(std::move(all));
        auto server = tls::OpensslServer::create(certificates, tls::ServerOptions());
        REQUIRE(server);
        event::EventLoop loop;
        PeerOptions options;
        options.oldest = options.newest = version;
        SslContextPtr context = lax_client(options);
        SslPtr ssl(SSL_new(context.get()));
        SSL_set_connect_state(ssl.get());
        SSL_set_tlsext_host_name(ssl.get(), "relay.example.net");
        if (asks) SSL_set_tlsext_status_type(ssl.get(), TLSEXT_STATUSTYPE_ocsp);
        Ends both = loopback(loop);
        auto [theirs, ours] = run_both(loop, session_shakes(std::move(both.client), std::move(ssl)),
                                       (*server)->accept(std::move(both.server), patience));
        REQUIRE(ours);
        REQUIRE(theirs);
        SSL& peer = static_cast<tls::TlsStream&>(*theirs->stream).ssl();
        const unsigned char* shown = nullptr;
        const long size = SSL_get_tlsext_status_ocsp_resp(&peer, &shown);
        const bool expected = asks && ends > Duration::zero();
        CHECK((size > 0) == expected);
        if (size > 0)
          CHECK(std::string(reinterpret_cast<const char*>(shown), static_cast<std::size_t>(size)) == der);
        theirs->stream->close();
      }
    }
  }
}

}  // namespace sealpost::test
