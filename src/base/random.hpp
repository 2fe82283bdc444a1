// SPDX-License-Identifier: Apache-2.0
//
// Random octets from the system, or from a seed in simulation. Good for ids, nonces and jitter.
#pragma once

#include <cstdint>
#include <span>

namespace sealpost {

void random_bytes(std::span<std::uint8_t> into);
std::uint64_t random_below(std::uint64_t bound);  // uniform in [0, bound); bound > 0

// For simulation: where the octets come from, for the whole process. Null: the system again. The source is
// called from any thread that needs randomness.
using RandomSource = void (*)(std::span<std::uint8_t>);
void use_random_source(RandomSource source) noexcept;

}  // namespace sealpost
