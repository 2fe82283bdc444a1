// SPDX-License-Identifier: Apache-2.0
#include "tlsrpt/counting/refusals.hpp"

#include "tlsrpt/counting/pending.hpp"

namespace sealpost::tlsrpt {
namespace {

constexpr std::int64_t most_shown = 1000;

bool is_ours(Source source) noexcept {
  return source == Source::partner || source == Source::requiretls || source == Source::message;
}

}  // namespace

bool note_refusal(SeenRefusals& seen, const SessionRecord& record) {
  Refusal refusal;
  const DemandResult* decisive = record.judgement.decisive();
  if (record.skip && is_ours(record.skip->source)) {
    refusal.source = name_of(record.skip->source);
    refusal.origin = record.skip->origin;
    refusal.result_type = record.skip->result_type;
    refusal.reason_code = record.skip->reason_code;
  } else if (!record.skip && decisive != nullptr && is_ours(decisive->source) &&
             !decisive->failures.empty()) {
    refusal.source = name_of(decisive->source);
    refusal.origin = decisive->origin;
    refusal.result_type = decisive->failures.front().result_type;
    refusal.reason_code = decisive->failures.front().reason_code;
  } else {
    return true;
  }
  refusal.day = to_utc_day(record.when);
  refusal.domain = record.policy_domain;
  refusal.mx_host = record.mx_host;
  const auto found = seen.find(refusal);
  if (found == seen.end() && seen.size() >= Pending::most_kinds) return false;
  ++seen[std::move(refusal)];
  return true;
}

Expected<void> Refusals::keep(const SeenRefusals& seen) {
  if (seen.empty()) return {};
  return store_.in_transaction([&]() -> Expected<void> {
    auto insert = store_.statement(
        "INSERT INTO refusal VALUES(?1,?2,?3,?4,?5,?6,?7,?8) ON CONFLICT DO UPDATE SET count=count+?8");
    if (!insert) return insert.error();
    for (const auto& [refusal, count] : seen) {
      const Use use(*insert);
      int index = 0;
      for (const std::string& text : {refusal.day, refusal.domain, refusal.source, refusal.origin,
                                      refusal.result_type, refusal.reason_code, refusal.mx_host})
        bind_text(insert->get(), ++index, text);
      bind_count(insert->get(), ++index, count);
      if (sqlite3_step(insert->get()) != SQLITE_DONE) return store_.failure("count a refusal");
    }
    return {};
  });
}

Expected<SeenRefusals> Refusals::of_day(const std::string& day, const std::string& domain) {
  auto query = store_.statement(
      "SELECT source, origin, result_type, reason_code, mx_host, count FROM refusal WHERE day=?1 AND "
      "domain=?2 "
      "ORDER BY count DESC LIMIT ?3");
  if (!query) return query.error();
  bind_text(query->get(), 1, day);
  bind_text(query->get(), 2, domain);
  sqlite3_bind_int64(query->get(), 3, most_shown);
  SeenRefusals all;
  int step = SQLITE_ROW;
  while ((step = sqlite3_step(query->get())) == SQLITE_ROW) {
    Refusal refusal;
    refusal.day = day;
    refusal.domain = domain;
    refusal.source = column_text(query->get(), 0);
    refusal.origin = column_text(query->get(), 1);
    refusal.result_type = column_text(query->get(), 2);
    refusal.reason_code = column_text(query->get(), 3);
    refusal.mx_host = column_text(query->get(), 4);
    all[std::move(refusal)] = count_column(query->get(), 5);
  }
  if (step != SQLITE_DONE) return store_.failure("read refusals");
  return all;
}

}  // namespace sealpost::tlsrpt
