// SPDX-License-Identifier: Apache-2.0
#include "tls/verify.hpp"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>

#include <algorithm>
#include <new>
#include <vector>

#include "base/openssl_handles.hpp"
#include "tls/certificate.hpp"
#include "tls/openssl_error.hpp"

namespace sealpost::tls {

namespace {

// 112 bits: RSA from 2048, no SHA-1 or MD5 signatures (RFC 9325 §4.5).
constexpr int auth_level = 2;
constexpr std::uint8_t usage_dane_ta = 2;
constexpr std::uint8_t usage_dane_ee = 3;

// What went wrong, kept by the callback. Verification goes on after errors that leave the chain as it is,
// because an expired certificate is reported as expired even when it is untrusted as well (RFC 8460 §4.3:
// first match).
struct Findings {
  int code = X509_V_OK;
  int depth = 0;

  void add(int code_, int depth_) noexcept {
    const bool first = code == X509_V_OK;
    if (!first && (code_ != X509_V_ERR_CERT_HAS_EXPIRED || code == X509_V_ERR_CERT_HAS_EXPIRED)) return;
    code = code_;
    depth = depth_;
  }
};

bool goes_on_after(int code) noexcept {
  switch (code) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_INVALID_PURPOSE:
    case X509_V_ERR_INVALID_CA:
    case X509_V_ERR_EE_KEY_TOO_SMALL:
    case X509_V_ERR_CA_KEY_TOO_SMALL:
    case X509_V_ERR_CA_MD_TOO_WEAK: return true;
    default: return false;
  }
}

int note_and_go_on(int ok, X509_STORE_CTX* context) {
  if (ok == 1) return 1;
  const int code = X509_STORE_CTX_get_error(context);
  static_cast<Findings*>(X509_STORE_CTX_get_app_data(context))
      ->add(code, X509_STORE_CTX_get_error_depth(context));
  return goes_on_after(code) ? 1 : 0;
}

SystemTime earliest_expiry(const STACK_OF(X509) * chain, SystemTime otherwise) noexcept {
  SystemTime earliest = otherwise;
  for (int i = 0; i < sk_X509_num(chain); ++i)
    earliest = std::min(earliest, not_after_of(*sk_X509_value(chain, i)));
  return earliest;
}

// Purpose and trust setting, as OpenSSL calls them.
constexpr const char* of_servers = "ssl_server";
constexpr const char* of_clients = "ssl_client";

// One run of X509_verify_cert; `dane` may be null.
ChainVerification run(X509_STORE* anchors, SSL_DANE* dane, X509& leaf, STACK_OF(X509) * presented,
                      SystemTime now, const char* purpose = of_servers) {
  ERR_clear_error();
  const X509StoreContextPtr context(X509_STORE_CTX_new());
  if (!context || X509_STORE_CTX_init(context.get(), anchors, &leaf, presented) != 1) throw std::bad_alloc();
  X509_STORE_CTX_set_default(context.get(), purpose);
  X509_VERIFY_PARAM* param = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_auth_level(param, auth_level);
  X509_VERIFY_PARAM_set_time(param, std::chrono::system_clock::to_time_t(now));
  if (dane) X509_STORE_CTX_set0_dane(context.get(), dane);
  Findings findings;
  X509_STORE_CTX_set_app_data(context.get(), &findings);
  X509_STORE_CTX_set_verify_cb(context.get(), note_and_go_on);

  const bool verified = X509_verify_cert(context.get()) == 1;
  ERR_clear_error();
  if (!verified && findings.code == X509_V_OK) {  // failed without asking the callback
    const int code = X509_STORE_CTX_get_error(context.get());
    findings.add(code == X509_V_OK ? X509_V_ERR_UNSPECIFIED : code,
                 X509_STORE_CTX_get_error_depth(context.get()));
  }
  const STACK_OF(X509)* chain = X509_STORE_CTX_get0_chain(context.get());
  ChainVerification outcome;
  outcome.expires = earliest_expiry(chain, not_after_of(leaf));
  outcome.result.code = findings.code;
  outcome.result.token = verify_symbol(findings.code);
  outcome.result.depth = findings.code == X509_V_OK ? std::max(0, sk_X509_num(chain) - 1) : findings.depth;
  return outcome;
}

// OpenSSL ties TLSA records to an SSL object; one that never shakes hands serves as their holder.
SSL_CTX* dane_context() {
  static const SslContextPtr context = [] {
    SslContextPtr made(SSL_CTX_new(TLS_client_method()));
    if (!made || SSL_CTX_dane_enable(made.get()) <= 0) throw std::bad_alloc();
    return made;
  }();
  return context.get();
}

SslPtr dane_holder() {
  SslPtr holder(SSL_new(dane_context()));
  // No base domain: names are compared by judge(), for both usages. The flag says the same for usage 3, where
  // RFC 7672 §3.1.1 forbids the comparison.
  if (!holder || SSL_dane_enable(holder.get(), nullptr) <= 0) throw std::bad_alloc();
  SSL_dane_set_flags(holder.get(), DANE_FLAG_NO_DANE_EE_NAMECHECKS);
  return holder;
}

bool add_record(SSL& holder, const TlsaRecord& record) noexcept {
  const int added = SSL_dane_tlsa_add(&holder, record.usage, record.selector, record.matching,
                                      record.data.data(), record.data.size());
  ERR_clear_error();
  return added > 0;
}

// The public roots play no part (RFC 7672 §3.1.2): anchors come from the records alone.
X509_STORE* no_anchors() {
  static const X509StorePtr store(X509_STORE_new());
  if (!store) throw std::bad_alloc();
  return store.get();
}

}  // namespace

