// SPDX-License-Identifier: Apache-2.0
#include "sealpost/tlsa.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "rules/sha256.hpp"
#include "rules/tlsa_usage.hpp"

namespace sealpost {
namespace {

enum : std::uint8_t { full = 0, sha2_256 = 1, sha2_512 = 2 };  // matching type

}  // namespace

bool usable_for_smtp(const TlsaRecord& record) noexcept {
  if (record.usage != dane_ta && record.usage != dane_ee) return false;
  if (record.selector > 1) return false;
  switch (record.matching) {
    case full: return !record.data.empty();
    case sha2_256: return record.data.size() == 32;
    case sha2_512: return record.data.size() == 64;
    default: return false;
  }
}

std::string to_text(const TlsaRecord& record) {
  std::string out = fmt::format("{} {} {} ", record.usage, record.selector, record.matching);
  for (const std::uint8_t byte : record.data) fmt::format_to(std::back_inserter(out), "{:02X}", byte);
  return out;
}

std::string tlsa_digest(std::span<const TlsaRecord> records) {
  std::vector<std::string> wires;
  wires.reserve(records.size());
  for (const TlsaRecord& record : records) {
    // The length goes first, so that no two sets run together to the same octets.
    const std::size_t length = record.data.size();
    std::string wire = {static_cast<char>(length >> 8), static_cast<char>(length),
                        static_cast<char>(record.usage), static_cast<char>(record.selector),
                        static_cast<char>(record.matching)};
    wire.append(record.data.begin(), record.data.end());
    wires.push_back(std::move(wire));
  }
  std::sort(wires.begin(), wires.end());
  std::string all;
  for (const std::string& wire : wires) all += wire;
  return rules::sha256_hex(all);
}

}  // namespace sealpost
