// SPDX-License-Identifier: Apache-2.0
//
// ConnectionLimits: how many sessions are open, in all and from one client; shared by all workers (T-27). A
// client is one IPv4 address or one IPv6 /64, since a host may use all of it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "sealpost/ip_address.hpp"

namespace sealpost::intake {

struct ConnectionCaps {
  ConnectionCaps() = default;
  std::uint32_t total = 20'000;
  std::uint32_t client = 2'000;  // from one client that may relay
  std::uint32_t stranger = 10;   // from one client that may not
};

class ConnectionLimits {
  using Key = std::array<std::uint8_t, 8>;

 public:
  explicit ConnectionLimits(const ConnectionCaps& caps) : caps_(caps) {}
  ConnectionLimits(const ConnectionLimits&) = delete;
  ConnectionLimits& operator=(const ConnectionLimits&) = delete;

  // One open session; gives its place back when destroyed. False: none was free.
  class Slot {
   public:
    Slot() noexcept = default;
    Slot(Slot&& other) noexcept : limits_(std::exchange(other.limits_, nullptr)), key_(other.key_) {}
    Slot& operator=(Slot&& other) noexcept {
      std::swap(limits_, other.limits_);
      std::swap(key_, other.key_);
      return *this;
    }
    ~Slot() {
      if (limits_) limits_->leave(key_);
    }
    explicit operator bool() const noexcept { return limits_ != nullptr; }

   private:
    friend class ConnectionLimits;
    Slot(ConnectionLimits& limits, const Key& key) noexcept : limits_(&limits), key_(key) {}
    ConnectionLimits* limits_ = nullptr;
    Key key_{};
  };

  Slot enter(const IpAddress& client, bool trusted);  // any thread
  void set_caps(const ConnectionCaps& caps);          // for those who come from now on
  std::size_t open() const;

 private:
  struct Hash {
    std::size_t operator()(const Key& key) const noexcept;
  };
  void leave(const Key& key) noexcept;

  mutable std::mutex mutex_;  // guards all
  ConnectionCaps caps_;
  std::size_t open_ = 0;
  std::unordered_map<Key, std::uint32_t, Hash>
      clients_;  // only those with open sessions: at most caps_.total
};

}  // namespace sealpost::intake
