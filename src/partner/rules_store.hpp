// SPDX-License-Identifier: Apache-2.0
//
// DATA_DIR/rules-in-force: the rules that decide about mail, kept before they are in force, in two copies
// (current.json, copy.json), every change of them (history.jsonl, append-only), and the sets between which they were (set-SHA256.json,
// the newest of them), for who reads the history behind us: the ledger. What a start or `check` compares the files with. Removing the directory makes the next start a first one; a record that is there and cannot be read is
// never taken for none (ADR 15).
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "partner/rule_guard.hpp"

namespace sealpost::app {

class RulesStore {
 public:
  explicit RulesStore(const std::string& data_dir);

  struct Found {
    enum class State : std::uint8_t { none, known, unreadable };
    State state = State::none;
    RulesInForce rules;   // known
    std::string sha256;   // known: of the rules as they stand in the record
    std::string trouble;  // unreadable, or known by one copy alone: what is wrong with which file
  };
  Found load() const;

  // Written, synced and read back by name when this returns without an error; the SHA-256 of the rules. What is in the
  // record already is not written again.
  Expected<std::string> save(const RulesInForce& rules, SystemTime now);

  // One line of the history, synced. Gives it "format" and "previous", the SHA-256 of the line before it.
  Expected<void> append(nlohmann::json entry);
  // The newest entries that name the partner (empty: all), at most so many, the oldest first. A line that was torn by a
  // crash is left out.
  std::vector<nlohmann::json> history(const std::string& partner, std::size_t most) const;

  // Of the newest entry: when its change was, and which rules it says are in force since. Empty: there is none.
  struct Told {
    std::optional<SystemTime> when;
    std::string sha256;
  };
  Told last_told() const;
  // A set that is in force, or was until some changes ago: its text, whose SHA-256 is its name (set-SHA256.json).
  Expected<std::string> set_text(const std::string& sha256) const;
  std::optional<RulesInForce> set(const std::string& sha256) const;  // nullopt: not there, or damaged

  const std::string& directory() const noexcept { return directory_; }

 private:
  Expected<void> keep_set(const std::string& sha256, const std::string& text) const;
  void drop_old_sets() const;

  std::string directory_;
};

// Of the text of a set; nullopt: it is none.
std::optional<RulesInForce> parse_rules(const std::string& text);

// What the history says of a change: when, by what, which files (path, owner, SHA-256), old and new digest of the rules,
// and each piece of news in words.
nlohmann::json history_entry(SystemTime when, const std::string& what, const SourceFiles& sources,
                             const std::string& sha256_before, const std::string& sha256_after,
                             const std::vector<RuleNews>& news);

}  // namespace sealpost::app
