// SPDX-License-Identifier: Apache-2.0
#include "tlsrpt/sending/report.hpp"

#include "base/text.hpp"
#include "mail/address.hpp"

namespace sealpost::tlsrpt {
namespace {

using Json = nlohmann::ordered_json;
constexpr std::size_t most_remote_text = 256;  // T-46

Json policy_json(const PolicyCount& count) {
  Json policy;
  policy["policy-type"] = count.key.type;
  policy["policy-string"] = count.key.policy_string;
  policy["policy-domain"] = count.key.policy_domain;
  if (count.key.type == "sts" && !count.key.mx_hosts.empty()) policy["mx-host"] = count.key.mx_hosts;
  return policy;
}

// Unknown members are left out: null and "" break consumers (R13).
void put_known(Json& object, const char* key, const std::string& value) {
  if (!value.empty()) object[key] = text::printable(value, most_remote_text);
}

Json detail_json(const DetailCount& count) {
  Json detail;
  detail["result-type"] = count.detail.result_type;
  put_known(detail, "sending-mta-ip", count.detail.sending_ip);
  put_known(detail, "receiving-mx-hostname", count.detail.mx_host);
  put_known(detail, "receiving-mx-helo", count.detail.mx_helo);
  put_known(detail, "receiving-ip", count.detail.receiving_ip);
  detail["failed-session-count"] = count.count;
  put_known(detail, "failure-reason-code", count.detail.reason_code);
  return detail;
}

}  // namespace

std::string submitter_of(const ReportIdentity& identity) { return std::string(after_at(identity.contact)); }

Json build_report(const ReportIdentity& identity, const std::string& day, const std::string& domain,
                  const std::vector<PolicyCount>& policies) {
  Json report;
  report["organization-name"] = identity.organization;
  report["date-range"]["start-datetime"] = day + "T00:00:00Z";
  report["date-range"]["end-datetime"] = day + "T23:59:59Z";
  report["contact-info"] = identity.contact;
  report["report-id"] = day + "." + domain + "@" + submitter_of(identity);
  report["policies"] = Json::array();
  for (const PolicyCount& count : policies) {
    Json entry;
    entry["policy"] = policy_json(count);
    entry["summary"]["total-successful-session-count"] = count.success;
    entry["summary"]["total-failure-session-count"] = count.failure;
    entry["failure-details"] = Json::array();
    for (const DetailCount& detail : count.details) entry["failure-details"].push_back(detail_json(detail));
    report["policies"].push_back(std::move(entry));
  }
  return report;
}

std::string to_text(const Json& report) {
  return report.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace sealpost::tlsrpt
