// SPDX-License-Identifier: Apache-2.0
//
// Whom a client's certificate stands for: [[client]] of the configuration (docs/client-certificates.md, ADR 48). Pure.
#pragma once

#include <string>
#include <vector>

#include "tls/client_certificate.hpp"

namespace sealpost::intake {

struct ClientEntry {
  ClientEntry() = default;
  // "host.example.net", "*.example.net", "anna@example.org", "@example.org"; domains in lower case.
  std::vector<std::string> names;
  std::vector<std::string> fingerprints;  // SHA-256 of a certificate or of its public key, lower-case hex
  std::string user;    // the account; empty: that of the address in the certificate, if an address matched
  bool relay = false;  // it may relay where that is decided by network
};
using ClientMap = std::vector<ClientEntry>;

struct Certified {
  std::string user;  // the account that AUTH EXTERNAL is for; empty: none
  bool relay = false;
};
// By the first entry that fits. A fingerprint needs no authority and no date, for it is the operator's word for one
// certificate (as RFC 7671 §5.1 has it); names count when the certificate is trusted.
Certified certified_by(const ClientMap& map, const tls::ClientCertificate& shown);

}  // namespace sealpost::intake
