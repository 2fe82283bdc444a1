// SPDX-License-Identifier: Apache-2.0
#include "admin/report_views.hpp"

#include "base/text.hpp"

namespace sealpost::admin {
namespace {

Json words_json(const tlsrpt::Circumstances& about) {
  const tlsrpt::PlainWords words = tlsrpt::in_plain_words(about);
  return {{"result_type", text::printable(about.result_type, 64)},
          {"reason_code", text::printable(about.reason_code, 256)},
          {"mx_host", text::printable(about.mx_host, 255)},
          {"what", words.what},
          {"cause", words.cause},
          {"remedy", words.remedy}};
}

Json sums_json(const tlsrpt::Sums& sums) {
  return {{"successful_sessions", sums.success}, {"failed_sessions", sums.failure}};
}

void put_sums(Json& into, const tlsrpt::Sums& sums, const tlsrpt::Sums& before) {
  into["successful_sessions"] = sums.success;
  into["failed_sessions"] = sums.failure;
  into["seven_days_before"] = sums_json(before);
  into["trend"] = name_of(tlsrpt::trend_of(sums, before));
}

Json policy_json(const tlsrpt::OverviewLine& line, tlsrpt::Way way, SystemTime now) {
  Json policy;
  policy["policy_type"] = text::printable(line.policy_type, 64);
  put_sums(policy, line.sums, line.before);
  if (!line.worst.result_type.empty()) {
    tlsrpt::Circumstances about;
    about.result_type = line.worst.result_type;
    about.reason_code = line.worst.reason_code;
    about.mx_host = line.worst.mx_host;
    about.domain = line.domain;
    about.certificate_expires = line.certificate_expires;
    about.now = now;
    about.way = way;
    policy["worst"] = words_json(about);
  }
  return policy;
}

Json failure_json(const PolicyView& view, const tlsrpt::DetailCount& failure, tlsrpt::Way way,
                  SystemTime now) {
  tlsrpt::Circumstances about;
  about.result_type = failure.detail.result_type;
  about.reason_code = failure.detail.reason_code;
  about.mx_host = failure.detail.mx_host;
  about.domain = view.policy.key.domain;
  about.now = now;
  about.way = way;
  const auto certificate = view.certificates.find(failure.detail.mx_host);
  if (certificate != view.certificates.end()) about.certificate_expires = certificate->second;
  Json row = words_json(about);
  row["sessions"] = failure.count;
  row["mx_helo"] = text::printable(failure.detail.mx_helo, 255);
  row["receiving_ip"] = text::printable(failure.detail.receiving_ip, 64);
  row["sending_ip"] = text::printable(failure.detail.sending_ip, 64);
  return row;
}

// "mode: testing" of an MTA-STS policy says whether a failure stops mail.
std::string mode_of(const tlsrpt::PolicyKey& key) {
  if (key.type != "sts") return {};
  for (const std::string& line : key.policy_string) {
    if (line.starts_with("mode:")) return text::printable(text::trim(std::string_view(line).substr(5)), 16);
  }
  return {};
}

}  // namespace

Json matrix_view(const tlsrpt::Matrix& matrix, tlsrpt::Way way, SystemTime now) {
  Json all{{"days", matrix.days},
           {"rows", Json::array()},
           {"rows_in_all", matrix.rows_in_all},
           {"cut", matrix.cut}};
  for (const tlsrpt::MatrixRow& row : matrix.rows) {
    Json one = sums_json(row.sums);
    one["domain"] = text::printable(row.domain, 255);
    if (way == tlsrpt::Way::to_us) one["organization"] = text::printable(row.organization, 255);
    one["days"] = Json::array();
    for (const tlsrpt::Sums& day : row.days) one["days"].push_back(sums_json(day));
    if (row.worst) one["worst"] = policy_json(*row.worst, way, now).at("worst");
    all["rows"].push_back(std::move(one));
  }
  return all;
}

Json list_view(const std::vector<tlsrpt::OverviewLine>& lines, tlsrpt::Way way, SystemTime now) {
  Json all = Json::array();
  const tlsrpt::OverviewLine* last = nullptr;
  for (const auto& line : lines) {
    const bool same = last != nullptr && last->day == line.day && last->domain == line.domain &&
                      last->organization == line.organization;
    if (!same) {
      Json entry{{"day", line.day},
                 {"domain", text::printable(line.domain, 255)},
                 {"successful_sessions", 0U},
                 {"failed_sessions", 0U},
                 {"policies", Json::array()}};
      if (way == tlsrpt::Way::to_us) entry["organization"] = line.organization;
      all.push_back(std::move(entry));
    }
    last = &line;
    Json& entry = all.back();
    entry["successful_sessions"] = entry["successful_sessions"].get<std::uint64_t>() + line.sums.success;
    entry["failed_sessions"] = entry["failed_sessions"].get<std::uint64_t>() + line.sums.failure;
    entry["policies"].push_back(policy_json(line, way, now));
  }
  return all;
}

Json show_view(const ShowFacts& facts, SystemTime now) {
  const tlsrpt::Way way = facts.way;
  Json all{{"day", facts.to},        {"from", facts.from},    {"to", facts.to},
           {"domain", facts.domain}, {"days", Json::array()}, {"policies", Json::array()}};
  for (const tlsrpt::DaySums& each : facts.days) {
    Json day = sums_json(each.sums);
    day["day"] = each.day;
    day["refused_sessions"] = each.refused;
    all["days"].push_back(std::move(day));
  }
  for (const PolicyView& view : facts.policies) {
    Json policy;
    if (way == tlsrpt::Way::to_us) {
      policy["organization"] = view.organization;
      policy["report_id"] = view.report_id;
    }
    policy["policy_type"] = text::printable(view.policy.key.type, 64);
    policy["policy_domain"] = text::printable(view.policy.key.policy_domain, 255);
    policy["policy_mode"] = mode_of(view.policy.key);
    policy["policy"] = Json::array();
    for (const std::string& line : view.policy.key.policy_string)
      policy["policy"].push_back(text::printable(line, 512));
    tlsrpt::Sums sums;
    sums.success = view.policy.success;
    sums.failure = view.policy.failure;
    put_sums(policy, sums, facts.from == facts.to ? view.before : tlsrpt::Sums());
    policy["failures"] = Json::array();
    for (const auto& failure : view.policy.details)
      policy["failures"].push_back(failure_json(view, failure, way, now));
    all["policies"].push_back(std::move(policy));
  }
  return all;
}

}  // namespace sealpost::admin
