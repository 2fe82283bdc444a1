// SPDX-License-Identifier: Apache-2.0
//
// Recorded sessions in evidence.db: distinct facts once, counted per domain, mail host and UTC day, so that
// thirty days of a busy relay stay small. Its tables and views are a contract: docs/evidence-database.md. One
// connection, one thread (db_recorder.hpp). Losing it loses what rules can be tried on, never mail (D-23).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/health.hpp"
#include "history/session.hpp"
#include "sqlite/database.hpp"

namespace sealpost::history {

// Distinct kinds of session kept per domain and day. A host that shows a new certificate each time fills this
// and no more; further sessions are counted as left out.
constexpr std::size_t most_per_domain_and_day = 256;
// Rows one question reads: a bound on time, and where they are kept on memory; far above what a rule covers.
constexpr std::size_t most_rows = 500'000;

struct Query {
  Query() = default;
  SystemTime since{};  // from the start of its UTC day
  // Which recipient or relay domains; unset: all.
  std::function<bool(std::string_view)> wanted;
};

struct Found {
  std::vector<Recorded> sessions;  // grouped over days, by domain and host
  std::uint64_t left_out = 0;      // sessions not kept, see most_per_domain_and_day
  std::uint64_t damaged = 0;       // rows that could not be believed (T-54)
  bool cut = false;                // most_rows was reached
};

// As table `ending` has it: "deliver", "deliver-and-report", "refuse".
std::optional<Verdict> verdict_named(std::string_view word) noexcept;
std::string_view word_of(Verdict verdict) noexcept;

class Store {
 public:
  // Opens nothing yet; file().tend() does, and goes on with it (sqlite/database.hpp). Until then, and whenever the file
  // cannot be used, every call here is answered with an error.
  explicit Store(const std::string& path, Health* health = nullptr);
  // Opened, or why it is not: for who has no time to try again.
  static Expected<Store> open(const std::string& path);

  // All of them in one transaction, or none.
  Expected<void> add(const std::vector<Counted>& sessions);
  Expected<void> add(const std::vector<Session>& sessions);
  Expected<Found> find(const Query& query);
  // The same one by one, in the same order, and `sessions` stays empty: memory does not grow with the history.
  Expected<Found> each(const Query& query, const std::function<void(const Recorded&)>& see);
  // Forgets what is older than this UTC day, and the facts nobody refers to any more.
  Expected<void> forget_before(SystemTime day);

  sqlite::Database& file() noexcept { return file_; }

 private:
  using Ids = std::unordered_map<std::string, std::int64_t>;

  Expected<std::int64_t> id_of(Ids& known, const char* sql, const std::vector<std::string>& values);
  Expected<std::int64_t> name_id(const std::string& name);
  Expected<std::int64_t> facts_id(const Facts& facts, const std::string& certificate);
  Expected<std::int64_t> certificate_id(const CertificateFacts* certificate);
  Expected<void> add_one(const Counted& counted);
  Expected<void> count_known_kind(const Counted& counted, std::int64_t domain, std::int64_t day);
  Expected<void> count_left_out(const Counted& counted, std::int64_t domain, std::int64_t day);
  void forget_ids();

  struct Reading;
  Expected<void> read_rows(sqlite::Statement& rows, Reading& reading);
  Expected<Found> read(const Query& query, std::size_t most_known,
                       const std::function<void(Recorded&&)>& see);

  sqlite::Database file_;
  std::uint64_t generation_ = 0;                // of the file the ids are of
  Ids names_, certificates_, facts_, endings_;  // bounded memory of ids
};

}  // namespace sealpost::history
