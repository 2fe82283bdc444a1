// SPDX-License-Identifier: Apache-2.0
#include "delivery/hosts.hpp"

namespace sealpost::delivery {
namespace {
constexpr std::size_t remembered_hosts = 100'000;
constexpr auto limit_believed = std::chrono::hours(1);
constexpr auto encryption_believed = std::chrono::hours(24);
}  // namespace

HostRegistry::Lease& HostRegistry::Lease::operator=(Lease&& other) noexcept {
  if (this != &other) {
    release();
    registry_ = std::exchange(other.registry_, nullptr);
    host_ = std::move(other.host_);
  }
  return *this;
}

void HostRegistry::Lease::release() noexcept {
  if (auto* registry = std::exchange(registry_, nullptr)) registry->give_back(host_);
}

HostRegistry::Lease HostRegistry::acquire(const std::string& host) {
  const std::lock_guard lock(mutex_);
  if (open_ >= most_in_all_) return Lease();
  Entry& entry = hosts_[host];
  if (entry.open >= most_) return Lease();
  ++entry.open;
  ++open_;
  return Lease(*this, host);
}

void HostRegistry::give_back(const std::string& host) noexcept {
  const std::lock_guard lock(mutex_);
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

}  // namespace sealpost::delivery
