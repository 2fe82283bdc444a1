// SPDX-License-Identifier: Apache-2.0
#include "delivery/hosts.hpp"

#include <algorithm>

namespace sealpost::delivery {
namespace {
constexpr std::size_t remembered_hosts = 100'000;
constexpr auto limit_believed = std::chrono::hours(1);
constexpr auto crowd_believed = std::chrono::minutes(10);
constexpr auto alive_for = std::chrono::minutes(1);
constexpr auto encryption_believed = std::chrono::hours(24);
constexpr auto offer_doubted = std::chrono::hours(24);
}  // namespace

HostRegistry::Lease& HostRegistry::Lease::operator=(Lease&& other) noexcept {
  if (this != &other) {
    release();
    registry_ = std::exchange(other.registry_, nullptr);
    host_ = std::move(other.host_);
    door_ = std::move(other.door_);
    up_ = other.up_;
  }
  return *this;
}

void HostRegistry::Lease::release() noexcept {
  if (auto* registry = std::exchange(registry_, nullptr)) registry->give_back(host_, door_, up_);
}

void HostRegistry::Lease::greeted(SteadyTime now) {
  if (registry_ == nullptr || std::exchange(up_, true)) return;
  const std::lock_guard lock(registry_->mutex_);
  Door& door = registry_->doors_[door_];
  door.alive = now;
  door.limit = std::max(door.limit, ++door.up);  // it takes these: those under way were not counted
}

void HostRegistry::Lease::worked(SteadyTime now) {
  if (registry_ == nullptr) return;
  const std::lock_guard lock(registry_->mutex_);
  registry_->doors_[door_].alive = now;
}

std::string HostRegistry::door_of(const std::string& host, const Endpoint& endpoint) {
  return host + " " + endpoint.to_string();
}

HostRegistry::Lease HostRegistry::acquire(const std::string& host, const Endpoint& endpoint, SteadyTime now) {
  std::string name = door_of(host, endpoint);
  const std::lock_guard lock(mutex_);
  if (open_ >= most_in_all_) return Lease();
  Entry& entry = hosts_[host];
  if (entry.open >= most_) return Lease();
  Door& door = doors_[name];
  if (now < door.limit_until && door.open >= door.limit) return Lease();
  ++door.open;
  ++entry.open;
  ++open_;
  return Lease(*this, host, std::move(name));
}

bool HostRegistry::crowded(const std::string& host, const Endpoint& endpoint, SteadyTime now) {
  const std::lock_guard lock(mutex_);
  const auto it = doors_.find(door_of(host, endpoint));
  if (it == doors_.end() || it->second.up == 0 || now - it->second.alive > alive_for) return false;
  if (doors_.size() >= remembered_hosts)
    std::erase_if(doors_, [](const auto& item) { return item.second.open == 0; });
  it->second.limit = it->second.up;
  it->second.limit_until = now + crowd_believed;
  return true;
}

std::optional<std::uint32_t> HostRegistry::connection_limit(const std::string& host, const Endpoint& endpoint,
                                                            SteadyTime now) const {
  const std::lock_guard lock(mutex_);
  const auto it = doors_.find(door_of(host, endpoint));
  if (it == doors_.end() || now >= it->second.limit_until) return std::nullopt;
  return it->second.limit;
}

void HostRegistry::give_back(const std::string& host, const std::string& door, bool up) noexcept {
  const std::lock_guard lock(mutex_);
  if (const auto at = doors_.find(door); at != doors_.end()) {
    if (up) --at->second.up;
    if (--at->second.open == 0 && at->second.limit_until == SteadyTime::min()) doors_.erase(at);
  }
  const auto it = hosts_.find(host);
  if (it == hosts_.end()) return;
  --open_;
  if (--it->second.open == 0 && it->second.plain()) hosts_.erase(it);
}

// Under the lock.
HostRegistry::Entry& HostRegistry::entry_for(const std::string& host) {
  if (hosts_.size() >= remembered_hosts)
    std::erase_if(hosts_, [](const auto& item) { return item.second.open == 0; });
  return hosts_[host];
}

std::uint32_t HostRegistry::open() const {
  const std::lock_guard lock(mutex_);
  return open_;
}

bool HostRegistry::full() const {
  const std::lock_guard lock(mutex_);
  return open_ >= most_in_all_;
}

void HostRegistry::unreachable(const std::string& host, SteadyTime until) {
  const std::lock_guard lock(mutex_);
  entry_for(host).avoid_until = until;
}

void HostRegistry::reached(const std::string& host) {
  const std::lock_guard lock(mutex_);
  const auto it = hosts_.find(host);
  if (it == hosts_.end()) return;
  it->second.avoid_until = SteadyTime::min();
  if (it->second.open == 0 && it->second.plain()) hosts_.erase(it);
}

bool HostRegistry::avoid(const std::string& host, SteadyTime now) const {
  const std::lock_guard lock(mutex_);
  const auto it = hosts_.find(host);
  return it != hosts_.end() && now < it->second.avoid_until;
}

void HostRegistry::learn_session_limit(const std::string& host, std::uint32_t messages, SteadyTime now) {
  const std::lock_guard lock(mutex_);
  Entry& entry = entry_for(host);
  entry.session_limit = messages;
  entry.limit_until = now + limit_believed;
}

std::optional<std::uint32_t> HostRegistry::session_limit(const std::string& host, SteadyTime now) const {
  const std::lock_guard lock(mutex_);
  const auto it = hosts_.find(host);
  if (it == hosts_.end() || now >= it->second.limit_until) return std::nullopt;
  return it->second.session_limit;
}

void HostRegistry::wants_encryption(const std::string& host, SteadyTime now) {
  const std::lock_guard lock(mutex_);
  entry_for(host).encrypted_until = now + encryption_believed;
}

bool HostRegistry::encryption_wanted(const std::string& host, SteadyTime now) const {
  const std::lock_guard lock(mutex_);
  const auto it = hosts_.find(host);
  return it != hosts_.end() && now < it->second.encrypted_until;
}

void HostRegistry::knows_no_chunks(const std::string& host, SteadyTime now) {
  const std::lock_guard lock(mutex_);
  entry_for(host).no_chunks_until = now + offer_doubted;
}

bool HostRegistry::no_chunks(const std::string& host, SteadyTime now) const {
  const std::lock_guard lock(mutex_);
  const auto it = hosts_.find(host);
  return it != hosts_.end() && now < it->second.no_chunks_until;
}

}  // namespace sealpost::delivery
