// SPDX-License-Identifier: Apache-2.0
//
// The head of a day: what its rows add up to, on one line of JSON, signed (docs/ledger.md, Heads). The next day's chain begins
// with its SHA-256, so that the newest head vouches for all days before. Who keeps a copy of a head elsewhere can tell if
// anything of what it covers was changed. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/digest.hpp"
#include "sealpost/expected.hpp"

namespace sealpost::ledger {

struct Head {
  std::uint64_t node = 0;            // whose journal the rows are of
  std::int64_t day = 0;              // number of the day in this ledger, from 1 on
  std::string date;                  // of UTC, 2026-11-30
  std::int64_t first = 0, last = 0;  // numbers of its rows
  Sha256 hash{};                     // of the last row
  Sha256 previous{};    // SHA-256 of the head before it, with which its chain begins; zeros: there is none
  std::string key;      // fingerprint of the key that signs it
  bool sealed = false;  // no row follows
  bool operator==(const Head&) const = default;
};
std::string to_text(const Head& head);
Expected<Head> parse_head(std::string_view text);

// The first 16 hexadecimal digits of the SHA-256 of the 32 octets of a public key.
std::string fingerprint_of(std::string_view public_key);

// Ed25519 over the SHA-256 of `text` (the 32 octets).
bool signature_holds(std::string_view public_key, std::string_view text, std::string_view signature);

}  // namespace sealpost::ledger
