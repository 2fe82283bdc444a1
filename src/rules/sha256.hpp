// SPDX-License-Identifier: Apache-2.0
//
// SHA-256 (FIPS 180-4) of short texts, for tlsa_digest() alone: the one digest the rules need, so that who links
// libsealpost need not link OpenSSL (ADR 31). Everything else digests with base/digest. Pure.
#pragma once

#include <string>
#include <string_view>

namespace sealpost::rules {

std::string sha256_hex(std::string_view octets);  // lower case

}  // namespace sealpost::rules
