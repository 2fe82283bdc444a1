// SPDX-License-Identifier: Apache-2.0
//
// What the operator wants of report sending: [tls_rpt] and [[tls_rpt.domain]].
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "sealpost/ip_address.hpp"
#include "tlsrpt/sending/report.hpp"

namespace sealpost::tlsrpt {

// [[tls_rpt.domain]]: what the operator wants for one domain.
struct DomainWish {
  std::string domain;
  bool suppress = false;
  std::vector<std::string> rua;    // instead of what is published
  std::vector<std::string> extra;  // besides it
};

struct SenderSettings {
  SenderSettings() = default;
  bool send = false;
  ReportIdentity identity;
  std::string from;
  std::vector<DomainWish> wishes;
  std::vector<Network> allow_destinations;    // https targets beyond global unicast (T-20)
  std::chrono::seconds night_offset{0};       // after midnight UTC, 1 to 14400 s (R26)
  std::uint64_t most_per_destination = 1000;  // reports of one day to one mail domain or https host (T-45)
};

}  // namespace sealpost::tlsrpt
