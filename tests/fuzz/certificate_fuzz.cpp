// SPDX-License-Identifier: Apache-2.0
//
// Certificates and TLSA data of strangers: what is read from them is bounded and printable, host names are host
// names, and verification ends in a result. Input: DER.
#include <openssl/x509.h>

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include "require.hpp"
#include "tls/certificate.hpp"
#include "tls/verify.hpp"

namespace {

using namespace sealpost;

bool printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

void check_name(std::string_view name) {
  require(!name.empty() && name.size() <= 253 && name.front() != '.' && name.back() != '.');
  for (const char c : name) {
    require((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '*');
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::vector<std::uint8_t> octets(data, data + size);
  for (std::uint8_t selector = 0; selector <= 1; ++selector) tls::parses(TlsaRecord(2, selector, 0, octets));
  const unsigned char* at = data;
  const X509Ptr certificate(d2i_X509(nullptr, &at, static_cast<long>(size)));
  if (!certificate) return 0;

  const CertificateFacts facts = tls::read_certificate(*certificate);
  for (const std::string& name : facts.dns_names) check_name(name);
  if (!facts.common_name.empty()) {
    check_name(facts.common_name);
    require(facts.dns_names.empty());
  }
  require(facts.subject.size() <= 512 && printable(facts.subject));
  require(facts.issuer.size() <= 512 && printable(facts.issuer));
  require(facts.certificate_sha256.size() == 64);

  const SystemTime now{std::chrono::sys_days{std::chrono::year{2026} / 1 / 5}};
  static const tls::TrustStore nobody(X509StorePtr(X509_STORE_new()), 0, "");
  const auto webpki = tls::verify_webpki(nobody, *certificate, nullptr, now);
  require(!webpki.result.ok() && !webpki.result.token.empty());
  // Its own digest always matches it, and lies about nothing else.
  const std::vector records{TlsaRecord(3, 0, 0, octets)};
  const auto dane = tls::verify_dane(records, *certificate, nullptr, now);
  require(dane.facts.chain.ok() == (dane.facts.matched_usage == 3));
  return 0;
}
