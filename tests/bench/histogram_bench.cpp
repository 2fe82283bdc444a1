// SPDX-License-Identifier: Apache-2.0
//
// What it costs to observe how long something took: one thread alone, and several that share a histogram.
//   build/release/tests/bench/histogram_bench
#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <thread>
#include <vector>

#include "base/histogram.hpp"

namespace {

using namespace sealpost;
using Clock = std::chrono::steady_clock;

double nanoseconds_each(unsigned threads) {
  constexpr int each = 5'000'000;
  Histogram histogram(buckets::moment);
  const auto begun = Clock::now();
  std::vector<std::thread> all;
  for (unsigned t = 0; t < threads; ++t)
    all.emplace_back([&histogram, t] {
      for (int i = 0; i < each; ++i)
        histogram.observe(std::chrono::microseconds(100 + (static_cast<int>(t) + i) % 20'000));
    });
  for (std::thread& one : all) one.join();
  return std::chrono::duration<double, std::nano>(Clock::now() - begun).count() / each;
}

}  // namespace

int main() {
  for (const unsigned threads : {1U, 2U, 4U})
    fmt::print("{} threads: {:.0f} ns for each observation\n", threads, nanoseconds_each(threads));
}
