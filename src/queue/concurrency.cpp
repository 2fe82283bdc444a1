// SPDX-License-Identifier: Apache-2.0
#include "queue/concurrency.hpp"

#include <algorithm>

namespace sealpost::queue {
namespace {

using namespace std::chrono_literals;
constexpr auto worth_more = 2s;      // what is due would take longer than this with the places there are
constexpr Duration long_way = 10ms;  // shorter, and the usual number carries thousands a second
constexpr auto together = 1s;
constexpr auto pause = 2s;          // after a connection that was not to be had
constexpr std::uint32_t steep = 4;  // successes for a place: a quarter more in each round

void see(Duration& average, Duration took) noexcept {
  average = average == Duration::zero() ? took : average + (took - average) / 16;
}

}  // namespace

Concurrency::Concurrency(const Bounds& bounds)
    : bounds_(bounds), places_(std::min(bounds.first, bounds.most)), steep_until_(bounds.most) {}

bool Concurrency::worked(SystemTime now, Duration took, std::size_t due, std::uint32_t in_use) {
  if (took > Duration::zero()) {
    see(average_, took);
    if (places_ <= bounds_.usual) see(usual_average_, took);
  }
  if (places_ >= bounds_.most || now < no_more_until_) return false;
  const bool usual = places_ < bounds_.usual;
  const std::uint32_t needed = places_ >= steep_until_ ? places_ : usual ? 1 : steep;
  if (!usual) {
    if (in_use < places_ - places_ / 4) return false;  // those there are have not shown what they can
    if (!time_is_the_ways() || static_cast<std::int64_t>(due) * average_ < places_ * Duration(worth_more))
      return false;
  }
  if (++successes_ < needed) return false;
  successes_ = 0;
  ++places_;
  return true;
}

// At most half as long again as with the usual number: then the places themselves are what is waited for.
bool Concurrency::time_is_the_ways() const noexcept {
  return average_ >= long_way && average_ <= usual_average_ + usual_average_ / 2;
}

void Concurrency::set_most(std::uint32_t most) noexcept {
  if (steep_until_ == bounds_.most) steep_until_ = most;
  const bool held_down = places_ >= bounds_.most;  // by what was allowed, not by the host
  bounds_.most = most;
  if (held_down) places_ = std::max(places_, bounds_.first);
  places_ = std::min(places_, most);
}

void Concurrency::lost(SystemTime now) noexcept {
  if (now - lost_at_ < together) return;
  lost_at_ = now;
  places_ = std::max<std::uint32_t>(1, places_ / 2);
  steep_until_ = places_;
  successes_ = 0;
}

void Concurrency::crowded(SystemTime now, std::uint32_t in_use) noexcept {
  places_ = std::max<std::uint32_t>(1, std::min(places_, in_use));
  steep_until_ = places_;
  successes_ = 0;
  no_more_until_ = now + pause;
}

void Concurrency::begin_anew() noexcept {
  places_ = std::min(places_, bounds_.first);
  steep_until_ = bounds_.most;
  successes_ = 0;
}

}  // namespace sealpost::queue
