// SPDX-License-Identifier: Apache-2.0
#include "intake/connection_limits.hpp"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "base/planted.hpp"

namespace sealpost::intake {
namespace {

constexpr std::size_t most_minutes = 20'000;
constexpr auto minute = std::chrono::minutes(1);
using Octets = std::array<std::uint8_t, 8>;

// A v4 address stands in the last four octets behind zeros, which is the start of no global v6 prefix.
Octets key_of(const IpAddress& client) noexcept {
  Octets key{};
  const auto bytes = client.bytes();
  if (client.is_v4())
    std::copy(bytes.begin(), bytes.end(), key.begin() + 4);
  else
    std::copy_n(bytes.begin(), key.size(), key.begin());
  return key;
}

// The /24 of a v4 address, the /48 of a v6 one: what one customer gets.
Octets network_of(Octets key) noexcept {
  const bool v4 = key[0] == 0 && key[1] == 0 && key[2] == 0 && key[3] == 0;
  key[7] = 0;
  if (!v4) key[6] = 0;
  return key;
}

}  // namespace

std::size_t ConnectionLimits::Hash::operator()(const Key& key) const noexcept {
  return std::hash<std::string_view>()({reinterpret_cast<const char*>(key.data()), key.size()});
}

bool ConnectionLimits::raise(Counts& counts, const Key& key, std::uint32_t most) {
  auto& count = counts[key];
  if (count >= most) {
    if (count == 0) counts.erase(key);
    return false;
  }
  ++count;
  return true;
}

void ConnectionLimits::lower(Counts& counts, const Key& key) noexcept {
  const auto found = counts.find(key);
  if (found != counts.end() && --found->second == 0) counts.erase(found);
}

// Clients whose minute is over are forgotten when there is no room for another; when all of them are too lively for
// that, the newcomer is not counted: the share that strangers have bounds it still.
bool ConnectionLimits::comes_too_often(const Key& key, SteadyTime now) {
  auto found = minutes_.find(key);
  if (found == minutes_.end()) {
    if (minutes_.size() >= most_minutes && now - swept_ >= std::chrono::seconds(1)) {
      swept_ = now;
      std::erase_if(minutes_, [now](const auto& entry) { return now - entry.second.begin >= minute; });
    }
    if (minutes_.size() >= most_minutes) return false;
    found = minutes_.emplace(key, Minute{now, 0}).first;
  }
  Minute& current = found->second;
  if (now - current.begin >= minute) current = Minute{now, 0};
  return ++current.count > caps_.stranger_rate;
}

ConnectionLimits::Slot ConnectionLimits::enter(const IpAddress& client, Standing standing, SteadyTime now) {
  const Key key = key_of(client);
  const bool trusted = standing == Standing::trusted, guest = standing == Standing::guest;
  const std::lock_guard lock(mutex_);
  if (planted(Plant::no_reserve)) {
    if (open_ >= caps_.total) return {};
  } else if (trusted) {
    if (open_ - strangers_ >= caps_.total) return {};
  } else {
    if (comes_too_often(key, now)) return {};
    if (open_ >= caps_.total || strangers_ >= caps_.strangers) return {};
  }
  if (trusted) {
    if (!raise(clients_, key, caps_.client)) return {};
  } else {
    if (!raise(networks_, network_of(key), guest ? caps_.guest_network : caps_.stranger_network)) return {};
    if (!raise(outsiders_, key, guest ? caps_.guest : caps_.stranger)) {
      lower(networks_, network_of(key));
      return {};
    }
    ++strangers_;
  }
  ++open_;
  look();
  return Slot(*this, key, trusted);
}

void ConnectionLimits::leave(const Key& key, bool trusted) noexcept {
  const std::lock_guard lock(mutex_);
  --open_;
  if (trusted) {
    lower(clients_, key);
  } else {
    --strangers_;
    lower(networks_, network_of(key));
    lower(outsiders_, key);
  }
  look();
}

// It has a place already, and keeps it: as a stranger, who gives way, when its client or all accounts together have theirs.
bool ConnectionLimits::promote(const Key& key, SteadyTime now) {
  const std::lock_guard lock(mutex_);
  if (open_ - strangers_ >= caps_.accounts || !raise(clients_, key, caps_.client)) return false;
  --strangers_;
  lower(networks_, network_of(key));
  lower(outsiders_, key);
  const auto found = minutes_.find(key);
  if (found != minutes_.end() && now - found->second.begin < minute && found->second.count > 0)
    --found->second.count;
  look();
  return true;
}

void ConnectionLimits::look() noexcept {
  const auto taken = [this](std::size_t fifths) {
    return 5 * open_ >= fifths * caps_.total || 5 * strangers_ >= fifths * caps_.strangers;
  };
  over_.store(open_ > caps_.total, std::memory_order_relaxed);
  stressed_.store(taken(stressed_.load(std::memory_order_relaxed) ? 3 : 4), std::memory_order_relaxed);
}

void ConnectionLimits::set_caps(const ConnectionCaps& caps) {
  const std::lock_guard lock(mutex_);
  caps_ = caps;
  look();
}

std::size_t ConnectionLimits::open() const {
  const std::lock_guard lock(mutex_);
  return open_;
}

std::size_t ConnectionLimits::strangers() const {
  const std::lock_guard lock(mutex_);
  return strangers_;
}

std::size_t ConnectionLimits::counted() const {
  const std::lock_guard lock(mutex_);
  return minutes_.size();
}

}  // namespace sealpost::intake
