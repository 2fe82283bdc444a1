// SPDX-License-Identifier: Apache-2.0
//
// Verifying a presented chain, after the handshake and without a say in it: against the WebPKI roots (RFC
// 8461 §4.2) and against TLSA records (RFC 7672 §3), both by OpenSSL's own verifier. Names are left out:
// which name is needed is the requirement's matter, so judge() compares them. The results equal those of
// `openssl verify -purpose sslserver -auth_level 2 -attime NOW`.
#pragma once

#include <openssl/x509.h>

#include <span>

#include "sealpost/clock.hpp"
#include "sealpost/handshake_facts.hpp"
#include "tls/tlsa_records.hpp"
#include "tls/trust_store.hpp"

namespace sealpost::tls {

struct ChainVerification {
  ChainResult result;
  SystemTime expires{};  // earliest notAfter of the chain that was built, the anchor included
};
// `presented` is what the peer sent, in its order, with or without the leaf; may be null.
ChainVerification verify_webpki(const TrustStore& trust, X509& leaf, STACK_OF(X509) * presented,
                                SystemTime now);

// The same for a client's certificate, made for clients (`-purpose sslclient`).
ChainVerification verify_client(const TrustStore& trust, X509& leaf, STACK_OF(X509) * presented,
                                SystemTime now);

struct DaneVerification {
  DaneChain facts;
  SystemTime expires{};  // as above; SystemTime::max() for usage 3, which knows no dates (RFC 7672 §3.1.1)
};
// `records`: usable ones (usable_for_smtp() and parses() hold). Should none of them be, the result is
// X509_V_ERR_DANE_NO_MATCH: what was asked for was not shown.
DaneVerification verify_dane(std::span<const TlsaRecord> records, X509& leaf, STACK_OF(X509) * presented,
                             SystemTime now);

}  // namespace sealpost::tls
