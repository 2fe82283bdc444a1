// SPDX-License-Identifier: Apache-2.0
//
// DANE verification by OpenSSL, as src/tls asks for it (RFC 7672 §3, RFC 7671 §9): DANE-01, DANE-02, DANE-10.
#include <doctest.h>
#include <openssl/evp.h>

#include <functional>

#include "certificates.hpp"
#include "tls/verify.hpp"

namespace sealpost::test {

namespace {

using Octets = std::vector<std::uint8_t>;

Octets encoded(const X509& certificate, int selector) {
  unsigned char* der = nullptr;
  const int length = selector == 0 ? i2d_X509(&certificate, &der)
                                   : i2d_X509_PUBKEY(X509_get_X509_PUBKEY(&certificate), &der);
  REQUIRE(length > 0);
  Octets octets(der, der + length);
  OPENSSL_free(der);
  return octets;
}

TlsaRecord record(int usage, int selector, int matching, const Issued& about) {
  Octets data = encoded(*about.certificate, selector);
  if (matching != 0) {
    Octets digest(EVP_MAX_MD_SIZE);
    unsigned size = 0;
    const EVP_MD* type = matching == 1 ? EVP_sha256() : EVP_sha512();
    REQUIRE(EVP_Digest(data.data(), data.size(), digest.data(), &size, type, nullptr) == 1);
    digest.resize(size);
    data = digest;
  }
  return TlsaRecord(static_cast<std::uint8_t>(usage), static_cast<std::uint8_t>(selector),
                    static_cast<std::uint8_t>(matching), std::move(data));
}

TlsaRecord broken(TlsaRecord record) {
  record.data.back() ^= 1;
  return record;
}

TlsaRecord cut(TlsaRecord record, std::size_t octets) {
  record.data.resize(octets);
  return record;
}

// A private authority of the mail host, a good server certificate under it, and others.
struct Chain {
  Issued root = [] {
    CertificateSpec spec = authority("Private root");
    spec.key = KeyKind::ed25519;  // not the intermediate's: a digest of the key would name both
    return self_signed(spec);
  }();
  Issued middle = issue(authority("Private middle"), root);
  Issued leaf = issue(server("mx.example.test"), middle);
  Issued expired = [this] {
    CertificateSpec spec = server("elsewhere.test");
    spec.not_before = test_now() - std::chrono::days(9);
    spec.not_after = test_now() - std::chrono::days(1);
    return issue(spec, middle);
  }();
  Issued for_clients = [this] {
    CertificateSpec spec = server("mx.example.test");
    spec.extended_key_usage = "clientAuth";
    return issue(spec, middle);
  }();
  Issued lonely = self_signed(server("elsewhere.test"));
  Issued next = [] {  // tomorrow's certificate, with another key
    CertificateSpec spec = server("mx.example.test");
    spec.key = KeyKind::rsa_2048;
    return self_signed(spec);
  }();
};
const Chain& chain() {
  static const Chain made;
  return made;
}

struct Row {
  std::string name;
  std::vector<TlsaRecord> records;
  const Issued* leaf;
  std::vector<const Issued*> presented;
  std::string token;  // "" : authenticated
  int usage = 0;      // that matched
  bool expired = false;
};

void check(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    CAPTURE(row.name);
    std::vector<const X509*> sent{row.leaf->certificate.get()};
    for (const Issued* issued : row.presented) sent.push_back(issued->certificate.get());
    const X509StackPtr presented = stack_of(sent);
    const auto dane = tls::verify_dane(row.records, *row.leaf->certificate, presented.get(), test_now());
    CHECK(dane.facts.chain.token == row.token);
    CHECK(dane.facts.chain.ok() == row.token.empty());
    CHECK(static_cast<int>(dane.facts.matched_usage) == row.usage);
    CHECK(dane.facts.expired == row.expired);
    CHECK(dane.facts.records_digest == tlsa_digest(row.records));
  }
}

const std::string no_match = "X509_V_ERR_DANE_NO_MATCH";

}  // namespace

