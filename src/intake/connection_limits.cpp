// SPDX-License-Identifier: Apache-2.0
#include "intake/connection_limits.hpp"

#include <algorithm>
#include <cstring>
#include <string_view>

namespace sealpost::intake {

std::size_t ConnectionLimits::Hash::operator()(const Key& key) const noexcept {
  return std::hash<std::string_view>()({reinterpret_cast<const char*>(key.data()), key.size()});
}

ConnectionLimits::Slot ConnectionLimits::enter(const IpAddress& client, bool trusted) {
  // A v4 address stands in the last four octets behind zeros, which is the start of no global v6 prefix.
  Key key{};
  const auto bytes = client.bytes();
  if (client.is_v4())
    std::copy(bytes.begin(), bytes.end(), key.begin() + 4);
  else
    std::copy_n(bytes.begin(), key.size(), key.begin());

  const std::lock_guard lock(mutex_);
  if (open_ >= caps_.total) return {};
  auto& count = clients_[key];
  if (count >= (trusted ? caps_.client : caps_.stranger)) {
    if (count == 0) clients_.erase(key);
    return {};
  }
  ++count;
  ++open_;
  return Slot(*this, key);
}

void ConnectionLimits::leave(const Key& key) noexcept {
  const std::lock_guard lock(mutex_);
  --open_;
  const auto found = clients_.find(key);
  if (--found->second == 0) clients_.erase(found);
}

void ConnectionLimits::set_caps(const ConnectionCaps& caps) {
  const std::lock_guard lock(mutex_);
  caps_ = caps;
}

std::size_t ConnectionLimits::open() const {
  const std::lock_guard lock(mutex_);
  return open_;
}

}  // namespace sealpost::intake
