// SPDX-License-Identifier: Apache-2.0
//
// A TLS report that somebody sent to us, as file, mail or JSON: whatever is accepted is within its bounds, holds nothing
// that could move a cursor, and says the same when written and read again.
#include <cstdint>
#include <string>

#include "base/i_json.hpp"
#include "mail/mime_parts.hpp"
#include "require.hpp"
#include "tlsrpt/received/json_text.hpp"
#include "tlsrpt/received/received_report.hpp"
#include "tlsrpt/received/report_file.hpp"
#include "tlsrpt/received/unzip.hpp"

namespace {

using namespace sealpost;
using namespace sealpost::tlsrpt;

void check_text(const std::string& text) {
  require(text.size() <= 1024 && clean_text(text, 1024) == text);
  for (const char c : text) require(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
}

nlohmann::json written(const ReceivedReport& report) {
  nlohmann::json root;
  root["organization-name"] = report.organization;
  root["report-id"] = report.report_id;
  root["contact-info"] = report.contact;
  root["date-range"]["start-datetime"] = to_rfc3339(report.begins);
  root["date-range"]["end-datetime"] = to_rfc3339(report.ends);
  root["policies"] = nlohmann::json::array();
  for (const ReceivedPolicy& policy : report.policies) {
    nlohmann::json entry;
    entry["policy"] = {{"policy-type", policy.type},
                       {"policy-string", policy.policy_string},
                       {"policy-domain", policy.domain},
                       {"mx-host", policy.mx_hosts}};
    entry["summary"] = {{"total-successful-session-count", policy.success},
                        {"total-failure-session-count", policy.failure}};
    entry["failure-details"] = nlohmann::json::array();
    for (const ReceivedFailure& failure : policy.failures) {
      entry["failure-details"].push_back({{"result-type", failure.detail.result_type},
                                          {"sending-mta-ip", failure.detail.sending_ip},
                                          {"receiving-mx-hostname", failure.detail.mx_host},
                                          {"receiving-mx-helo", failure.detail.mx_helo},
                                          {"receiving-ip", failure.detail.receiving_ip},
                                          {"failure-reason-code", failure.detail.reason_code},
                                          {"additional-information", failure.information},
                                          {"failed-session-count", failure.count}});
    }
    root["policies"].push_back(std::move(entry));
  }
  return root;
}

void check(const ReceivedReport& report) {
  require(!report.organization.empty() && !report.report_id.empty() && report.begins <= report.ends);
  require(report.notes.size() <= 20 && report.policies.size() <= 10'000 && report.day.size() >= 10);
  for (const std::string& text : {report.organization, report.report_id, report.contact, report.domain})
    check_text(text);
  for (const ReceivedPolicy& policy : report.policies) {
    require(policy.success <= most_i_json_number && policy.failure <= most_i_json_number);
    require(policy.policy_string.size() <= 1000 && policy.mx_hosts.size() <= 1000);
    check_text(policy.domain);
    for (const std::string& line : policy.policy_string) check_text(line);
    for (const ReceivedFailure& failure : policy.failures) {
      require(failure.count <= most_i_json_number);
      for (const std::string& text :
           {failure.detail.result_type, failure.detail.mx_host, failure.detail.mx_helo,
            failure.detail.reason_code, failure.information})
        check_text(text);
    }
  }
}

void check_json(std::string_view text, const std::string& domain = {}) {
  const auto report = parse_received_report(text, domain);
  if (!report) {
    require(!report.error().detail.empty());
    return;
  }
  check(*report);
  const std::string again_text = written(*report).dump();
  if (again_text.size() > most_report_octets) return;
  const auto again = parse_received_report(again_text);
  if (!again) require(again.error().code == Errc::too_long);  // more values when written in full
  if (again) {
    require(again->organization == report->organization && again->report_id == report->report_id);
    require(again->policies.size() == report->policies.size());
    for (std::size_t i = 0; i < report->policies.size(); ++i) {
      require(again->policies[i].failures == report->policies[i].failures);
      require(again->policies[i].policy_string == report->policies[i].policy_string);
      require(again->policies[i].success == report->policies[i].success);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string input(reinterpret_cast<const char*>(data), size);
  check_json(input);
  for (const MimePart& part : mime_parts(input).parts) require(part.octets.size() <= 2 * input.size());
  std::size_t in_mbox = 0;
  for (const std::string_view message : mbox_messages(input)) in_mbox += message.size();
  require(in_mbox <= input.size());
  if (const auto files = unzip(input)) require(files->size() <= 100);
  if (const auto text = json_text(input)) require(text->text.size() <= 2 * input.size());
  const auto reports = reports_in_file(input, "a.example!b.example!1!2.json");
  if (!reports) return 0;
  require(!reports->empty() && reports->size() <= most_reports_in_file);
  for (const FoundReport& report : *reports) {
    require(report.octets.size() <= most_report_octets);
    if (report.problem.empty()) check_json(report.octets, report.domain);
  }
  return 0;
}
