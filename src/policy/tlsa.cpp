// SPDX-License-Identifier: Apache-2.0
#include "sealpost/tlsa.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/digest.hpp"

namespace sealpost {
namespace {

enum : std::uint8_t { dane_ta = 2, dane_ee = 3 };              // usage
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
  std::vector<std::string> digests;  // of equal length, so that no two sets run together to the same text
  digests.reserve(records.size());
  for (const TlsaRecord& record : records) {
    std::string wire = {static_cast<char>(record.usage), static_cast<char>(record.selector),
                        static_cast<char>(record.matching)};
    wire.append(record.data.begin(), record.data.end());
    digests.push_back(sha256_hex(wire));
  }
  std::sort(digests.begin(), digests.end());
  std::string all;
  for (const std::string& digest : digests) all += digest;
  return sha256_hex(all);
}

}  // namespace sealpost
