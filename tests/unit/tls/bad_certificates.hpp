// SPDX-License-Identifier: Apache-2.0
//
// The certificates of T-08 and what must be recorded about each: names, dates, trust, authorities, use,
// strength.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "certificates.hpp"
#include "tls/trust_store.hpp"

namespace sealpost::test {

inline constexpr const char* bad_host = "mx.example.test";  // the name a good one of them carries

struct Shown {
  Issued leaf;
  std::vector<Issued> others;  // as the server sends them, after the leaf
};

struct BadCertificate {
  std::string name;
  std::function<Shown()> make;
  std::string token;               // of the WebPKI verification; "" means verified
  std::vector<std::string> names;  // DNS-IDs that are left
  std::string common_name = "";
};
std::vector<BadCertificate> bad_certificates();

const Issued& trusted_root();
std::shared_ptr<const tls::TrustStore> trust_in_root();

}  // namespace sealpost::test
