// SPDX-License-Identifier: Apache-2.0
//
// TLSA records before a handshake: what only OpenSSL can say about them. Matching is verify.hpp's.
#pragma once

#include "sealpost/tlsa.hpp"

namespace sealpost::tls {

// Full(0) data must be a certificate or a public key, else the record is unusable (RFC 6698 §4.1); digests pass.
bool parses(const TlsaRecord& record);

}  // namespace sealpost::tls
