// SPDX-License-Identifier: Apache-2.0
//
// ledger.db: rows that can only be added to, chained and signed. Its tables are a contract: docs/ledger.md. One connection, one
// thread. What is in it is durable when commit() has returned, through a power cut too: the journal it was made from may be
// gone then.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/health.hpp"
#include "ledger/chain.hpp"
#include "ledger/head.hpp"
#include "ledger/payload.hpp"
#include "ledger/rule_history.hpp"
#include "ledger/signer.hpp"
#include "mail/message_id.hpp"
#include "spool/follower.hpp"
#include "sqlite/database.hpp"
#include "sqlite/prepared_statements.hpp"

namespace sealpost::ledger {

// How addresses are kept beside the rows. In the rows there is nothing but a keyed hash of them.
enum class Addresses : std::uint8_t { plain, domain, hash };

constexpr std::int64_t rows_in_block = 256;
constexpr int pack_level = 1;  // of gzip: 9 saves a tenth of the room for five times the time

struct Erased {
  std::int64_t days = 0;  // whose addresses are gone
  std::int64_t rows = 0;  // that lost theirs
  std::int64_t next = 0;  // block to go on with; 0: all have been seen
};

struct SignedHead {
  std::string text, signature, public_key;
};

struct StoreOptions {
  StoreOptions() = default;
  std::string path;
  Addresses addresses = Addresses::plain;
  // Asked when the file is opened, and after it failed. The key that signs from then on.
  std::function<Expected<Signer>()> signer;
  // The key before that one, when there is one: it signs for the new one. Null: there is none.
  std::function<Expected<Signer>()> former_signer;
  // A day's key for addresses, Commitments::key_size octets; null: random.
  std::function<std::string()> day_key;
  // A day is over: its last head. Called once it is durable.
  std::function<void(const SignedHead&)> sealed;
};

// A row to be. What it is found by is none of its payload.
struct Row {
  Row(std::string_view kind, SystemTime when) : payload(kind, when) {}
  Payload payload;
  std::string
      address;  // plain, to be kept as Addresses says; a sender's is followed by a tab and the account
  std::optional<std::int64_t> message;  // key_of() of the message it is about
  std::optional<std::int64_t> about;    // the same of another message that it is about, too
  std::optional<std::int64_t> word;     // word_of() what else it is found by
};

class Store {
 public:
  explicit Store(StoreOptions options, Health* health = nullptr);

  // How far the journal has been read. Errc::unavailable: the file is not open now.
  Expected<std::optional<spool::Cursor>> cursor();
  // What `work` adds becomes durable together with `next`, signed, or nothing of it.
  Expected<void> commit(const spool::Cursor& next, const std::function<Expected<void>()>& work);

  // Within `work`:
  // A row of `kind`, in the day that `when` belongs to; a new day begins here when it is time. The days of the chain never go
  // back but for a clock that was set back by more than one.
  Expected<Row> row(std::string_view kind, SystemTime when);
  std::string commitment(std::string_view address) {
    return commitments_.of(address);
  }  // by the key of the row's day
  Expected<void> add(Row row);
  // `text` may be empty where an earlier row brought it. False: it did not, and what was proven is lost.
  Expected<bool> keep_proof(std::string_view digest, std::string_view text);
  // A row of `kind` of the open day names that proof: counted, for statements (statement.hpp).
  void count(std::string_view digest, std::string_view kind) {
    ++counts_[{std::string(digest), std::string(kind)}];
  }
  // How far the history of rules has been told, and that it has been up to there.
  Expected<HistoryPlace> rules_place();
  Expected<void> note_rules_place(const HistoryPlace& place);
  // The text of the set of rules in force from now on, by its digest. Another one was until this day.
  Expected<void> keep_rules(std::string_view digest, std::string_view text);
  Expected<bool> has_rules(std::string_view digest);
  // The time of the last row whose time the journal told; for those whose it does not.
  SystemTime last_time() const noexcept { return last_time_; }
  void note_time(SystemTime when) noexcept { last_time_ = when; }
  // Of messages that came before this the beginning may not have been read: the journal had a gap, or the ledger began. From
  // then on until the next message comes that is true of all.
  SystemTime horizon() const noexcept { return horizon_; }
  void note_gap() noexcept { horizon_ = SystemTime::max(); }
  void note_arrival(const MessageId& id) noexcept {
    if (horizon_ == SystemTime::max()) horizon_ = id.time();
  }
  // Of a ledger without a row: why it does not begin with the journal.
  void note_beginning(std::string_view why) {
    if (!begun_why_.empty()) begun_why_ += "; ";
    begun_why_ += why;
  }

