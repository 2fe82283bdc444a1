// SPDX-License-Identifier: Apache-2.0
#include "tlsrpt/counting/store.hpp"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "tlsrpt/counting/schema.hpp"

namespace sealpost::tlsrpt {

using Json = nlohmann::json;

std::string to_array(const std::vector<std::string>& lines) {
  return Json(lines).dump(-1, ' ', false, Json::error_handler_t::replace);
}

// Rows are read back with suspicion: what is no array of strings is none (T-54).
std::vector<std::string> from_array(const std::string& text) {
  const Json array = Json::parse(text, nullptr, false);
  std::vector<std::string> lines;
  if (!array.is_array()) return lines;
  for (const Json& line : array) {
    if (line.is_string()) lines.push_back(line.get<std::string>());
  }
  return lines;
}

std::uint64_t count_column(sqlite3_stmt* row, int column) {
  return static_cast<std::uint64_t>(std::max<sqlite3_int64>(0, sqlite3_column_int64(row, column)));
}

std::string column_text(sqlite3_stmt* row, int column) {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(row, column));
  return text == nullptr ? std::string()
                         : std::string(text, static_cast<std::size_t>(sqlite3_column_bytes(row, column)));
}

void bind_text(sqlite3_stmt* row, int index, const std::string& text) {
  sqlite3_bind_text(row, index, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
}

void bind_count(sqlite3_stmt* row, int index, std::uint64_t count) {
  constexpr std::uint64_t most = std::numeric_limits<sqlite3_int64>::max();
  sqlite3_bind_int64(row, index, static_cast<sqlite3_int64>(std::min(count, most)));
}

Store::Store(const std::string& path, Health* health) : file_(schema_settings(path), health) {}

Expected<Store> Store::open(const std::string& path) {
  Store store(path);
  if (auto opened = store.file_.open(); !opened) return opened.error();
  return store;
}

Expected<StatementPtr> Store::statement(const char* sql) {
  auto made = file_.statement(sql);
  if (!made) return made.error();
  return made->release();
}

Expected<void> Store::run(const char* sql) { return file_.run(sql); }

Expected<void> Store::in_transaction(const std::function<Expected<void>()>& work) {
  return file_.in_transaction(work);
}

Expected<std::vector<PolicyCount>> Store::policies(const std::string& day, const std::string& domain) {
  auto query = statement(
      "SELECT p.id, p.type, p.policy_domain, s.text, m.text, p.success, p.failure FROM policy p "
      "JOIN policy_text s ON s.id=p.policy_string JOIN policy_text m ON m.id=p.mx_hosts "
      "WHERE p.day=?1 AND p.domain=?2 ORDER BY p.id");
  if (!query) return query.error();
  bind_text(query->get(), 1, day);
  bind_text(query->get(), 2, domain);
  std::vector<PolicyCount> all;
  int step = SQLITE_ROW;
  while ((step = sqlite3_step(query->get())) == SQLITE_ROW) {
    PolicyCount policy;
    const sqlite3_int64 id = sqlite3_column_int64(query->get(), 0);
    policy.key.day = day;
    policy.key.domain = domain;
    policy.key.type = column_text(query->get(), 1);
    policy.key.policy_domain = column_text(query->get(), 2);
    policy.key.policy_string = from_array(column_text(query->get(), 3));
    policy.key.mx_hosts = from_array(column_text(query->get(), 4));
    policy.success = count_column(query->get(), 5);
    policy.failure = count_column(query->get(), 6);
    auto details = statement(
        "SELECT result_type, sending_ip, mx_host, mx_helo, receiving_ip, reason_code, count FROM failure "
        "WHERE policy=?1 ORDER BY count DESC, result_type");
    if (!details) return details.error();
    sqlite3_bind_int64(details->get(), 1, id);
    int part = SQLITE_ROW;
    while ((part = sqlite3_step(details->get())) == SQLITE_ROW) {
      DetailCount detail;
      detail.detail.result_type = column_text(details->get(), 0);
      detail.detail.sending_ip = column_text(details->get(), 1);
      detail.detail.mx_host = column_text(details->get(), 2);
      detail.detail.mx_helo = column_text(details->get(), 3);
      detail.detail.receiving_ip = column_text(details->get(), 4);
      detail.detail.reason_code = column_text(details->get(), 5);
      detail.count = count_column(details->get(), 6);
      policy.details.push_back(std::move(detail));
    }
    if (part != SQLITE_DONE) return failure("read failures");  // a report that leaves some out would be wrong
    all.push_back(std::move(policy));
  }
  if (step != SQLITE_DONE) return failure("read counts");
  return all;
}

}  // namespace sealpost::tlsrpt
