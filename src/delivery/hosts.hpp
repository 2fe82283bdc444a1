// SPDX-License-Identifier: Apache-2.0
//
// What all workers know about MX hosts: how many connections are open to each, which ones could not be reached lately,
// how many connections one takes at once and how many messages in a session, which ones want no mail in clear or in chunks. The only state that couriers of
// different workers share; a lock held for a map look-up. Bounded: beyond 100,000 hosts those without a connection
// are forgotten.
#pragma once

#include <cstdint>
#include <limits>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "delivery/traffic.hpp"
#include "sealpost/clock.hpp"
#include "sealpost/ip_address.hpp"

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
    Lease(HostRegistry& registry, std::string host, std::string door)
        : registry_(&registry), host_(std::move(host)), door_(std::move(door)) {}
    Lease(Lease&& other) noexcept
        : registry_(std::exchange(other.registry_, nullptr)),
          host_(std::move(other.host_)),
          door_(std::move(other.door_)),
          up_(other.up_) {}
    Lease& operator=(Lease&& other) noexcept;
    ~Lease() { release(); }
    explicit operator bool() const noexcept { return registry_ != nullptr; }
    void greeted(SteadyTime now);  // there is a session
    void worked(SteadyTime now);   // it took a message

   private:
    void release() noexcept;
    HostRegistry* registry_ = nullptr;
    std::string host_, door_;
    bool up_ = false;
  };
  // Empty when the host has as many connections as it may have, or takes there, or all hosts together.
  Lease acquire(const std::string& host, const Endpoint& endpoint, SteadyTime now);

  // No session was to be had there. When there are others, of which one was greeted or took a message within a minute, it
  // takes no more than these: that is believed for ten minutes, and true is the answer. False: it takes none.
  bool crowded(const std::string& host, const Endpoint& endpoint, SteadyTime now);
  // How many it takes, as far as is known.
  std::optional<std::uint32_t> connection_limit(const std::string& host, const Endpoint& endpoint,
                                                SteadyTime now) const;

  RateKeeper& rates() noexcept { return rates_; }
  std::uint32_t open() const;
  bool full() const;  // all hosts together: a connection that idles is in the way of another host's

  // A host that could not be reached is tried after the others until `until`; it is never left out.
  void unreachable(const std::string& host, SteadyTime until);
  void reached(const std::string& host);
  bool avoid(const std::string& host, SteadyTime now) const;

  // A session with it was over after so many messages. Believed for an hour, so that a host that gives more later gets
  // its chance.
  void learn_session_limit(const std::string& host, std::uint32_t messages, SteadyTime now);
  std::optional<std::uint32_t> session_limit(const std::string& host, SteadyTime now) const;
  // It refused mail in clear and asked for encryption: for a day no mail is offered to it in clear after a failed
  // handshake.
  void wants_encryption(const std::string& host, SteadyTime now);
  bool encryption_wanted(const std::string& host, SteadyTime now) const;
  // It offers CHUNKING and knows no BDAT: for a day its offer is not believed.
  void knows_no_chunks(const std::string& host, SteadyTime now);
  bool no_chunks(const std::string& host, SteadyTime now) const;

 private:
  struct Entry {
    std::uint32_t open = 0;
    SteadyTime avoid_until = SteadyTime::min();
    std::uint32_t session_limit = 0;
    SteadyTime limit_until = SteadyTime::min();
    SteadyTime encrypted_until = SteadyTime::min();
    SteadyTime no_chunks_until = SteadyTime::min();
    bool plain() const noexcept {  // nothing is known that is worth keeping
      return avoid_until == SteadyTime::min() && limit_until == SteadyTime::min() &&
             encrypted_until == SteadyTime::min() && no_chunks_until == SteadyTime::min();
    }
  };
  // An address of a host: what it takes at once is its own affair.
  struct Door {
    std::uint32_t open = 0, up = 0;  // up: greeted
    std::uint32_t limit = 0;
    SteadyTime alive = SteadyTime::min();
    SteadyTime limit_until = SteadyTime::min();
  };
  static std::string door_of(const std::string& host, const Endpoint& endpoint);
  Entry& entry_for(const std::string& host);

  void give_back(const std::string& host, const std::string& door, bool up) noexcept;
  RateKeeper rates_;
  const std::uint32_t most_;
  const std::uint32_t most_in_all_;
  mutable std::mutex mutex_;  // guards what follows
  std::uint32_t open_ = 0;
  std::unordered_map<std::string, Entry> hosts_;
  std::unordered_map<std::string, Door> doors_;
};

}  // namespace sealpost::delivery
