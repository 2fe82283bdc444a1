// SPDX-License-Identifier: Apache-2.0
//
// Domain names as text: lower case, no trailing dot. The root is the empty string.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sealpost::dns {

constexpr std::size_t name_octets = 253;  // of the text form without the final dot (RFC 1035 §2.3.4)
constexpr std::size_t label_octets = 63;

// The name in lower case without its trailing dot, or nothing when it is no name that mail asks for: an empty
// or too long label or name, or an octet other than letters, digits, '-' and '_' (underscores prefix TLSA and
// policy names).
std::optional<std::string> normal_name(std::string_view text);

// True for what may be a domain of recipients: a normal name with at least one character that is no digit in its last
// label, so that "192.0.2.1" is none. '_' is allowed: no host name has it (RFC 952), but domains that take mail do.
bool is_mail_domain(std::string_view name) noexcept;

}  // namespace sealpost::dns
