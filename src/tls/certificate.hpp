// SPDX-License-Identifier: Apache-2.0
//
// Reading a peer's certificate into CertificateFacts. Nothing here judges; what could not be a host name
// simply is not among the names (T-08). Verification is verify.hpp's.
#pragma once

#include <openssl/x509.h>

#include <optional>
#include <string>
#include <vector>

#include "sealpost/clock.hpp"
#include "sealpost/handshake_facts.hpp"

namespace sealpost::tls {

// Everything but the verification results. `chain_expires` starts as the leaf's notAfter.
CertificateFacts read_certificate(const X509& leaf);

// The mail addresses among the subject alternative names (rfc822Name), domains in lower case; what could be none is left out.
std::vector<std::string> mail_addresses_in(const X509& leaf);

std::optional<SystemTime> to_system_time(const ASN1_TIME* time) noexcept;  // null, or no time: nothing
SystemTime not_before_of(const X509& certificate) noexcept;
SystemTime not_after_of(const X509& certificate) noexcept;  // SystemTime::min() when unreadable: expired

}  // namespace sealpost::tls
