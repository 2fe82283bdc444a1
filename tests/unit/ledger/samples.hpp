// SPDX-License-Identifier: Apache-2.0
//
// A ledger made from a journal of the test's own.
#pragma once

#include <doctest.h>

#include <sqlite3.h>

#include <memory>
#include <string>
#include <vector>

#include "../temporary_directory.hpp"
#include "base/text.hpp"
#include "keys/key_file.hpp"
#include "ledger/follower.hpp"
#include "ledger/verify.hpp"

namespace sealpost::test {

using namespace std::chrono_literals;

inline const SystemTime noon = *from_rfc3339("2026-11-30T12:00:00Z");

inline MessageId id_of(std::uint32_t number, SystemTime when = noon) {
  std::array<std::uint8_t, 16> bytes{};
  const auto milliseconds = static_cast<std::uint64_t>(when.time_since_epoch().count() / 1000);
  for (std::size_t i = 0; i < 6; ++i) bytes[i] = static_cast<std::uint8_t>(milliseconds >> (8 * (5 - i)));
  for (std::size_t i = 0; i < 4; ++i) bytes[12 + i] = static_cast<std::uint8_t>(number >> (8 * (3 - i)));
  return MessageId(bytes);
}

inline spool::JournalEntry entry_of(const MessageId& id, spool::Record record) {
  spool::JournalEntry entry;
  entry.id = id;
  entry.record = std::move(record);
  return entry;
}

inline spool::JournalEntry accepted(const MessageId& id, std::vector<std::string> to,
                                    SystemTime when = noon) {
  spool::MessageRecord record;
  record.envelope.reverse_path = "Alice@example.com";
  for (std::string& address : to) record.envelope.recipients.emplace_back(std::move(address));
  record.envelope.arrival = when;
  record.envelope.received_from = "app.example.com ([192.0.2.7])";
  record.envelope.message_id[0] = 0xab;
  record.envelope.message_id[15] = id.bytes()[15];
  return entry_of(id, std::move(record));
}

inline spool::ProofTextPtr proof_of(const std::string& text, bool with_text = true) {
  auto proof = std::make_shared<spool::ProofText>();
  const std::string digest = sha256_octets(text);
  std::copy(digest.begin(), digest.end(), proof->digest.begin());
  if (with_text) proof->text = text;
  return proof;
}

inline spool::JournalEntry ended(const MessageId& id, std::vector<std::uint32_t> recipients,
                                 spool::RecipientState state, SystemTime when = noon,
                                 spool::ProofTextPtr proof = nullptr) {
  spool::OutcomeRecord record;
  record.outcome.id = id;
  record.outcome.when = when;
  for (const std::uint32_t index : recipients) {
    spool::RecipientOutcome one;
    one.recipient = index;
    one.state = state;
    one.reply = state == spool::RecipientState::delivered ? "250 2.0.0 Ok: queued"
                                                          : "450 4.2.0 try <bob@example.org> later";
    auto answer = std::make_shared<spool::Answer>();
    answer->status = state == spool::RecipientState::delivered ? "2.0.0" : "4.2.0";
    answer->host = "mx.example.org";
    answer->address = "198.51.100.1";
    one.answer = std::move(answer);
    one.proof = proof;
    record.outcome.recipients.push_back(std::move(one));
  }
  return entry_of(id, std::move(record));
}

// A directory with a key and a ledger, and a journal that is read bit by bit.
class Scene {
 public:
  Scene() { REQUIRE(ledger::make_key_file(key_path())); }

  std::string path(const std::string& name = "ledger.db") const { return directory_.path() + "/" + name; }
  std::string key_path() const { return path("ledger.key"); }

  ledger::StoreOptions options(const std::string& name = "ledger.db") const {
    ledger::StoreOptions options;
    options.path = path(name);
    options.signer = [file = key_path()]() -> Expected<ledger::Signer> {
      auto key = keys::FileSource().load(file, keys::Use::signing);
      if (!key) return key.error();
      return ledger::signer_of(*key);
    };
    options.day_key = [] { return std::string(32, 'k'); };
    return options;
  }
  ledger::LedgerFollower follower(unsigned keep_days = 0, const std::string& name = "ledger.db") const {
    return ledger::LedgerFollower(ledger::Store(options(name)), keep_days);
  }
  std::unique_ptr<ledger::LedgerFollower> made(const std::string& name) const {
    return std::make_unique<ledger::LedgerFollower>(ledger::Store(options(name)), 0);
  }
  spool::Cursor next() {
    cursor_.node = 7;
    cursor_.position.segment = 1;
    cursor_.position.offset += 8;
    return cursor_;
  }

  ledger::Verified verified(const ledger::Trust& trust = {}, const std::string& name = "ledger.db") const {
    auto reader = ledger::Reader::open(path(name));
    REQUIRE(reader);
    auto found = ledger::verify(*reader, trust);
    REQUIRE(found);
    return std::move(*found);
  }
  std::vector<std::string> payloads(const std::string& name = "ledger.db") const {
    auto reader = ledger::Reader::open(path(name));
    REQUIRE(reader);
    std::vector<std::string> all;
    const auto days = reader->days();
    REQUIRE(days);
    for (const auto& day : *days)
      REQUIRE(reader->rows_of_day(day.number, [&](const ledger::ReadRow& row) {
        all.emplace_back(row.payload);
        return true;
      }));
    return all;
  }
  // As somebody with another program would.
  void tamper(const std::string& sql, const std::string& name = "ledger.db") const {
    sqlite3* raw = nullptr;
    REQUIRE(sqlite3_open(path(name).c_str(), &raw) == SQLITE_OK);
    char* why = nullptr;
    const int done = sqlite3_exec(raw, sql.c_str(), nullptr, nullptr, &why);
    INFO(std::string(why != nullptr ? why : ""));
    CHECK(done == SQLITE_OK);
    sqlite3_free(why);
    sqlite3_close(raw);
  }

 private:
  TemporaryDirectory directory_;
  spool::Cursor cursor_;
};

}  // namespace sealpost::test
