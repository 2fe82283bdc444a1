// SPDX-License-Identifier: Apache-2.0
//
// ConnectionLimits: how many sessions are open, in all and from one client; shared by all workers (T-27). A
// client is one IPv4 address or one IPv6 /64, since a host may use all of it; its network is the /24 or /48.
//
// Strangers, who may not relay, get a share of the places and no more. Those who may relay can have all of them: when
// both together are more than there are places, the strangers give way (over(), Acceptor::make_room). A guest is a
// stranger who may still authenticate, and then is none: many of them come from one address, an office or a host of
// programs, so one address may have more at a time, and those who keep their word are not counted as having come.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "sealpost/clock.hpp"
#include "sealpost/ip_address.hpp"

namespace sealpost::intake {

enum class Standing : std::uint8_t { stranger, guest, trusted };

struct ConnectionCaps {
  ConnectionCaps() = default;
  std::uint32_t total = 20'000;
  std::uint32_t client = 2'000;         // from one client that may relay
  std::uint32_t stranger = 10;          // from one client that may not
  std::uint32_t guest = 50;             // from one client that has not authenticated yet
  std::uint32_t strangers = 5'000;      // from all of these together
  std::uint32_t stranger_network = 50;  // from one network of theirs
  std::uint32_t guest_network = 250;
  std::uint32_t accounts =
      16'000;  // places up to which accounts count as those who may relay; above they give way
  std::uint32_t stranger_rate = 60;  // connections a minute from one of them
};

class ConnectionLimits {
  using Key = std::array<std::uint8_t, 8>;  // of a client, or of its network

 public:
  explicit ConnectionLimits(const ConnectionCaps& caps) : caps_(caps) {}
  ConnectionLimits(const ConnectionLimits&) = delete;
  ConnectionLimits& operator=(const ConnectionLimits&) = delete;

  // One open session; gives its place back when destroyed. False: none was free.
  class Slot {
   public:
    Slot() noexcept = default;
    Slot(Slot&& other) noexcept
        : limits_(std::exchange(other.limits_, nullptr)), key_(other.key_), trusted_(other.trusted_) {}
    // Its client is no stranger any more, if there is a place for another of those; `now` as for enter().
    void becomes_trusted(SteadyTime now) {
      if (limits_ && !trusted_) trusted_ = limits_->promote(key_, now);
    }
    bool trusted() const noexcept { return trusted_; }
    Slot& operator=(Slot&& other) noexcept {
      std::swap(limits_, other.limits_);
      std::swap(key_, other.key_);
      std::swap(trusted_, other.trusted_);
      return *this;
    }
    ~Slot() {
      if (limits_) limits_->leave(key_, trusted_);
    }
    explicit operator bool() const noexcept { return limits_ != nullptr; }

   private:
    friend class ConnectionLimits;
    Slot(ConnectionLimits& limits, const Key& key, bool trusted) noexcept
        : limits_(&limits), key_(key), trusted_(trusted) {}
    ConnectionLimits* limits_ = nullptr;
    Key key_{};
    bool trusted_ = false;
  };

  Slot enter(const IpAddress& client, Standing standing, SteadyTime now = {});  // any thread
  // More sessions than places: each end of a stranger's brings it down. Any thread, cheap.
  bool over() const noexcept { return over_.load(std::memory_order_relaxed); }
  // Nearly all that strangers may have is taken, or nearly all there is: from four fifths on, until it is three fifths.
  bool stressed() const noexcept { return stressed_.load(std::memory_order_relaxed); }
  void set_caps(const ConnectionCaps& caps);  // for those who come from now on
  std::size_t open() const;
  std::size_t strangers() const;
  std::size_t counted() const;  // strangers whose connections of the last minute are known

 private:
  struct Minute {  // of one stranger's connections
    SteadyTime begin{};
    std::uint32_t count = 0;
  };
  struct Hash {
    std::size_t operator()(const Key& key) const noexcept;
  };
  using Counts = std::unordered_map<Key, std::uint32_t, Hash>;
  static bool raise(Counts& counts, const Key& key, std::uint32_t most);
  static void lower(Counts& counts, const Key& key) noexcept;
  bool comes_too_often(const Key& key, SteadyTime now);
  void leave(const Key& key, bool trusted) noexcept;
  bool promote(const Key& key, SteadyTime now);
  void look() noexcept;

  std::atomic<bool> over_{false}, stressed_{false};

  mutable std::mutex mutex_;  // guards all
  ConnectionCaps caps_;
  std::size_t open_ = 0;
  std::size_t strangers_ = 0;  // of these
  // Only those with open sessions: at most thrice caps_.total. Of clients that may relay; of strangers, and their networks.
  Counts clients_, outsiders_, networks_;
  SteadyTime swept_{};
  std::unordered_map<Key, Minute, Hash> minutes_;  // most_minutes at most
};

}  // namespace sealpost::intake
