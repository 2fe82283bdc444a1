// SPDX-License-Identifier: Apache-2.0
//
// Limits that an operator sets for destinations ([[limit]]): who they are for, which one counts, and how many messages may
// leave in a time. They only slow mail down; what is asked of a session is decided elsewhere.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "queue/site.hpp"
#include "sealpost/clock.hpp"

namespace sealpost::delivery {

struct Rate {
  Rate() = default;
  Rate(std::uint32_t messages_, std::chrono::seconds per_) : messages(messages_), per(per_) {}
  std::uint32_t messages = 1;
  std::chrono::seconds per{60};
  // "100/min", "5/s", "1000/h", "20000/d".
  static std::optional<Rate> parse(std::string_view text);
  std::string to_string() const;
  bool operator==(const Rate&) const = default;
};

// One [[limit]]. It is for a domain, for a site (just these hosts) or for hosts; what is absent it leaves to others.
struct TrafficLimit {
  enum class By : std::uint8_t { domain, site, mx };
  TrafficLimit() = default;
  By by = By::domain;
  std::string of;  // a name, "*.name" or "*"; a site: its hosts in order, a space between
  std::optional<std::uint32_t> connections, messages_per_connection, recipients_per_transaction;
  std::optional<Rate> rate;
  std::string name() const;  // for people: limit mx = "*.example.net"
};

// What holds for one destination. What counts something holds twice, for the domain and for its site; of several, and for
// what counts nothing, the most specific limit that sets it.
struct Traffic {
  template <class T>
  struct Bound {
    Bound() = default;
    T value{};
    std::string by;  // the limit's name()
  };
  Traffic() = default;
  std::optional<Bound<std::uint32_t>> domain_connections, site_connections;
  std::optional<Bound<Rate>> domain_rate, site_rate;
  std::optional<Bound<std::uint32_t>> messages_per_connection, recipients_per_transaction;
  bool paced() const noexcept { return domain_rate || site_rate; }
};

// The name of the site of these hosts: in order, each once.
std::string site_name(std::vector<std::string> hosts);

// For a domain before for a site before for hosts, of which one is enough; a name before a pattern, a longer pattern before a
// shorter one; "*" last.
Traffic traffic_for(const std::vector<TrafficLimit>& limits, std::string_view domain,
                    const std::vector<std::string>& hosts);

// What the limits say of the sites that there are, at once: one may wait for others that have no reason to plan anew soon.
void limit_sites(const queue::Sites& sites, const std::vector<TrafficLimit>& limits);
void limit_site(queue::Site& site, const Traffic& traffic);

// Whose turn is when. Evenly: a tenth of a second's worth at once. Each turn is booked by whoever asks, who comes back when it
// has come: a thousand domains of one site wake one by one and not all for each turn. Shared by all workers; bounded: beyond
// 100,000 those who have no turn left are forgotten, and if that is not enough the half that has its next one soonest.
class RateKeeper {
 public:
  // The next turn of `whose` under this rate, now or later; it is taken.
  SteadyTime book(const std::string& whose, const Rate& rate, SteadyTime now);
  std::size_t size() const;

 private:
  static constexpr std::size_t most_remembered = 100'000;
  void make_room(SteadyTime now);
  mutable std::mutex mutex_;  // guards what follows
  std::unordered_map<std::string, SteadyTime> next_;
};

}  // namespace sealpost::delivery
