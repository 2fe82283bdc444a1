// SPDX-License-Identifier: Apache-2.0
#include "tls/ocsp_staple.hpp"

#include <openssl/err.h>
#include <openssl/ocsp.h>

#include <array>
#include <new>

#include "tls/certificate.hpp"
#include "tls/openssl_error.hpp"
#include "tls/pem_file.hpp"

namespace sealpost::tls {
namespace {

using ResponsePtr = std::unique_ptr<OCSP_RESPONSE, FreeWith<OCSP_RESPONSE_free>>;
using BasicPtr = std::unique_ptr<OCSP_BASICRESP, FreeWith<OCSP_BASICRESP_free>>;
using FeaturePtr = std::unique_ptr<TLS_FEATURE, FreeWith<TLS_FEATURE_free>>;

constexpr long status_request = 5;  // RFC 7633 §4.2.1, a number of TLS extensions

std::string_view bytes_of(const ASN1_OCTET_STRING& text) noexcept {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(&text)),
          static_cast<std::size_t>(ASN1_STRING_length(&text))};
}

X509* issuer_of(const X509& leaf, STACK_OF(X509) & chain) noexcept {
  for (int i = 0; i < sk_X509_num(&chain); ++i) {
    X509* const other = sk_X509_value(&chain, i);
    if (X509_check_issued(other, const_cast<X509*>(&leaf)) == X509_V_OK) return other;
  }
  return nullptr;
}

// The certificate is named by its serial number and by digests of its issuer's name and key (RFC 6960 §4.1.1). The key is known
// only when the issuer is.
bool is_about(const OCSP_SINGLERESP& single, const X509& leaf, const X509* issuer) noexcept {
  ASN1_OCTET_STRING *name = nullptr, *key = nullptr;
  ASN1_OBJECT* digest = nullptr;
  ASN1_INTEGER* serial = nullptr;
  if (OCSP_id_get0_info(&name, &digest, &key, &serial,
                        const_cast<OCSP_CERTID*>(OCSP_SINGLERESP_get0_id(&single))) != 1 ||
      ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(&leaf)) != 0)
    return false;
  const EVP_MD* const method = EVP_get_digestbyobj(digest);
  std::array<unsigned char, EVP_MAX_MD_SIZE> made{};
  unsigned size = 0;
  const auto is_digest = [&](const ASN1_OCTET_STRING& wanted) {
    return bytes_of(wanted) == std::string_view(reinterpret_cast<const char*>(made.data()), size);
  };
  if (method == nullptr || X509_NAME_digest(X509_get_issuer_name(&leaf), method, made.data(), &size) != 1 ||
      !is_digest(*name))
    return false;
  if (issuer == nullptr) return true;
  const ASN1_BIT_STRING* const issuer_key = X509_get0_pubkey_bitstr(issuer);
  return issuer_key != nullptr &&
         EVP_Digest(ASN1_STRING_get0_data(issuer_key),
                    static_cast<std::size_t>(ASN1_STRING_length(issuer_key)), made.data(), &size, method,
                    nullptr) == 1 &&
         is_digest(*key);
}

// By the issuer, or by whom it has given the purpose OCSPSigning (RFC 6960 §4.2.2.2). Dates are not looked at: a clock that is
// wrong at a start must not keep the relay from it.
bool is_signed(OCSP_BASICRESP& response, X509& issuer, STACK_OF(X509) & chain) {
  const X509StorePtr store(X509_STORE_new());
  if (!store || X509_STORE_add_cert(store.get(), &issuer) != 1 ||
      X509_STORE_set_flags(store.get(), X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_NO_CHECK_TIME) != 1)
    throw std::bad_alloc();
  return OCSP_basic_verify(&response, &chain, store.get(), 0) == 1;
}

Error wrong(std::string what) {
  ERR_clear_error();
  return Error(Errc::invalid, std::move(what));
}

OcspStaple::State state_of(int status) noexcept {
  if (status == V_OCSP_CERTSTATUS_GOOD) return OcspStaple::State::good;
  return status == V_OCSP_CERTSTATUS_REVOKED ? OcspStaple::State::revoked : OcspStaple::State::unknown;
}

}  // namespace

Expected<OcspStaple> OcspStaple::parse(std::string_view der, const X509& leaf, STACK_OF(X509) & chain) {
  constexpr std::size_t largest = 64 * 1024;  // with the certificates of its signer
  if (der.size() > largest) return wrong("is larger than an OCSP response can be");
  ERR_clear_error();
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  const auto* const end = at + der.size();
  const ResponsePtr response(d2i_OCSP_RESPONSE(nullptr, &at, static_cast<long>(der.size())));
  if (!response || at != end) return wrong("is no OCSP response (DER, as openssl ocsp -respout writes it)");
  if (const int status = OCSP_response_status(response.get()); status != OCSP_RESPONSE_STATUS_SUCCESSFUL)
    return wrong("holds no answer but an error of the responder: " +
                 std::string(OCSP_response_status_str(status)));
  const BasicPtr basic(OCSP_response_get1_basic(response.get()));
  if (!basic) return wrong("is an OCSP response of a kind that clients do not know");
  X509* const issuer = issuer_of(leaf, chain);
  OCSP_SINGLERESP* ours = nullptr;
  for (int i = 0; ours == nullptr && i < OCSP_resp_count(basic.get()); ++i) {
    OCSP_SINGLERESP* const single = OCSP_resp_get0(basic.get(), i);
    if (is_about(*single, leaf, issuer)) ours = single;
  }
  if (ours == nullptr) return wrong("is about another certificate");
  if (issuer != nullptr && !is_signed(*basic, *issuer, chain))
    return wrong("is not signed by the issuer of the certificate, nor for it");
  ASN1_GENERALIZEDTIME *this_update = nullptr, *next_update = nullptr;
  OcspStaple staple;
  staple.state_ = state_of(OCSP_single_get0_status(ours, nullptr, nullptr, &this_update, &next_update));
  const auto begins = to_system_time(this_update);
  if (next_update == nullptr) return wrong("does not say until when it holds (nextUpdate)");
  const auto ends = to_system_time(next_update);
  if (!begins || !ends || *ends <= *begins) return wrong("has dates that mean nothing");
  staple.begins_ = *begins;
  staple.ends_ = *ends;
  staple.der_ = der;
  ERR_clear_error();
  return staple;
}

Expected<OcspStaple> OcspStaple::load(const std::string& path, const X509& leaf, STACK_OF(X509) & chain) {
  const auto der = read_pem_file(path);
  if (!der) return der.error();
  auto staple = parse(*der, leaf, chain);
  if (!staple) return Error(staple.error().code, path + ": " + staple.error().detail);
  return staple;
}

bool must_be_stapled(const X509& leaf) noexcept {
  const FeaturePtr features(
      static_cast<TLS_FEATURE*>(X509_get_ext_d2i(&leaf, NID_tlsfeature, nullptr, nullptr)));
  for (int i = 0; features && i < sk_ASN1_INTEGER_num(features.get()); ++i)
    if (ASN1_INTEGER_get(sk_ASN1_INTEGER_value(features.get(), i)) == status_request) return true;
  ERR_clear_error();
  return false;
}

}  // namespace sealpost::tls
