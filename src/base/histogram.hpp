// SPDX-License-Identifier: Apache-2.0
//
// Histogram: how long something takes, in fixed buckets. Any thread observes at any time: two relaxed additions, no
// lock, nothing allocated (docs/performance.md has the cost). A reader may see an observation in its bucket and not
// yet in the sum; nothing is ever counted twice.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "sealpost/clock.hpp"

namespace sealpost {

namespace buckets {
using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;
// What is over in a moment or within its limit of seconds: a sync, an answer of DNS, a handshake.
inline constexpr std::array<Duration, 15> moment{
    microseconds(250), microseconds(500),  milliseconds(1),    milliseconds(2),   milliseconds(5),
    milliseconds(10),  milliseconds(25),   milliseconds(50),   milliseconds(100), milliseconds(250),
    milliseconds(500), milliseconds(1000), milliseconds(2500), seconds(10),       seconds(60)};
// A dialogue with a stranger's server.
inline constexpr std::array<Duration, 14> dialogue{
    milliseconds(5),   milliseconds(10),  milliseconds(25), milliseconds(50),   milliseconds(100),
    milliseconds(250), milliseconds(500), seconds(1),       milliseconds(2500), seconds(10),
    seconds(30),       seconds(60),       seconds(300),     seconds(900)};
// How old mail is.
inline constexpr std::array<Duration, 14> age{
    milliseconds(100), milliseconds(500), seconds(1), seconds(5), seconds(15), seconds(60), seconds(300),
    seconds(900),      hours(1),          hours(4),   hours(12),  hours(24),   hours(48),   hours(120)};
}  // namespace buckets

class Histogram {
 public:
  static constexpr std::size_t most_buckets = 16;

  // Upper bounds, ascending, of static storage; what is longer than the last counts too.
  explicit Histogram(std::span<const Duration> bounds) noexcept
      : bounds_(bounds.first(std::min(bounds.size(), most_buckets))) {}
  Histogram(const Histogram&) = delete;
  Histogram& operator=(const Histogram&) = delete;

  void observe(Duration took) noexcept {
    took = std::max(took, Duration::zero());  // of two clocks
    std::size_t bucket = 0;
    while (bucket < bounds_.size() && took > bounds_[bucket]) ++bucket;
    counts_[bucket].fetch_add(1, std::memory_order_relaxed);
    sum_ns_.fetch_add(static_cast<std::uint64_t>(std::chrono::nanoseconds(took).count()),
                      std::memory_order_relaxed);
  }

  struct Reading {
    std::vector<double> bounds;         // seconds
    std::vector<std::uint64_t> counts;  // one more than bounds; not cumulative
    double sum = 0;                     // seconds
  };
  Reading read() const {
    Reading reading;
    for (const Duration bound : bounds_)
      reading.bounds.push_back(std::chrono::duration<double>(bound).count());
    for (std::size_t i = 0; i <= bounds_.size(); ++i)
      reading.counts.push_back(counts_[i].load(std::memory_order_relaxed));
    reading.sum = static_cast<double>(sum_ns_.load(std::memory_order_relaxed)) * 1e-9;
    return reading;
  }

 private:
  const std::span<const Duration> bounds_;
  std::array<std::atomic<std::uint64_t>, most_buckets + 1> counts_{};
  std::atomic<std::uint64_t> sum_ns_{0};  // full after five hundred years of waiting
};

// Observes its own life.
class Stopwatch {
 public:
  explicit Stopwatch(Histogram& into) noexcept : into_(into), begun_(std::chrono::steady_clock::now()) {}
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;
  ~Stopwatch() { into_.observe(std::chrono::steady_clock::now() - begun_); }

 private:
  Histogram& into_;
  SteadyTime begun_;
};

}  // namespace sealpost
