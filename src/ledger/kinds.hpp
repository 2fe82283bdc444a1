// SPDX-License-Identifier: Apache-2.0
//
// The kinds of rows, which events of webhooks have, too (docs/ledger.md, docs/webhooks.md).
#pragma once

#include <cstdint>
#include <string_view>

#include "mail/envelope.hpp"
#include "spool/stored_message.hpp"

namespace sealpost::ledger {

// What an outcome made of a recipient: "deferred", "delivered", "failed", "removed", "held".
std::string_view kind_of(spool::RecipientState state) noexcept;
// "notification", "report"; of mail that was handed in: "".
std::string_view class_of(MessageClass message_class) noexcept;

// What rows about rules are found by (Row::word).
std::int64_t rules_word();

}  // namespace sealpost::ledger
