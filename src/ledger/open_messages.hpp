// SPDX-License-Identifier: Apache-2.0
//
// Whom the messages are for that are not finished yet: an outcome in the journal names its recipients by number. Rows of
// ledger.db; a message that begins and ends within one commit never becomes one.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "ledger/store.hpp"
#include "mail/envelope.hpp"

namespace sealpost::ledger {

struct OpenMessage {
  std::vector<std::string> recipients;
  std::vector<bool> done;  // has had its last row
  std::size_t left = 0;
};

class OpenMessages {
 public:
  explicit OpenMessages(Store& store) noexcept : store_(store) {}

  // Null: none of that name is open. Valid until something is added or finished.
  Expected<const OpenMessage*> find(const MessageId& id);
  void add(const MessageId& id, const Envelope& envelope);
  void finish(const MessageId& id, std::uint32_t recipient);
  void finish_all(const MessageId& id);
  // Into the tables, as the last part of a commit.
  Expected<void> write();
  // After a commit that failed: what the tables say holds.
  void forget() noexcept { known_.clear(); }
  // After one that went well: bounds the memory.
  void trim() noexcept;

 private:
  struct Known {
    OpenMessage message;
    bool stored = false;  // there is a row
    bool changed = false;
    std::vector<std::uint32_t> newly_done;  // no row says so yet
  };
  Expected<void> write_one(const std::string& id, Known& known);

  Store& store_;
  std::unordered_map<MessageId, Known, MessageIdHash> known_;  // with left == 0: to be deleted
};

}  // namespace sealpost::ledger
