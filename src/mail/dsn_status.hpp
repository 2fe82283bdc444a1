// SPDX-License-Identifier: Apache-2.0
//
// Part 2 of a DSN: message/delivery-status (RFC 3464 §2, N10). Internal to mail/dsn.
#pragma once

#include <string>
#include <vector>

#include "mail/dsn.hpp"

namespace sealpost {

// global: for who is reached through SMTPUTF8 only (RFC 6533 §4); addresses stand there as they are. Else all of it is ASCII.
enum class DsnForm : std::uint8_t { ascii, global };

struct DeliveryStatus {
  std::string text;
  std::size_t blocks = 0;  // the first so many recipients have one
};
// Per-message fields, then one block for each of `recipients` while they fit into `most` octets, blocks separated by
// empty lines.
DeliveryStatus delivery_status(const DsnRequest& request, const std::vector<const DsnRecipient*>& recipients,
                               DsnForm form, std::size_t most);
// The status as it may be shown: "d.d.d" with class 4 or 5 (§2.3.4), or class.0.0 when it is none.
std::string status_of(const DsnRecipient& recipient, DsnAction action);

}  // namespace sealpost
