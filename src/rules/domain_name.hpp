// SPDX-License-Identifier: Apache-2.0
//
// What a host or domain name looks like where mail names one (RFC 5321 §4.1.2, RFC 1035 §2.3.4). Pure.
#pragma once

#include <cstddef>
#include <string_view>

namespace sealpost {

constexpr std::size_t domain_name_cap =
    253;  // the 255 octets of DNS count length octets and the root (RFC 1035 §3.1)

// LDH labels of 1-63 octets joined by dots, at most 253 octets (what fits the 255 of DNS); no trailing dot,
// no '_'.
bool is_domain_name(std::string_view text) noexcept;
// The same with '_' and '-' anywhere in a label: names that DNS can be asked for and RFC 5321 does not know.
bool is_lenient_domain_name(std::string_view text) noexcept;

}  // namespace sealpost
