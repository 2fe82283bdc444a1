// SPDX-License-Identifier: Apache-2.0
//
// What all workers know about MX hosts: how many connections are open to each, and which ones could not be
// reached lately. The only state that couriers of different workers share; a lock held for a map look-up.
#pragma once

#include <cstdint>
#include <limits>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>

#include "sealpost/clock.hpp"

namespace sealpost::delivery {

class HostRegistry {
 public:
  // `most_in_all`: what descriptors there are for connections out (T-27).
  explicit HostRegistry(std::uint32_t most_per_host,
                        std::uint32_t most_in_all = std::numeric_limits<std::uint32_t>::max())
      : most_(most_per_host), most_in_all_(most_in_all) {}

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
  // Empty when the host has as many connections as it may have, or all hosts together.
  Lease acquire(const std::string& host);

  std::uint32_t open() const;
  bool full() const;  // all hosts together: a connection that idles is in the way of another host's

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
  const std::uint32_t most_in_all_;
  mutable std::mutex mutex_;  // guards what follows
  std::uint32_t open_ = 0;
  std::unordered_map<std::string, Entry> hosts_;
};

}  // namespace sealpost::delivery
