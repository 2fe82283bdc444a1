// SPDX-License-Identifier: Apache-2.0
//
// What a ledger is asked: the trail of a message, of what a Message-ID or an address had to do with, and rows by what they
// say. Reads only; what comes back has not been verified.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "ledger/reader.hpp"
#include "mail/message_id.hpp"

namespace sealpost::ledger {

using Json = nlohmann::json;

struct FoundRow {
  std::int64_t number = 0, day = 0;
  Json payload;                        // see docs/ledger.md, Rows
  std::optional<std::string> address;  // none: erased
  Json proof;                          // null: there was none, or it is lost
};

struct Filter {
  Filter() = default;
  std::string from, to;  // dates of UTC, both included; empty: no end
  std::vector<std::string> kinds;
  std::string domain;       // of the recipient
  std::string partner;      // whose rule counted
  bool exceptions = false;  // only what an exception of a rule let through
  bool refused = false;     // only what a demand of ours kept back
  std::size_t most = 1000;
};

class Questions {
 public:
  explicit Questions(Reader& reader) : reader_(reader) {}

  // All rows about the message and the notifications it caused, in their order. Empty: there is none.
  Expected<std::vector<FoundRow>> trail(const MessageId& id);
  // Messages with that Message-ID; `text` with its brackets.
  Expected<std::vector<MessageId>> with_message_id(std::string_view text);
  // Messages that had an outcome for `address` on days from `from` to `to`, the newest first, at most so many.
  Expected<std::vector<MessageId>> for_recipient(std::string_view address, const std::string& from,
                                                 const std::string& to, std::size_t most);
  // Oldest first; the number of those that fit, of which no more than filter.most were seen.
  Expected<std::size_t> each(const Filter& filter, const std::function<void(const FoundRow&)>& see);

  // Changes of the rules in force, oldest first; days as in Filter.
  Expected<std::vector<FoundRow>> rule_changes(const std::string& from, const std::string& to);

  // Of the row's digest, parsed.
  Expected<Json> proof_of(const Json& payload);

 private:
  struct Line {
    std::int64_t number = 0;
    std::string payload;
    std::optional<std::string> address;
  };
  using Lines = std::vector<Line>;
  Expected<const Lines*> block(std::int64_t number);
  Expected<FoundRow> found(const Line& line);
  Expected<const std::vector<ReadDay>*> days();
  std::int64_t day_of(std::int64_t row) const;
  Expected<bool> fits(const Filter& filter, const FoundRow& row);

  Reader& reader_;
  std::optional<std::vector<ReadDay>> days_;
  std::vector<std::pair<std::int64_t, std::int64_t>> firsts_;  // first row of each day, the day
  std::map<std::int64_t, Lines> blocks_;                       // unpacked; bounded
  std::map<std::string, Json> proofs_;
};

}  // namespace sealpost::ledger
