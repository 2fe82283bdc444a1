// SPDX-License-Identifier: Apache-2.0
//
// The certificate each host showed last, per domain it takes mail for: what tells "expired three days ago", and which
// are about to break. Rows of tlsrpt.db.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "tlsrpt/counting/recorder.hpp"
#include "tlsrpt/counting/store.hpp"

namespace sealpost::tlsrpt {

struct SeenCertificate {
  std::string domain, mx_host;
  SystemTime
      expires{};  // the earliest end in the chain when the chain is trusted, else the certificate's own
  bool trusted = false;  // by [tls] trust; names left out
  std::string sha256, subject, issuer;
  SystemTime last_seen{};
};

// The last one of each domain and host.
using SeenCertificates = std::map<std::pair<std::string, std::string>, SeenCertificate>;
void note_certificate(SeenCertificates& seen, const SessionRecord& record);

class Certificates {
 public:
  explicit Certificates(Store& store) noexcept : store_(store) {}
  Expected<void> keep(const SeenCertificates& seen);  // all or none
  // When the certificate of that host ends; nothing when none was seen.
  Expected<std::optional<SystemTime>> expiry(const std::string& domain, const std::string& mx_host);

 private:
  Store& store_;
};

}  // namespace sealpost::tlsrpt
