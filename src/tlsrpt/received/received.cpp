// SPDX-License-Identifier: Apache-2.0
#include "tlsrpt/received/received.hpp"

#include "base/digest.hpp"
#include "tlsrpt/counting/store_texts.hpp"

namespace sealpost::tlsrpt {
namespace {

constexpr std::size_t most_file_name = 255;
constexpr std::size_t most_failures_shown = 1000;  // of one policy

// Told from the values, not from the text: a report comes as JSON, packed or re-encoded.
std::string digest_of(const ReceivedReport& report) {
  std::string all;
  const auto put = [&all](const std::string& text) { all += std::to_string(text.size()) + ":" + text; };
  for (const ReceivedPolicy& policy : report.policies) {
    for (const std::string& text :
         {policy.domain, policy.type, to_array(policy.policy_string), to_array(policy.mx_hosts),
          std::to_string(policy.success), std::to_string(policy.failure)})
      put(text);
    for (const ReceivedFailure& failure : policy.failures) {
      const FailureDetail& detail = failure.detail;
      for (const std::string& text : {detail.result_type, detail.sending_ip, detail.mx_host, detail.mx_helo,
                                      detail.receiving_ip, detail.reason_code, std::to_string(failure.count)})
        put(text);
    }
    all += '\n';
  }
  return sha256_hex(all);
}

}  // namespace

Expected<Added> Received::add(const ReceivedReport& report, const std::string& file, SystemTime now) {
  Added added = Added::taken;
  const std::string digest = digest_of(report);
  const Expected<void> done = store_.in_transaction([&]() -> Expected<void> {
    auto insert = store_.statement(
        "INSERT INTO "
        "received_report(organization,report_id,domain,digest,contact,begins,ends,day,file,read_at,notes) "
        "VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11) ON CONFLICT DO NOTHING RETURNING id");
    if (!insert) return insert.error();
    sqlite3_stmt* row = insert->get();
    bind_text(row, 1, report.organization);
    bind_text(row, 2, report.report_id);
    bind_text(row, 3, report.domain);
    bind_text(row, 4, digest);
    bind_text(row, 5, report.contact);
    sqlite3_bind_int64(row, 6, to_unix(report.begins));
    sqlite3_bind_int64(row, 7, to_unix(report.ends));
    bind_text(row, 8, report.day);
    bind_text(row, 9, clean_text(file, most_file_name));
    sqlite3_bind_int64(row, 10, to_unix(now));
    bind_text(row, 11, to_array(report.notes));
    const int step = sqlite3_step(row);
    if (step == SQLITE_ROW) return add_policies(sqlite3_column_int64(row, 0), report.policies);
    if (step != SQLITE_DONE) return store_.failure("keep a received report");
    const auto same = compare(report, digest);
    if (!same) return same.error();
    added = *same;
    return {};
  });
  if (!done) return done.error();
  return added;
}

// Rows of before version 4 have no digest: nothing is known against them.
Expected<Added> Received::compare(const ReceivedReport& report, const std::string& digest) {
  auto query = store_.statement(
      "SELECT digest FROM received_report WHERE organization=?1 AND report_id=?2 AND domain=?3 AND begins=?4 "
      "AND "
      "ends=?5");
  if (!query) return query.error();
  bind_text(query->get(), 1, report.organization);
  bind_text(query->get(), 2, report.report_id);
  bind_text(query->get(), 3, report.domain);
  sqlite3_bind_int64(query->get(), 4, to_unix(report.begins));
  sqlite3_bind_int64(query->get(), 5, to_unix(report.ends));
  if (sqlite3_step(query->get()) != SQLITE_ROW) return store_.failure("look for a received report");
  const std::string kept = column_text(query->get(), 0);
  return kept.empty() || kept == digest ? Added::known : Added::differs;
}

Expected<void> Received::add_policies(std::int64_t report, const std::vector<ReceivedPolicy>& policies) {
  PolicyTexts texts(store_);
  auto policy = store_.statement(
      "INSERT INTO received_policy(report,domain,type,policy_string,mx_hosts,success,failure) "
      "VALUES(?1,?2,?3,?4,?5,?6,?7) RETURNING id");
  if (!policy) return policy.error();
  auto failure = store_.statement(
      "INSERT INTO received_failure(policy,result_type,sending_ip,mx_host,mx_helo,receiving_ip,reason_code,"
      "information,count) VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9)");
  if (!failure) return failure.error();
  for (const ReceivedPolicy& each : policies) {
    const auto string_id = texts.id_of(each.policy_string);
    if (!string_id) return string_id.error();
    const auto hosts_id = texts.id_of(each.mx_hosts);
    if (!hosts_id) return hosts_id.error();
    const Use use(*policy);
    sqlite3_stmt* row = policy->get();
    sqlite3_bind_int64(row, 1, report);
    bind_text(row, 2, each.domain);
    bind_text(row, 3, each.type);
    sqlite3_bind_int64(row, 4, *string_id);
    sqlite3_bind_int64(row, 5, *hosts_id);
    bind_count(row, 6, each.success);
    bind_count(row, 7, each.failure);
    if (sqlite3_step(row) != SQLITE_ROW) return store_.failure("keep a received policy");
    const std::int64_t id = sqlite3_column_int64(row, 0);
    for (const ReceivedFailure& detail : each.failures) {
      const Use use_failure(*failure);
      sqlite3_stmt* line = failure->get();
      sqlite3_bind_int64(line, 1, id);
      bind_text(line, 2, detail.detail.result_type);
      bind_text(line, 3, detail.detail.sending_ip);
      bind_text(line, 4, detail.detail.mx_host);
      bind_text(line, 5, detail.detail.mx_helo);
      bind_text(line, 6, detail.detail.receiving_ip);
      bind_text(line, 7, detail.detail.reason_code);
      bind_text(line, 8, detail.information);
      bind_count(line, 9, detail.count);
      if (sqlite3_step(line) != SQLITE_DONE) return store_.failure("keep a received failure");
    }
  }
  return {};
}

Expected<std::vector<ReceivedPolicyRow>> Received::of_day(const std::string& day, const std::string& domain,
                                                          const std::string& organization, std::size_t most) {
  auto query = store_.statement(
      "SELECT p.id, r.organization, r.report_id, p.domain, p.type, s.text, m.text, p.success, p.failure "
      "FROM received_report r JOIN received_policy p ON p.report=r.id JOIN policy_text s ON "
      "s.id=p.policy_string "
      "JOIN policy_text m ON m.id=p.mx_hosts WHERE r.day=?1 AND p.domain=?2 AND (?3='' OR r.organization=?3) "
      "ORDER BY p.failure DESC, r.organization, p.id LIMIT ?4");
  if (!query) return query.error();
  bind_text(query->get(), 1, day);
  bind_text(query->get(), 2, domain);
  bind_text(query->get(), 3, organization);
  sqlite3_bind_int64(query->get(), 4, static_cast<sqlite3_int64>(most));
  std::vector<ReceivedPolicyRow> all;
  int step = SQLITE_ROW;
  while ((step = sqlite3_step(query->get())) == SQLITE_ROW) {
    ReceivedPolicyRow row;
    row.organization = column_text(query->get(), 1);
    row.report_id = column_text(query->get(), 2);
    row.policy.domain = column_text(query->get(), 3);
    row.policy.type = column_text(query->get(), 4);
    row.policy.policy_string = from_array(column_text(query->get(), 5));
    row.policy.mx_hosts = from_array(column_text(query->get(), 6));
    row.policy.success = count_column(query->get(), 7);
    row.policy.failure = count_column(query->get(), 8);
    auto failures = failures_of(sqlite3_column_int64(query->get(), 0), most_failures_shown);
    if (!failures) return failures.error();
    row.policy.failures = std::move(*failures);
    all.push_back(std::move(row));
  }
  if (step != SQLITE_DONE) return store_.failure("read received reports");
  return all;
}

Expected<std::vector<ReceivedFailure>> Received::failures_of(std::int64_t policy, std::size_t most) {
  auto query = store_.statement(
      "SELECT result_type, sending_ip, mx_host, mx_helo, receiving_ip, reason_code, information, count "
      "FROM received_failure WHERE policy=?1 ORDER BY count DESC, id LIMIT ?2");
  if (!query) return query.error();
  sqlite3_bind_int64(query->get(), 1, policy);
  sqlite3_bind_int64(query->get(), 2, static_cast<sqlite3_int64>(most));
  std::vector<ReceivedFailure> all;
  int step = SQLITE_ROW;
  while ((step = sqlite3_step(query->get())) == SQLITE_ROW) {
    ReceivedFailure row;
    row.detail.result_type = column_text(query->get(), 0);
    row.detail.sending_ip = column_text(query->get(), 1);
    row.detail.mx_host = column_text(query->get(), 2);
    row.detail.mx_helo = column_text(query->get(), 3);
    row.detail.receiving_ip = column_text(query->get(), 4);
    row.detail.reason_code = column_text(query->get(), 5);
    row.information = column_text(query->get(), 6);
    row.count = count_column(query->get(), 7);
    all.push_back(std::move(row));
  }
  if (step != SQLITE_DONE) return store_.failure("read received failures");
  return all;
}

}  // namespace sealpost::tlsrpt
