// SPDX-License-Identifier: Apache-2.0
//
// What a damaged tlsrpt.db still gives: report jobs, so that no report is sent twice (R29), and the counts they are made of.
// Tables are read from both ends towards where they are broken; every row is bound as data and read with suspicion (T-54).
#include "tlsrpt/counting/schema.hpp"

namespace sealpost::tlsrpt {
namespace {

using sqlite::Database;

class Salvage {
 public:
  Salvage(sqlite3* old, Database& fresh) : old_(old), fresh_(fresh) {}

  std::string run() {
    // Keys are rebuilt by the tables' own order: texts, summaries, their details.
    const auto done = fresh_.in_transaction([&]() -> Expected<void> {
      if (auto jobs = take("report_job", "day", 9, jobs_); !jobs) return jobs;
      // Without all of its jobs, a summary of a past day may have been reported already: then only the youngest day, whose
      // report is not due yet, is taken over.
      const std::string youngest = youngest_day();
      const std::string which = jobs_.whole || youngest.empty() ? "" : " WHERE day='" + youngest + "'";
      if (auto texts = take("policy_text", "id", 2, texts_); !texts) return texts;
      if (auto counts = take("policy", "id", 9, counts_, which); !counts) return counts;
      if (auto details = take("failure", "policy", 8, details_); !details) return details;
      // A summary without its texts, a detail without its summary: nothing to report.
      return fresh_.run(
          "DELETE FROM policy WHERE policy_string NOT IN (SELECT id FROM policy_text) OR mx_hosts NOT IN "
          "(SELECT id FROM policy_text); DELETE FROM failure WHERE policy NOT IN (SELECT id FROM policy)");
    });
    if (!done) return "none of its rows could be taken over (" + done.error().detail + ")";
    return std::to_string(counts_.rows) + " summaries and " + std::to_string(jobs_.rows) +
           " report jobs could still be read" + (counts_.whole && jobs_.whole ? "" : ", not all of them");
  }

 private:
  struct Taken {
    std::size_t rows = 0;
    bool whole = false;
  };

  std::string youngest_day() {
    sqlite3_stmt* raw = nullptr;
    if (sqlite3_prepare_v2(old_, "SELECT day FROM policy ORDER BY id DESC LIMIT 1", -1, &raw, nullptr) !=
        SQLITE_OK)
      return {};
    const sqlite::StatementPtr query(raw);
    if (sqlite3_step(raw) != SQLITE_ROW) return {};
    const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(raw, 0));
    const std::string day = text == nullptr ? "" : text;
    const bool is_day = day.size() == 10 && day.find_first_not_of("0123456789-") == std::string::npos;
    return is_day ? day : std::string();
  }

  Expected<void> take(const std::string& table, const std::string& order, int columns, Taken& taken,
                      const std::string& which = {}) {
    std::string values = "?1";
    for (int i = 2; i <= columns; ++i) values += ",?" + std::to_string(i);
    auto insert = fresh_.statement(("INSERT OR IGNORE INTO " + table + " VALUES(" + values + ")").c_str());
    if (!insert) return insert.error();
    for (const char* direction : {"", " DESC"}) {
      sqlite3_stmt* raw = nullptr;
      const std::string sql = "SELECT * FROM " + table + which + " ORDER BY " + order + direction;
      if (sqlite3_prepare_v2(old_, sql.c_str(), -1, &raw, nullptr) != SQLITE_OK) return {};
      const sqlite::StatementPtr rows(raw);
      if (sqlite3_column_count(raw) != columns) return {};
      int step = SQLITE_ROW;
      while ((step = sqlite3_step(raw)) == SQLITE_ROW) {
        for (int i = 0; i < columns; ++i)
          sqlite3_bind_value(insert->get(), i + 1, sqlite3_column_value(raw, i));
        // A value of the wrong type is refused by the table: that row is left out.
        if (sqlite3_step(insert->get()) == SQLITE_DONE) taken.rows += fresh_.changed() > 0 ? 1u : 0u;
        sqlite3_reset(insert->get());
      }
      if (step == SQLITE_DONE) {
        taken.whole = true;
        return {};
      }
    }
    return {};
  }

  sqlite3* old_;
  Database& fresh_;
  Taken jobs_, texts_, counts_, details_;
};

}  // namespace

std::string salvage(const std::string& aside, Database& fresh) {
  sqlite3* raw = nullptr;
  const int opened =
      sqlite3_open_v2(aside.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
  const sqlite::ConnectionPtr old(raw);
  if (opened != SQLITE_OK) return {};
  sqlite3_db_config(raw, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  if (auto off = fresh.run("PRAGMA foreign_keys=OFF"); !off) return {};
  std::string words = Salvage(raw, fresh).run();
  (void)fresh.run("PRAGMA foreign_keys=ON");
  return words;
}

}  // namespace sealpost::tlsrpt
