// SPDX-License-Identifier: Apache-2.0
//
// Chance in the simulated world. Each part of it draws from a stream of its own, so that a change in one leaves
// the others as they were.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "sealpost/clock.hpp"

namespace sealpost::sim {

class Rng {
 public:
  explicit Rng(std::uint64_t seed) : engine_(seed) {}
  Rng fork() { return Rng(engine_()); }
  std::uint64_t next() { return engine_(); }
  std::uint64_t below(std::uint64_t bound) { return engine_() % bound; }
  std::uint64_t between(std::uint64_t least, std::uint64_t most) { return least + below(most - least + 1); }
  bool chance(double probability) { return static_cast<double>(engine_() >> 11) * 0x1p-53 < probability; }
  Duration time(Duration least, Duration most) {
    return least + Duration(static_cast<Duration::rep>(
                       below(static_cast<std::uint64_t>((most - least).count()) + 1)));
  }
  template <class T>
  T& pick(std::vector<T>& from) {
    return from[static_cast<std::size_t>(below(from.size()))];
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace sealpost::sim
