// SPDX-License-Identifier: Apache-2.0
#include "tlsrpt/counting/retention.hpp"

#include "base/log.hpp"

namespace sealpost::tlsrpt {
namespace {

using namespace std::chrono_literals;
constexpr std::size_t rows_at_once = 2000;
constexpr auto between_steps = 20ms;
constexpr auto look_every = 1h;

// Runs one deletion; how many rows went, those that followed by foreign keys not counted.
Expected<bool> erase(Store& store, const char* sql, const std::function<void(sqlite3_stmt*)>& bind,
                     std::size_t most) {
  auto statement = store.statement(sql);
  if (!statement) return statement.error();
  bind(statement->get());
  sqlite3_bind_int64(statement->get(), 2, static_cast<sqlite3_int64>(most));
  if (sqlite3_step(statement->get()) != SQLITE_DONE) return store.failure("forget old rows");
  return sqlite3_changes64(sqlite3_db_handle(statement->get())) >= static_cast<sqlite3_int64>(most);
}

Expected<std::int64_t> number(Store& store, const char* sql) {
  auto query = store.statement(sql);
  if (!query) return query.error();
  if (sqlite3_step(query->get()) != SQLITE_ROW) return store.failure("look at the file");
  return sqlite3_column_int64(query->get(), 0);
}

}  // namespace

Expected<bool> forget_counted(Store& store, const std::string& before_day, SystemTime before,
                              std::size_t most) {
  const auto by_day = [&](sqlite3_stmt* row) { bind_text(row, 1, before_day); };
  const auto by_time = [&](sqlite3_stmt* row) { sqlite3_bind_int64(row, 1, to_unix(before)); };
  const struct {
    const char* sql;
    std::function<void(sqlite3_stmt*)> bind;
  } deletions[] = {
      {"DELETE FROM report_job WHERE (day, domain, target) IN "
       "(SELECT day, domain, target FROM report_job WHERE day<?1 LIMIT ?2)",
       by_day},
      {"DELETE FROM refusal WHERE (day, domain, source, origin, result_type, reason_code, mx_host) IN "
       "(SELECT day, domain, source, origin, result_type, reason_code, mx_host FROM refusal WHERE day<?1 "
       "LIMIT ?2)",
       by_day},
      {"DELETE FROM policy WHERE id IN (SELECT id FROM policy WHERE day<?1 LIMIT ?2)", by_day},
      {"DELETE FROM certificate WHERE (domain, mx_host) IN "
       "(SELECT domain, mx_host FROM certificate WHERE last_seen<?1 LIMIT ?2)",
       by_time},
      {"DELETE FROM alert WHERE (kind, subject) IN "
       "(SELECT kind, subject FROM alert WHERE resolved<>0 AND resolved<?1 LIMIT ?2)",
       by_time},
  };
  bool more = false;
  for (const auto& deletion : deletions) {
    const auto full = erase(store, deletion.sql, deletion.bind, most);
    if (!full) return full;
    more = more || *full;
  }
  return more;
}

Expected<bool> forget_received(Store& store, const std::string& before_day, std::size_t most) {
  const auto by_day = [&](sqlite3_stmt* row) { bind_text(row, 1, before_day); };
  const auto reports = erase(
      store, "DELETE FROM received_report WHERE id IN (SELECT id FROM received_report WHERE day<?1 LIMIT ?2)",
      by_day, most);
  if (!reports || *reports) return reports;
  return erase(store,
               "DELETE FROM received_aside WHERE id IN (SELECT id FROM received_aside WHERE "
               "read_at<CAST(strftime('%s', ?1) AS INTEGER) LIMIT ?2)",
               by_day, most);
}

// With foreign keys checked, each text that goes would be looked for in all summaries; one pass finds them all.
Expected<bool> forget_unused_texts(Store& store) {
  if (auto off = store.run("PRAGMA foreign_keys=OFF"); !off) return off.error();
  const Expected<void> done = store.run(
      "DELETE FROM policy_text WHERE id NOT IN (SELECT policy_string FROM policy UNION SELECT mx_hosts FROM "
      "policy "
      "UNION SELECT policy_string FROM received_policy UNION SELECT mx_hosts FROM received_policy)");
  if (auto on = store.run("PRAGMA foreign_keys=ON"); !on) return on.error();
  if (!done) return done.error();
  return false;
}

Expected<bool> vacuum(Store& store, std::uint32_t pages) {
  const auto before = number(store, "PRAGMA freelist_count");
  if (!before) return before.error();
  if (pages == 0 || *before == 0) return false;
  if (auto done = store.run(("PRAGMA incremental_vacuum(" + std::to_string(pages) + ")").c_str()); !done)
    return done.error();
  const auto after = number(store, "PRAGMA freelist_count");
  if (!after) return after.error();
  return *after > 0 && *after < *before;  // no progress: the file was made without room for it
}

event::Task<bool> Retention::step(std::function<Expected<bool>(Store&)> work, const char* what) {
  const Expected<bool> more = co_await store_.ask<bool>(loop_, std::move(work));
  if (!more) {
    log::error("tlsrpt_not_tidied", {{"step", what}, {"why", more.error().detail}});
    co_return false;
  }
  if (*more) co_await event::sleep_for(loop_, between_steps);
  co_return *more;
}

event::Task<void> Retention::once() {
  const Believed time = loop_.believed();
  if (time.in_doubt) co_return;  // what a wrong clock calls old would be gone (T-50)
  const SystemTime oldest = time.earliest - settings_.keep;
  const std::string day = to_utc_day(oldest);
  const std::string received = to_utc_day(time.earliest - settings_.keep_received);
  const std::uint32_t pages = settings_.vacuum_pages;
  const std::function<Expected<bool>(Store&)> steps[] = {
      [day, oldest](Store& store) { return forget_counted(store, day, oldest, rows_at_once); },
      [received](Store& store) { return forget_received(store, received, rows_at_once); },
      [](Store& store) { return forget_unused_texts(store); },
      [pages](Store& store) { return vacuum(store, pages); },
  };
  const char* const names[] = {"counts", "received reports", "policy texts", "vacuum"};
  for (std::size_t i = 0; i < std::size(steps); ++i) {
    for (bool more = true; more;) {
      std::function<Expected<bool>(Store&)> work = steps[i];
      more = co_await step(std::move(work), names[i]);
    }
  }
}

event::Task<void> Retention::run() {
  for (;;) {
    co_await once();
    co_await event::sleep_for(loop_, look_every);
  }
}

}  // namespace sealpost::tlsrpt