  // Days that ended before `date` (2026-11-30), with the rows in them; their heads stay. Adds a row that says so. The number of
  // days. Part of a commit.
  Expected<std::int64_t> prune_before(const std::string& date);

  // Addresses of days before `date`, and their keys: nobody can tell any more whose rows those are. The open day stays. Part of
  // a commit, and a row when there was anything.
  Expected<Erased> erase_before(const std::string& date);
  // Where `address` stands beside rows, as sender, recipient or account, in so many blocks from `from` on, then in the rows
  // that are in none. The days' keys stay, so that who has them and the address can still tell. Each call is a commit's;
  // the last one adds a row, `before` counting the rows of the others.
  Expected<Erased> erase_address(std::string_view address, std::int64_t from, std::int64_t blocks,
                                 std::int64_t before);

  // A statement that is prepared once. Valid until the next commit().
  Expected<sqlite::Statement*> prepared(const char* sql);
  sqlite::Database& file() noexcept { return file_; }
  // Grows each time what was read from the file may be another one's: after a failure, and when it was opened again.
  std::uint64_t generation() const noexcept { return generation_; }

  std::int64_t rows() const noexcept { return head_.last; }  // ever written
  const Head& head() const noexcept { return head_; }

 private:
  Expected<void> ready();
  Expected<void> load();
  Expected<void> load_key();
  Expected<void> load_day();
  Expected<void> load_open_rows();
  Expected<void> begin_ledger(SystemTime when);
  Expected<void> introduce_key(SystemTime when);
  Expected<void> begin_day(const std::string& date);
  Expected<void> finish_day();
  Expected<void> write_head();
  Expected<void> keep_fresh();
  Expected<void> pack();
  Expected<void> write_counts();
  Expected<void> note_whom(std::string_view digest, std::string_view text);
  Expected<void> write_state(const spool::Cursor& next);
  std::string kept(const std::string& address) const;
  void forget() noexcept;

  StoreOptions options_;
  sqlite::Database file_;
  sqlite::PreparedStatements statements_;
  std::uint64_t generation_ = 0, opened_ = 0;
  bool loaded_ = false;

  Signer signer_;
  bool key_known_ = false;
  Head head_;  // of the open day; day 0: none yet
  bool head_changed_ = false;
  Chain chain_;
  Commitments commitments_;
  std::int64_t open_rows_ = 0;  // in table row
  // Of this commit, behind those: most of them go from here into a block, and are never in that table.
  struct Fresh {
    std::uint32_t hash_start = 0;
    std::string payload, address;
    std::optional<std::int64_t> message, about, word;
  };
  std::vector<Fresh> fresh_;
  std::int64_t next_block_ = 1;
  std::uint64_t node_ = 0;
  SystemTime last_time_{}, horizon_ = SystemTime::max();
  std::string begun_why_;
  std::vector<SignedHead> sealed_;                        // in this commit
  std::unordered_map<std::string, std::int64_t> proofs_;  // digest: the day it was last noted for
  std::map<std::pair<std::string, std::string>, std::int64_t>
      counts_;  // digest, kind: rows of the open day, not written yet
};

// What rows about a message are found by: its milliseconds.
std::int64_t key_of(const MessageId& id) noexcept;

}  // namespace sealpost::ledger
