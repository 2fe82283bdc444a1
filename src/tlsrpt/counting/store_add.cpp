// SPDX-License-Identifier: Apache-2.0
//
// Adding a batch of counted sessions: folded first, so that a thousand sessions with one host are one row's change.
#include "tlsrpt/counting/store.hpp"
#include "tlsrpt/counting/store_texts.hpp"

namespace sealpost::tlsrpt {
namespace {

constexpr const char* add_policy_sql =
    "INSERT INTO policy(day,domain,type,policy_domain,policy_string,mx_hosts,success,failure) "
    "VALUES(?1,?2,?3,?4,?5,?6,?7,?8) ON CONFLICT DO UPDATE SET success=success+?7, failure=failure+?8 "
    "RETURNING id";
constexpr const char* add_failure_sql =
    "INSERT INTO failure VALUES(?1,?2,?3,?4,?5,?6,?7,?8) ON CONFLICT DO UPDATE SET count=count+?8";

class Adder {
 public:
  explicit Adder(Store& store) : store_(store), texts_(store) {}

  Expected<void> all(const Tally& tally) {
    auto policy = store_.statement(add_policy_sql);
    if (!policy) return policy.error();
    auto failure = store_.statement(add_failure_sql);
    if (!failure) return failure.error();
    policy_ = std::move(*policy);
    failure_ = std::move(*failure);
    for (const auto& [key, sum] : tally) {
      const auto id = add(key, sum);
      if (!id) return id.error();
      for (const auto& [detail, count] : sum.failures) {
        if (auto added = add(*id, detail, count); !added) return added;
      }
    }
    return {};
  }

 private:
  Expected<std::int64_t> add(const PolicyKey& key, const PolicyTally& sum) {
    const auto string_id = texts_.id_of(key.policy_string);
    if (!string_id) return string_id;
    const auto hosts_id = texts_.id_of(key.mx_hosts);
    if (!hosts_id) return hosts_id;
    const Use use(policy_);
    sqlite3_stmt* row = policy_.get();
    bind_text(row, 1, key.day);
    bind_text(row, 2, key.domain);
    bind_text(row, 3, key.type);
    bind_text(row, 4, key.policy_domain);
    sqlite3_bind_int64(row, 5, *string_id);
    sqlite3_bind_int64(row, 6, *hosts_id);
    bind_count(row, 7, sum.success);
    bind_count(row, 8, sum.failure);
    if (sqlite3_step(row) != SQLITE_ROW) return store_.failure("count");
    const std::int64_t id = sqlite3_column_int64(row, 0);
    // A statement that is not run to its end commits nothing.
    if (sqlite3_step(row) != SQLITE_DONE) return store_.failure("count");
    return id;
  }

  Expected<void> add(std::int64_t policy, const FailureDetail& detail, std::uint64_t count) {
    const Use use(failure_);
    sqlite3_stmt* row = failure_.get();
    sqlite3_bind_int64(row, 1, policy);
    bind_text(row, 2, detail.result_type);
    bind_text(row, 3, detail.sending_ip);
    bind_text(row, 4, detail.mx_host);
    bind_text(row, 5, detail.mx_helo);
    bind_text(row, 6, detail.receiving_ip);
    bind_text(row, 7, detail.reason_code);
    bind_count(row, 8, count);
    if (sqlite3_step(row) != SQLITE_DONE) return store_.failure("failure detail");
    return {};
  }

  Store& store_;
  PolicyTexts texts_;
  StatementPtr policy_, failure_;
};

}  // namespace

Expected<void> Store::add_folded(const Tally& tally) {
  return in_transaction([&] { return Adder(*this).all(tally); });
}

Expected<void> Store::add(const std::vector<CountedEntry>& entries) {
  Tally tally;
  for (const CountedEntry& entry : entries) fold(tally, entry);
  return add_folded(tally);
}

}  // namespace sealpost::tlsrpt
