// SPDX-License-Identifier: Apache-2.0
//
// Addresses out of a To, Cc or Bcc field (RFC 5322 §3.4), as `sendmail -t` takes its recipients from them. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sealpost {

// What stands in angle brackets, or for want of them the words of an entry without comments, as written and not checked: blanks
// between two words and a comment that never ends stay, so that no such entry passes for an address. Members of groups count; display names, empty entries and empty groups do not.
std::vector<std::string> addresses_in(std::string_view field_value);

}  // namespace sealpost
