// SPDX-License-Identifier: Apache-2.0
//
// Part 2 of a DSN: message/delivery-status (RFC 3464 §2, N10). Internal to mail/dsn.
#pragma once

#include <string>
#include <vector>

#include "mail/dsn.hpp"

namespace sealpost {

// Per-message fields, then one block for each of `recipients`, blocks separated by empty lines. Pure ASCII.
std::string delivery_status(const DsnRequest& request, const std::vector<const DsnRecipient*>& recipients);
// The status as it may be shown: "d.d.d" with class 4 or 5 (§2.3.4), or class.0.0 when it is none.
std::string status_of(const DsnRecipient& recipient, DsnAction action);

}  // namespace sealpost
