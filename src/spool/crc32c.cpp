// SPDX-License-Identifier: Apache-2.0
#include "spool/crc32c.hpp"

#include <array>
#include <bit>
#include <cstddef>
#include <cstring>

namespace sealpost::spool {
namespace {

// tables[k][b]: the effect of octet b followed by k zero octets; eight octets are then eight independent
// look-ups.
constexpr auto tables = [] {
  std::array<std::array<std::uint32_t, 256>, 8> made{};
  for (std::uint32_t b = 0; b < 256; ++b) {
    std::uint32_t crc = b;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1u) != 0 ? crc32c_polynomial : 0);
    made[0][b] = crc;
  }
  for (std::size_t k = 1; k < 8; ++k)
    for (std::size_t b = 0; b < 256; ++b)
      made[k][b] = (made[k - 1][b] >> 8) ^ made[0][made[k - 1][b] & 0xFFu];
  return made;
}();

std::uint64_t load64(const char* at) noexcept {
  std::uint64_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

std::uint32_t step(std::uint32_t crc, char octet) noexcept {
  return (crc >> 8) ^ tables[0][(crc ^ static_cast<unsigned char>(octet)) & 0xFFu];
}

using Function = std::uint32_t (*)(std::uint32_t, std::string_view) noexcept;

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t crc32c_sse42(std::uint32_t crc,
                                                             std::string_view octets) noexcept {
  std::uint64_t state = ~crc;
  const char* at = octets.data();
  std::size_t left = octets.size();
  for (; left >= 8; at += 8, left -= 8) state = __builtin_ia32_crc32di(state, load64(at));
  auto narrow = static_cast<std::uint32_t>(state);
  for (; left > 0; ++at, --left) narrow = __builtin_ia32_crc32qi(narrow, static_cast<unsigned char>(*at));
  return ~narrow;
}
Function best() noexcept { return __builtin_cpu_supports("sse4.2") ? crc32c_sse42 : crc32c_portable; }
#else
Function best() noexcept { return crc32c_portable; }
#endif

}  // namespace

std::uint32_t crc32c_portable(std::uint32_t crc, std::string_view octets) noexcept {
  crc = ~crc;
  const char* at = octets.data();
  std::size_t left = octets.size();
  if constexpr (std::endian::native == std::endian::little) {
    for (; left >= 8; at += 8, left -= 8) {
      const std::uint64_t word = load64(at) ^ crc;
      crc = 0;
      for (unsigned k = 0; k < 8; ++k) crc ^= tables[7 - k][(word >> (8 * k)) & 0xFFu];
    }
  }
  for (; left > 0; ++at, --left) crc = step(crc, *at);
  return ~crc;
}

std::uint32_t crc32c(std::uint32_t crc, std::string_view octets) noexcept {
  static const Function function = best();
  return function(crc, octets);
}

}  // namespace sealpost::spool
