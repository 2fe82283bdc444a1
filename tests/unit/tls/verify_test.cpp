// SPDX-License-Identifier: Apache-2.0
//
// T-08: bad certificates, each through a real handshake on loopback: what is recorded, and that `openssl
// verify` says the same. The handshake itself succeeds every time, because judging is left to others.
#include "tls/verify.hpp"

#include <doctest.h>

#include "bad_certificates.hpp"
#include "loopback.hpp"
#include "openssl_command.hpp"
#include "sealpost/verdict.hpp"
#include "tls/openssl_client.hpp"

namespace sealpost::test {

namespace {

std::vector<const Issued*> pointers(const std::vector<Issued>& issued) {
  std::vector<const Issued*> result;
  for (const Issued& one : issued) result.push_back(&one);
  return result;
}

CommandResult openssl_on(const Shown& shown) {
  std::string others;
  for (const Issued& issued : shown.others) others += issued.pem();
  return openssl_verify(shown.leaf.pem(), others, trusted_root().pem(),
                        std::chrono::system_clock::to_time_t(test_now()));
}

// What an enforcing MTA-STS policy would say to this session (RFC 8461 §4.2).
Verdict judged(const HandshakeFacts& tls) {
  Demand demand;
  demand.source = Source::mta_sts;
  demand.starttls = demand.webpki = demand.match_mx_name = true;
  Requirement requirement;
  requirement.policy_domain = "example.test";
  requirement.mx_host = bad_host;
  requirement.demands.push_back(demand);
  SessionFacts facts;
  facts.mx_host = bad_host;
  facts.starttls = StartTls::established;
  facts.tls = tls;
  return judge(requirement, facts, test_now()).verdict;
}

}  // namespace

TEST_CASE("T-08: what is recorded about a bad certificate; the handshake goes through") {
  event::EventLoop loop;
  auto client = tls::OpensslClient::create(trust_in_root());
  REQUIRE(client.has_value());
  const auto rows = bad_certificates();
  CHECK(rows.size() >= 40);
  for (const BadCertificate& row : rows) {
    CAPTURE(row.name);
    const Shown shown = row.make();
    const SslContextPtr peer = lax_server(shown.leaf, pointers(shown.others));
    Ends ends = loopback(loop);
    tls::ClientOptions options;
    options.server_name = bad_host;
    auto [ours, theirs] =
        run_both(loop, (*client)->handshake(std::move(ends.client), options, std::chrono::seconds(5)),
                 peer_shakes(std::move(ends.server), *peer));
    REQUIRE(theirs.has_value());
    REQUIRE(ours.has_value());
    const auto& certificate = ours->facts.certificate;
    REQUIRE(certificate != nullptr);
    CHECK(certificate->webpki.token == row.token);
    CHECK(certificate->webpki.ok() == row.token.empty());
    CHECK(certificate->dns_names == row.names);
    CHECK(certificate->common_name == row.common_name);
    const std::vector<std::string> exact{bad_host};
    const std::vector<std::string> wildcard{"*.example.test"};
    const bool good = row.token.empty() && (row.names == exact || row.names == wildcard);
    CHECK(judged(ours->facts) == (good ? Verdict::deliver : Verdict::refuse));
  }
}

TEST_CASE("T-08: `openssl verify` agrees about every chain") {
  if (!have_openssl_command()) {
    MESSAGE("skipped: no openssl command");
    return;
  }
  const auto store = trust_in_root();
  for (const BadCertificate& row : bad_certificates()) {
    CAPTURE(row.name);
    const Shown shown = row.make();
    std::vector<const X509*> others;
    for (const Issued& issued : shown.others) others.push_back(issued.certificate.get());
    const X509StackPtr presented = stack_of(others);
    const auto ours = tls::verify_webpki(*store, *shown.leaf.certificate, presented.get(), test_now());
    const CommandResult theirs = openssl_on(shown);
    CAPTURE(theirs.output);
    CHECK(ours.result.ok() == theirs.ok);
    const std::string error = "error " + std::to_string(ours.result.code) + " at";
    if (!theirs.ok) CHECK(theirs.output.find(error) != std::string::npos);
  }
}

TEST_CASE("what verification says beside its result") {
  const auto store = trust_in_root();
  CertificateSpec spec = server(bad_host);
  spec.not_after = test_now() + std::chrono::days(900);
  CertificateSpec between = authority("Between");
  between.not_after = test_now() + std::chrono::days(30);
  const Issued middle = issue(between, trusted_root());
  const Issued leaf = issue(spec, middle);
  const X509StackPtr presented = stack_of({middle.certificate.get()});

  SUBCASE("the chain expires with its first certificate, not with the leaf") {
    const auto verified = tls::verify_webpki(*store, *leaf.certificate, presented.get(), test_now());
    CHECK(verified.result.ok());
    CHECK(verified.result.depth == 2);
    CHECK(verified.expires == between.not_after);
  }
  SUBCASE("the given time counts, not the machine's clock") {
    const auto later = test_now() + std::chrono::days(31);
    const auto verified = tls::verify_webpki(*store, *leaf.certificate, presented.get(), later);
    CHECK(verified.result.token == "X509_V_ERR_CERT_HAS_EXPIRED");
    CHECK(verified.result.depth == 1);
  }
}

}  // namespace sealpost::test
