// SPDX-License-Identifier: Apache-2.0
//
// Takes rules as a source has them and gives back what can stand in one file: each domain in one rule at a time, each rule with a name of its
// own and right by the reader of partner files. Where two entries are about one domain, the one that asks for no less holds.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "importing/import.hpp"

namespace sealpost::importing {

class Collector {
 public:
  explicit Collector(const ImportOptions& options) : options_(options) {}

  void count_entry() noexcept { ++import_.entries; }
  // A remark that belongs to no rule.
  void remark(Remark remark);
  // One that is worth saying but once: later ones of the same text are dropped.
  void remark_once(Remark remark);
  // `key`: what the source calls the entry; its remarks get it, and the line.
  void add(ImportedRule rule, std::string_view key);

  // Errc::too_long: more rules or domains than one file should hold.
  Expected<Import> finish();

 private:
  bool is_right(ImportedRule& imported);
  void share_domains();
  void take(std::size_t at, const std::string& domain, std::vector<std::size_t>& owners);
  void give_up(ImportedRule& imported, std::string_view domain);
  void settle(std::size_t one, std::size_t other, const std::string& domain);
  void drop_empty();
  void name_apart();

  const ImportOptions& options_;
  Import import_;
  std::vector<std::string> keys_;
  std::size_t domains_ = 0;
  bool too_many_ = false;  // what came is more than one file should hold, and is not kept
};

// "noord.example", ".noord.example" or "*.noord.example", "*", as a rule has it: A-labels, small letters, no last dot. Null: it is
// no domain; addresses are none.
std::optional<std::string> domain_pattern(std::string_view written);
// A host's name likewise; no pattern.
std::optional<std::string> host_name(std::string_view written);

// What stands for something of the source in messages: printable ASCII, short.
std::string shown(std::string_view foreign);
// A name for a rule: one line, no longer than partner files take.
std::string rule_name(std::string_view foreign);

Remark note(std::string text, std::string remedy = "");
Remark stronger(std::string text, std::string remedy = "");
// Of an entry, or of a part of one.
Remark left_out(unsigned line, std::string_view key, std::string text, std::string remedy = "");

}  // namespace sealpost::importing
