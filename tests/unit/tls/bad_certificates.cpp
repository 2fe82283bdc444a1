// SPDX-License-Identifier: Apache-2.0
#include "bad_certificates.hpp"

#include <stdexcept>

namespace sealpost::test {

namespace {

using Spec = CertificateSpec;
using Change = std::function<void(Spec&)>;

struct World {
  Issued root = self_signed(authority("Root"));
  Issued middle = issue(authority("Middle"), root);
  Issued stranger = self_signed(authority("Stranger"));
};
const World& world() {
  static const World made;
  return made;
}

Issued copy_of(const Issued& issued) {
  X509_up_ref(issued.certificate.get());
  EVP_PKEY_up_ref(issued.key.get());
  return Issued(X509Ptr(issued.certificate.get()), EvpKeyPtr(issued.key.get()));
}

// A leaf issued by the good intermediate, with something changed.
Shown leaf(const Change& change) {
  Spec spec = server(bad_host);
  change(spec);
  Shown shown;
  shown.leaf = issue(spec, world().middle);
  shown.others.push_back(copy_of(world().middle));
  return shown;
}

Shown names(std::vector<std::string> dns) {
  return leaf([&](Spec& spec) { spec.common_name = "subject.example.test", spec.dns = std::move(dns); });
}

// A good leaf under an intermediate that is not.
Shown under(const Issued& root, const Spec& between) {
  Shown shown;
  shown.others.push_back(issue(between, root));
  shown.leaf = issue(server(bad_host), shown.others.back());
  return shown;
}

Shown under(const Change& change) {
  Spec between = authority("Odd");
  change(between);
  return under(world().root, between);
}

Shown alone(const Change& change) {
  Spec spec = server(bad_host);
  change(spec);
  Shown shown;
  shown.leaf = self_signed(spec);
  return shown;
}

void expired(Spec& spec) {
  spec.not_before = test_now() - std::chrono::days(9);
  spec.not_after = test_now() - std::chrono::days(1);
}
void future(Spec& spec) { spec.not_before = test_now() + std::chrono::days(1); }

Shown with_root_sent() {
  Shown shown = under(world().stranger, authority("Between"));
  shown.others.push_back(copy_of(world().stranger));
  return shown;
}

Shown without_intermediate() {
  Shown shown = names({bad_host});
  shown.others.clear();
  return shown;
}

Shown by_namesake_of_root() {
  Spec spec = authority("Root");
  spec.key = KeyKind::rsa_2048;
  return under(self_signed(spec), authority("Between"));
}

Shown path_too_long() {
  Spec shallow = authority("Shallow");
  shallow.basic_constraints = "critical,CA:TRUE,pathlen:0";
  Shown shown;
  shown.others.push_back(issue(shallow, world().root));
  shown.others.insert(shown.others.begin(), issue(authority("Deep"), shown.others.back()));
  shown.leaf = issue(server(bad_host), shown.others.front());
  return shown;
}

std::string with_nul(const char* text, const char* rest) { return std::string(text) + '\0' + rest; }
std::string long_name(std::size_t octets) { return std::string(octets - 5, 'a') + ".test"; }

const char* const no_issuer = "X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY";

}  // namespace

const Issued& trusted_root() { return world().root; }

std::shared_ptr<const tls::TrustStore> trust_in_root() {
  auto store = tls::TrustStore::from_pem(world().root.pem());
  if (!store) throw std::runtime_error(store.error().detail);
  return *store;
}

// clang-format off
std::vector<BadCertificate> bad_certificates() {
  const std::vector<std::string> good{bad_host};
  return {
      // Names: the chain is good, what is left of the names decides.
      {"good", [] { return names({bad_host}); }, "", good},
      {"upper case", [] { return names({"MX.Example.TEST"}); }, "", good},
      {"whole wildcard label", [] { return names({"*.example.test"}); }, "", {"*.example.test"}},
      {"other name", [] { return names({"mx.other.test"}); }, "", {"mx.other.test"}},
      {"partial wildcard", [] { return names({"m*.example.test"}); }, "", {"m*.example.test"}},
      {"two wildcards", [] { return names({"*.*.test"}); }, "", {"*.*.test"}},
      {"wildcard inside", [] { return names({"mx.*.test"}); }, "", {"mx.*.test"}},
      {"bare wildcard", [] { return names({"*"}); }, "", {"*"}},
      {"NUL in name", [] { return names({with_nul(bad_host, ".evil.test")}); }, "", {}},
      {"NUL at end", [] { return names({with_nul(bad_host, "")}); }, "", {}},
      {"trailing dot", [] { return names({"mx.example.test."}); }, "", {}},
      {"leading dot", [] { return names({".example.test"}); }, "", {}},
      {"empty label", [] { return names({"mx..example.test"}); }, "", {}},
      {"empty name", [] { return names({""}); }, "", {}},
      {"blank before and after", [] { return names({" mx.example.test", "mx.example.test "}); }, "", {}},
      {"underscore", [] { return names({"m_x.example.test"}); }, "", {}},
      {"8-bit", [] { return names({"m\xc3\xbc.example.test"}); }, "", {}},
      {"line end", [] { return names({"mx.example.test\r\nX: y"}); }, "", {}},
      {"URL", [] { return names({"smtp://mx.example.test"}); }, "", {}},
      {"253 octets", [] { return names({long_name(253)}); }, "", {long_name(253)}},
      {"254 octets", [] { return names({long_name(254)}); }, "", {}},
      {"one bad among good", [] { return names({"a_b.test", bad_host}); }, "", good},
      {"CN only", [] { return leaf([](Spec& s) { s.dns.clear(); }); }, "", {}, bad_host},
      {"two CNs only", [] { return leaf([](Spec& s) { s.dns.clear(), s.more_common_names = {"x.test"}; }); }, "", {}},
      {"CN right, SAN other", [] { return leaf([](Spec& s) { s.dns = {"x.test"}; }); }, "", {"x.test"}},
      {"CN right, SAN unusable", [] { return leaf([](Spec& s) { s.dns = {with_nul("a", "b")}; }); }, "", {}},
      {"SAN only an address", [] { return leaf([](Spec& s) { s.dns.clear(), s.addresses = {"\x7fxyz"}; }); }, "", {}, bad_host},
      {"SAN twice", [] { return leaf([](Spec& s) { s.twice = true; }); }, no_issuer, {}},
      // Dates.
      {"expired", [] { return leaf(expired); }, "X509_V_ERR_CERT_HAS_EXPIRED", good},
      {"future", [] { return leaf(future); }, "X509_V_ERR_CERT_NOT_YET_VALID", good},
      {"expired intermediate", [] { return under(expired); }, "X509_V_ERR_CERT_HAS_EXPIRED", good},
      {"future intermediate", [] { return under(future); }, "X509_V_ERR_CERT_NOT_YET_VALID", good},
      // Trust.
      {"self-signed", [] { return alone([](Spec&) {}); }, "X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT", good},
      {"self-signed and expired", [] { return alone(expired); }, "X509_V_ERR_CERT_HAS_EXPIRED", good},
      {"unknown root", [] { return under(world().stranger, authority("Between")); }, no_issuer, good},
      {"unknown root, sent along", with_root_sent, "X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN", good},
      {"intermediate missing", without_intermediate, no_issuer, good},
      {"known root's name, other key", by_namesake_of_root, no_issuer, good},
      {"damaged signature", [] { return leaf([](Spec& s) { s.damaged = true; }); }, "X509_V_ERR_CERT_SIGNATURE_FAILURE", good},
      // Authorities.
      {"issuer is no authority", [] { return under(world().root, server("Leaf")); }, "X509_V_ERR_INVALID_CA", good},
      {"issuer without constraints", [] { return under(world().root, Spec("Plain", {})); }, "X509_V_ERR_INVALID_CA", good},
      {"issuer may not sign", [] { return under([](Spec& s) { s.key_usage = "critical,digitalSignature"; }); }, "X509_V_ERR_INVALID_CA", good},
      {"path too long", path_too_long, "X509_V_ERR_PATH_LENGTH_EXCEEDED", good},
      {"names not permitted", [] { return under([](Spec& s) { s.name_constraints = "critical,permitted;DNS:other.test"; }); }, "X509_V_ERR_PERMITTED_VIOLATION", good},
      {"names excluded", [] { return under([](Spec& s) { s.name_constraints = "critical,excluded;DNS:example.test"; }); }, "X509_V_ERR_EXCLUDED_VIOLATION", good},
      {"names permitted", [] { return under([](Spec& s) { s.name_constraints = "critical,permitted;DNS:example.test"; }); }, "", good},
      // Use and strength.
      {"for clients only", [] { return leaf([](Spec& s) { s.extended_key_usage = "clientAuth"; }); }, "X509_V_ERR_INVALID_PURPOSE", good},
      {"for mail only", [] { return leaf([](Spec& s) { s.extended_key_usage = "emailProtection"; }); }, "X509_V_ERR_INVALID_PURPOSE", good},
      {"no stated use", [] { return leaf([](Spec& s) { s.extended_key_usage.reset(); }); }, "", good},
      {"authority for other uses", [] { return under([](Spec& s) { s.extended_key_usage = "emailProtection"; }); }, "X509_V_ERR_INVALID_PURPOSE", good},
      {"unknown critical extension", [] { return leaf([](Spec& s) { s.unknown_critical_extension = true; }); }, "X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION", good},
      {"RSA 1024", [] { return leaf([](Spec& s) { s.key = KeyKind::rsa_1024; }); }, "X509_V_ERR_EE_KEY_TOO_SMALL", good},
      {"signed with SHA-1", [] { return leaf([](Spec& s) { s.digest = "SHA1"; }); }, "X509_V_ERR_CA_MD_TOO_WEAK", good},
      {"authority with RSA 1024", [] { return under([](Spec& s) { s.key = KeyKind::rsa_1024; }); }, "X509_V_ERR_CA_KEY_TOO_SMALL", good},
      {"RSA 2048", [] { return leaf([](Spec& s) { s.key = KeyKind::rsa_2048; }); }, "", good},
      {"Ed25519", [] { return leaf([](Spec& s) { s.key = KeyKind::ed25519; }); }, "", good},
  };
}
// clang-format on

}  // namespace sealpost::test