TEST_CASE("DANE-01: usage 3 looks at the leaf alone, usage 2 at the chain up to its anchor") {
  const Chain& c = chain();
  const std::vector<const Issued*> up{&c.middle, &c.root};
  std::vector<Row> rows;
  for (int selector = 0; selector <= 1; ++selector) {
    for (int matching = 0; matching <= 2; ++matching) {
      const std::string kind = " " + std::to_string(selector) + " " + std::to_string(matching);
      const auto leaf = record(3, selector, matching, c.leaf);
      const auto root = record(2, selector, matching, c.root);
      const auto middle = record(2, selector, matching, c.middle);
      rows.push_back({"3" + kind, {leaf}, &c.leaf, up, "", 3});
      rows.push_back({"3" + kind + " without chain", {leaf}, &c.leaf, {}, "", 3});
      rows.push_back(
          {"3" + kind + " expired", {record(3, selector, matching, c.expired)}, &c.expired, up, "", 3});
      rows.push_back({"3" + kind + " for clients",
                      {record(3, selector, matching, c.for_clients)},
                      &c.for_clients,
                      up,
                      "",
                      3});
      rows.push_back(
          {"3" + kind + " self-signed", {record(3, selector, matching, c.lonely)}, &c.lonely, {}, "", 3});
      rows.push_back(
          {"3" + kind + " of another", {record(3, selector, matching, c.next)}, &c.leaf, up, no_match});
      rows.push_back(
          {"3" + kind + " of the issuer", {record(3, selector, matching, c.middle)}, &c.leaf, up, no_match});
      rows.push_back({"2" + kind + " root", {root}, &c.leaf, up, "", 2});
      rows.push_back({"2" + kind + " intermediate", {middle}, &c.leaf, up, "", 2});
      rows.push_back({"2" + kind + " intermediate, root not sent", {middle}, &c.leaf, {&c.middle}, "", 2});
      rows.push_back(
          {"2" + kind + " expired", {root}, &c.expired, up, "X509_V_ERR_CERT_HAS_EXPIRED", 0, true});
      rows.push_back({"2" + kind + " for clients", {root}, &c.for_clients, up, "X509_V_ERR_INVALID_PURPOSE"});
      rows.push_back({"2" + kind + " other chain", {root}, &c.lonely, {}, no_match});
      // A digest cannot supply the anchor; the anchor itself can, when the whole chain below it was sent.
      if (matching != 0) rows.push_back({"2" + kind + " not sent", {root}, &c.leaf, {&c.middle}, no_match});
      if (matching == 0) rows.push_back({"2" + kind + " supplied", {root}, &c.leaf, {&c.middle}, "", 2});
    }
  }
  check(rows);
}

TEST_CASE("DANE-01: a weak key or signature is none") {
  CertificateSpec spec = server("mx.example.test");
  spec.key = KeyKind::rsa_1024;
  const Issued weak = self_signed(spec);
  check({{"RSA 1024", {record(3, 1, 1, weak)}, &weak, {}, "X509_V_ERR_EE_KEY_TOO_SMALL"}});
}

