// SPDX-License-Identifier: Apache-2.0
#include "ledger/kinds.hpp"

#include "base/digest.hpp"
#include "ledger/chain.hpp"

namespace sealpost::ledger {

std::string_view kind_of(spool::RecipientState state) noexcept {
  switch (state) {
    case spool::RecipientState::pending: return "deferred";
    case spool::RecipientState::delivered: return "delivered";
    case spool::RecipientState::failed: return "failed";
    case spool::RecipientState::removed: return "removed";
    case spool::RecipientState::held: return "held";
  }
  return "deferred";
}

std::string_view class_of(MessageClass message_class) noexcept {
  switch (message_class) {
    case MessageClass::normal: return "";
    case MessageClass::dsn: return "notification";
    case MessageClass::report: return "report";
  }
  return "";
}

std::int64_t rules_word() { return word_of(sha256_octets("rules")); }

}  // namespace sealpost::ledger