ChainVerification verify_webpki(const TrustStore& trust, X509& leaf, STACK_OF(X509) * presented,
                                SystemTime now) {
  return run(trust.get(), nullptr, leaf, presented, now);
}

ChainVerification verify_client(const TrustStore& trust, X509& leaf, STACK_OF(X509) * presented,
                                SystemTime now) {
  return run(trust.get(), nullptr, leaf, presented, now, of_clients);
}

DaneVerification verify_dane(std::span<const TlsaRecord> records, X509& leaf, STACK_OF(X509) * presented,
                             SystemTime now) {
  DaneVerification outcome;
  outcome.facts.records_digest = tlsa_digest(records);
  const SslPtr holder = dane_holder();
  bool any = false;
  for (const TlsaRecord& record : records) {
    // OpenSSL would use the PKIX usages; SMTP must not (RFC 7672 §3.1.3).
    const bool for_smtp = record.usage == usage_dane_ta || record.usage == usage_dane_ee;
    if (for_smtp && add_record(*holder, record)) any = true;
  }
  if (!any) {
    outcome.facts.chain.code = X509_V_ERR_DANE_NO_MATCH;
    outcome.facts.chain.token = verify_symbol(X509_V_ERR_DANE_NO_MATCH);
    return outcome;
  }
  const ChainVerification chain = run(no_anchors(), SSL_get0_dane(holder.get()), leaf, presented, now);
  outcome.facts.chain = chain.result;
  outcome.expires = chain.expires;
  if (!chain.result.ok()) {
    outcome.facts.expired = chain.result.code == X509_V_ERR_CERT_HAS_EXPIRED;
    return outcome;
  }
  SSL_set_verify_result(holder.get(), X509_V_OK);  // else the next call tells nothing
  const int depth =
      SSL_get0_dane_tlsa(holder.get(), &outcome.facts.matched_usage, nullptr, nullptr, nullptr, nullptr);
  if (depth >= 0) outcome.facts.chain.depth = depth;
  if (outcome.facts.matched_usage == usage_dane_ee) outcome.expires = SystemTime::max();
  return outcome;
}

bool parses(const TlsaRecord& record) {
  const SslPtr holder = dane_holder();
  return add_record(*holder, record);
}

}  // namespace sealpost::tls
