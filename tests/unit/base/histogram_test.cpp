// SPDX-License-Identifier: Apache-2.0
#include "base/histogram.hpp"

#include <doctest.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <thread>

using namespace sealpost;
using namespace std::chrono_literals;

TEST_CASE("bounds ascend, and there is room for each") {
  const auto check = [](std::span<const Duration> bounds) {
    CHECK(bounds.size() <= Histogram::most_buckets);
    CHECK(std::is_sorted(bounds.begin(), bounds.end(), std::less_equal<>()));
    const auto reading = Histogram(bounds).read();
    CHECK(reading.bounds.size() == bounds.size());
    CHECK(reading.counts.size() == bounds.size() + 1);
  };
  check(buckets::moment);
  check(buckets::dialogue);
  check(buckets::age);
}

TEST_CASE("nothing is lost of what many threads observe") {
  Histogram histogram(buckets::moment);
  constexpr int threads = 4, each = 10'000;
  std::vector<std::thread> all;
  for (int t = 0; t < threads; ++t)
    all.emplace_back([&histogram, t] {
      for (int i = 0; i < each; ++i) histogram.observe(std::chrono::milliseconds(t));
    });
  for (std::thread& one : all) one.join();
  const auto reading = histogram.read();
  CHECK(std::accumulate(reading.counts.begin(), reading.counts.end(), std::uint64_t{0}) == threads * each);
  CHECK(reading.sum == doctest::Approx((0 + 1 + 2 + 3) * each * 1e-3));
}

TEST_CASE("a stopwatch observes its own life") {
  Histogram histogram(buckets::moment);
  { const Stopwatch watch(histogram); }
  const auto reading = histogram.read();
  CHECK(std::accumulate(reading.counts.begin(), reading.counts.end(), std::uint64_t{0}) == 1);
}
