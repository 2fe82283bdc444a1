// SPDX-License-Identifier: Apache-2.0
//
// What all workers know about MX hosts: how many connections are open to each, and which ones could not be
// reached lately. The only state that couriers of different workers share; a lock held for a map look-up.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>

#include "sealpost/clock.hpp"

namespace sealpost::delivery {

class HostRegistry {
 public:
  explicit HostRegistry(std::uint32_t most_per_host) : most_(most_per_host) {}

  // One open connection to a host; gives its place back when destroyed.
  class Lease {
   public:
    Lease() noexcept = default;
    Lease(HostRegistry& registry, std::string host) : registry_(&registry), host_(std::move(host)) {}
    Lease(Lease&& other) noexcept
        : registry_(std::exchange(other.registry_, nullptr)), host_(std::move(other.host_)) {}
    Lease& operator=(Lease&& other) noexcept;
    ~Lease() { release(); }
    explicit operator bool() const noexcept { return registry_ != nullptr; }

   private:
    void release() noexcept;
    HostRegistry* registry_ = nullptr;
    std::string host_;
  };
  // Empty when the host has as many connections as it may have.
  Lease acquire(const std::string& host);

  // A host that could not be reached is tried after the others until `until`; it is never left out.
  void unreachable(const std::string& host, SteadyTime until);
  void reached(const std::string& host);
  bool avoid(const std::string& host, SteadyTime now) const;

 private:
  struct Entry {
    std::uint32_t open = 0;
    SteadyTime avoid_until = SteadyTime::min();
  };
  void give_back(const std::string& host) noexcept;
  const std::uint32_t most_;
  mutable std::mutex mutex_;
  std::unordered_map<std::string, Entry> hosts_;
};

}  // namespace sealpost::delivery
