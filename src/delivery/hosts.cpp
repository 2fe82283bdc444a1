// SPDX-License-Identifier: Apache-2.0
#include "delivery/hosts.hpp"

namespace sealpost::delivery {
namespace {
constexpr std::size_t remembered_hosts = 100'000;
}

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
  if (--it->second.open == 0 && it->second.avoid_until == SteadyTime::min()) hosts_.erase(it);
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
  if (hosts_.size() >= remembered_hosts)
    std::erase_if(hosts_, [](const auto& item) { return item.second.open == 0; });
  hosts_[host].avoid_until = until;
}

void HostRegistry::reached(const std::string& host) {
  const std::lock_guard lock(mutex_);
  const auto it = hosts_.find(host);
  if (it == hosts_.end()) return;
  it->second.avoid_until = SteadyTime::min();
  if (it->second.open == 0) hosts_.erase(it);
}

bool HostRegistry::avoid(const std::string& host, SteadyTime now) const {
  const std::lock_guard lock(mutex_);
  const auto it = hosts_.find(host);
  return it != hosts_.end() && now < it->second.avoid_until;
}

}  // namespace sealpost::delivery
