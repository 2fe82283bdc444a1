// SPDX-License-Identifier: Apache-2.0
//
// The RFC 8460 §4 report as JSON (I-JSON, RFC 7493), built from counts by a serializer (T-46). Pure.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "tlsrpt/counting/store.hpp"

namespace sealpost::tlsrpt {

struct ReportIdentity {
  std::string organization;
  std::string contact;  // addr-spec
};

// Who sends, as file names and ids of reports say it (RFC 8460 §5.1): the domain of the contact.
std::string submitter_of(const ReportIdentity& identity);

// `day` and `domain` name the report; `policies` is not empty.
nlohmann::ordered_json build_report(const ReportIdentity& identity, const std::string& day,
                                    const std::string& domain, const std::vector<PolicyCount>& policies);

// As octets: UTF-8 whatever was stored (T-46).
std::string to_text(const nlohmann::ordered_json& report);

}  // namespace sealpost::tlsrpt
