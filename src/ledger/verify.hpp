// SPDX-License-Identifier: Apache-2.0
//
// Was anything changed, dropped, added or moved? (docs/ledger.md, Verifying.) Offline, and without any trust in the relay that
// wrote it but in its public key. docs/verify-ledger.py is a second implementation, to be read by who does not trust this one.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ledger/head.hpp"
#include "ledger/reader.hpp"

namespace sealpost::ledger {

// What is wrong, and from which row on nothing is proven; at most one a day.
struct Break {
  std::int64_t day = 0;
  std::int64_t row = 0;  // 0: the day as a whole
  std::string what;
};

struct Verified {
  std::int64_t rows = 0, days = 0, pruned_days = 0, erased_days = 0;
  std::int64_t first_row = 0, last_row = 0;
  std::string first_date, last_date;
  std::string newest_head;  // its text
  std::string key;          // fingerprint of the key that signed it
  bool key_given = false;   // it is the one that was given, or follows from that one
  std::int64_t heads_compared = 0;
  std::int64_t missing_proofs = 0;
  std::vector<Break> breaks;
  bool whole() const noexcept { return breaks.empty(); }
};

struct Trust {
  Trust() = default;
  std::string public_key;          // 32 octets; "": that of the file itself, which proves less
  std::vector<std::string> heads;  // texts of heads that were kept elsewhere
};

// Errors: the file cannot be read at all.
Expected<Verified> verify(Reader& reader, const Trust& trust);

// The heads in a file as [ledger] copy_heads_to has them: a line each, of which what stands before and behind the JSON is
// passed over.
Expected<std::vector<std::string>> read_heads(const std::string& path);

}  // namespace sealpost::ledger
