// SPDX-License-Identifier: Apache-2.0
//
// CRC-32C (Castagnoli, RFC 3720 App. B.4), with the processor's instruction where there is one.
#pragma once

#include <cstdint>
#include <string_view>

namespace sealpost::spool {

inline constexpr std::uint32_t crc32c_polynomial = 0x82F63B78;  // reflected

// Continues `crc` (0 to begin) over `octets`: crc32c(crc32c(0, a), b) == crc32c(0, ab).
std::uint32_t crc32c(std::uint32_t crc, std::string_view octets) noexcept;

// The portable implementation, for comparison in tests.
std::uint32_t crc32c_portable(std::uint32_t crc, std::string_view octets) noexcept;

}  // namespace sealpost::spool
