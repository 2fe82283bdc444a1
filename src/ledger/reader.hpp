// SPDX-License-Identifier: Apache-2.0
//
// Reads a ledger: ledger.db, of a relay that runs or stands, or a copy of it, never writing. What is read may have been tampered
// with: every size is bounded, and nothing of it is believed before verify() has seen it. Blocking.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "ledger/head.hpp"
#include "sealpost/expected.hpp"
#include "sqlite/handles.hpp"

namespace sealpost::ledger {

struct ReadDay {
  std::int64_t number = 0;
  std::string date, head, signature;
  std::optional<std::string> address_key;  // none: destroyed
  bool pruned = false;
};
struct ReadKey {
  std::string fingerprint, public_key, signed_by, signature;
};
struct ReadRow {
  std::int64_t number = 0;
  std::uint32_t hash_start = 0;
  std::string_view payload;
  std::optional<std::string_view> address;  // none: erased
};

struct ReadTally {
  std::int64_t day = 0, rows = 0;
  std::string_view kind, digest, proof;  // proof: its text
};

class Reader {
 public:
  // Errc::not_found, Errc::invalid: no ledger; Errc::newer; Errc::damaged.
  static Expected<Reader> open(const std::string& path);

  Expected<std::vector<ReadDay>> days();
  Expected<std::vector<ReadKey>> keys();
  // In order; `see` gives false to end it. Views are valid during the call.
  Expected<void> rows_of_day(std::int64_t day, const std::function<bool(const ReadRow&)>& see);
  // Of one block; 0: those that are in none yet, which belong to the newest day.
  Expected<void> rows_of_block(std::int64_t block, const std::function<bool(const ReadRow&)>& see);
  // Blocks that may hold rows with it, oldest first. Rows in no block are not among them.
  Expected<std::vector<std::int64_t>> blocks_of_message(std::int64_t key);
  Expected<std::vector<std::int64_t>> blocks_of_word(std::int64_t day, std::int64_t word);
  // "": lost, or it does not have that digest.
  Expected<std::string> proof(std::string_view digest);
  // Days whose rows have been counted since they began.
  Expected<std::set<std::int64_t>> counted_days();
  // Rows that name a proof about `name` ("p:" and a partner, "d:" and a domain, in lower case), by proof.
  Expected<void> tallies(const std::string& name, std::int64_t first_day, std::int64_t last_day,
                         const std::function<void(const ReadTally&)>& see);
  // All of one day: digest and kind, rows.
  Expected<std::map<std::pair<std::string, std::string>, std::int64_t>> tally_of_day(std::int64_t day);
  // What stands behind `prefix` in such names.
  Expected<std::vector<std::string>> counted_names(const std::string& prefix);
  // The text of a set of rules, by the 32 octets of its digest; "" as above, and in a ledger of an earlier release.
  Expected<std::string> rules(std::string_view digest);

 private:
  explicit Reader(std::string path) : path_(std::move(path)) {}
  Error failure() const;
  Expected<sqlite::StatementPtr> statement(const char* sql) const;
  Expected<bool> step(sqlite3_stmt* statement) const;
  Expected<bool> has_table(const char* name) const;
  Expected<std::vector<std::int64_t>> numbers(sqlite3_stmt* statement) const;
  Expected<bool> unpacked(sqlite3_stmt* block, const std::function<bool(const ReadRow&)>& see) const;
  Expected<bool> loose(const std::function<bool(const ReadRow&)>& see) const;

  std::string path_;
  sqlite::ConnectionPtr connection_;
};

}  // namespace sealpost::ledger
