// SPDX-License-Identifier: Apache-2.0
//
// TLSA records of a host that takes an own domain's mail (RFC 7672 §3.1), held against our own keys where the host is this
// relay. Pure. Other hosts are contacted by `policy probe`, not here.
#pragma once

#include <string>
#include <vector>

#include "publishing/item.hpp"
#include "sealpost/requirement.hpp"

namespace sealpost::publishing {

struct TlsaHost {
  TlsaHost() = default;
  std::string name;    // as the MX record has it
  std::string domain;  // whose MX host it is
  bool ours = false;   // it is this relay
  // Then: SHA-256 of the public keys that it shows, by what a client can verify, lower-case hex. None: it has no certificate.
  std::vector<std::string> keys;
  bool vouched = false;  // DNSSEC vouches for its addresses, so that its TLSA records count
  bool ignored = false;  // there are records, and no DNSSEC vouches for them
};
Item judge_tlsa(const DaneState& dane, const TlsaHost& host);

}  // namespace sealpost::publishing