TEST_CASE("DANE-02: records that are not usable never match, whatever they say") {
  const Chain& c = chain();
  const std::vector<const Issued*> up{&c.middle, &c.root};
  const auto leaf = record(3, 1, 1, c.leaf);
  std::vector<Row> rows{
      {"PKIX-TA", {record(0, 0, 1, c.root)}, &c.leaf, up, no_match},
      {"PKIX-EE", {record(1, 1, 1, c.leaf)}, &c.leaf, up, no_match},
      {"PKIX-EE beside a mismatch", {record(1, 1, 1, c.leaf), broken(leaf)}, &c.leaf, up, no_match},
      {"unknown usage", {record(4, 1, 1, c.leaf)}, &c.leaf, up, no_match},
      {"unknown selector", {TlsaRecord(3, 2, 1, leaf.data)}, &c.leaf, up, no_match},
      {"unknown matching", {TlsaRecord(3, 1, 3, leaf.data)}, &c.leaf, up, no_match},
      {"none", {}, &c.leaf, up, no_match},
      {"unusable beside a match", {record(1, 1, 1, c.leaf), leaf}, &c.leaf, up, "", 3},
  };
  for (std::size_t octets = 0; octets < 32; ++octets) {
    rows.push_back({"digest of " + std::to_string(octets), {cut(leaf, octets)}, &c.leaf, up, no_match});
  }
  const auto full = record(3, 0, 0, c.leaf);
  for (std::size_t octets = 0; octets < full.data.size(); octets += 7) {  // T-11
    rows.push_back({"full, cut at " + std::to_string(octets), {cut(full, octets)}, &c.leaf, up, no_match});
    CHECK_FALSE(tls::parses(cut(full, octets)));
  }
  CHECK(tls::parses(full));
  CHECK(tls::parses(record(2, 1, 0, c.root)));
  CHECK_FALSE(tls::parses(TlsaRecord(2, 1, 0, {1, 2, 3})));
  CHECK_FALSE(tls::parses(TlsaRecord(2, 0, 0, record(2, 1, 0, c.root).data)));
  check(rows);
}

TEST_CASE("DANE-10: digest agility and several records") {
  const Chain& c = chain();
  const std::vector<const Issued*> up{&c.middle, &c.root};
  const auto wrong = [&](int usage, int matching) { return record(usage, 1, matching, c.next); };
  check({
      {"wrong 512, right 256", {wrong(3, 2), record(3, 1, 1, c.leaf)}, &c.leaf, up, no_match},
      {"right 256, wrong 512", {record(3, 1, 1, c.leaf), wrong(3, 2)}, &c.leaf, up, no_match},
      {"right 512, wrong 256", {record(3, 1, 2, c.leaf), wrong(3, 1)}, &c.leaf, up, "", 3},
      {"right full, wrong 512", {record(3, 1, 0, c.leaf), wrong(3, 2)}, &c.leaf, up, "", 3},
      {"other selector is apart", {wrong(3, 2), record(3, 0, 1, c.leaf)}, &c.leaf, up, "", 3},
      {"other usage is apart", {wrong(3, 2), record(2, 1, 1, c.root)}, &c.leaf, up, "", 2},
      {"next key published too", {wrong(3, 1), record(3, 1, 1, c.leaf)}, &c.leaf, up, "", 3},  // rollover
      {"twice the same", {record(3, 1, 1, c.leaf), record(3, 1, 1, c.leaf)}, &c.leaf, up, "", 3},
  });
}

TEST_CASE("a digest of an RRset knows its members, not their order") {
  const Chain& c = chain();
  const auto a = record(3, 1, 1, c.leaf);
  const auto b = record(2, 0, 1, c.root);
  CHECK(tlsa_digest(std::vector{a, b}) == tlsa_digest(std::vector{b, a}));
  CHECK(tlsa_digest(std::vector{a, b}) != tlsa_digest(std::vector{a}));
  CHECK(tlsa_digest(std::vector{a, a}) != tlsa_digest(std::vector{a}));
  CHECK(tlsa_digest(std::vector{TlsaRecord(3, 1, 0, {1, 2})}) !=
        tlsa_digest(std::vector{TlsaRecord(3, 1, 1, {2})}));
}

TEST_CASE("until when a match holds") {
  const Chain& c = chain();
  const X509StackPtr presented =
      stack_of({c.leaf.certificate.get(), c.middle.certificate.get(), c.root.certificate.get()});
  const auto by_leaf = tls::verify_dane(std::vector{record(3, 1, 1, c.leaf)}, *c.leaf.certificate,
                                        presented.get(), test_now());
  CHECK(by_leaf.expires == SystemTime::max());
  const auto by_root = tls::verify_dane(std::vector{record(2, 1, 1, c.root)}, *c.leaf.certificate,
                                        presented.get(), test_now());
  CHECK(by_root.expires == test_now() + std::chrono::days(365));
}

}  // namespace sealpost::test
