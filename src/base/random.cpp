// SPDX-License-Identifier: Apache-2.0
#include "base/random.hpp"

#include <sys/random.h>

#include <atomic>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace sealpost {
namespace {

void from_system(std::span<std::uint8_t> into) {
  while (!into.empty()) {
    const ssize_t got = ::getrandom(into.data(), into.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw std::system_error(errno, std::generic_category(), "getrandom");
    into = into.subspan(static_cast<std::size_t>(got));
  }
}

std::atomic<RandomSource> current{from_system};

}  // namespace

void random_bytes(std::span<std::uint8_t> into) { current.load(std::memory_order_relaxed)(into); }

std::uint64_t random_below(std::uint64_t bound) {
  assert(bound > 0);
  const std::uint64_t unfair =
      -bound % bound;  // 2^64 mod bound: values below it would make the rest too rare
  for (;;) {
    std::uint8_t bytes[8];
    random_bytes(bytes);
    std::uint64_t value;
    std::memcpy(&value, bytes, sizeof value);
    if (value >= unfair) return value % bound;
  }
}

void use_random_source(RandomSource source) noexcept { current = source != nullptr ? source : from_system; }

}  // namespace sealpost
