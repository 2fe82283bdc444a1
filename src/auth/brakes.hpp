// SPDX-License-Identifier: Apache-2.0
//
// Guessing passwords is slow (T-31). Failures are counted by name and network together, by network (an IPv4 address, an IPv6
// /64), and by name. The first two refuse, for growing times; the last only makes everybody wait a little who has not logged
// in from there before, so that strangers who try a name lock nobody out (ADR 36). All by steady time, in tables of bounded
// size, forgotten after an hour without a failure. Thread-safe.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>

#include "auth/bounded_table.hpp"
#include "sealpost/clock.hpp"
#include "sealpost/ip_address.hpp"

namespace sealpost::auth {

struct BrakeSettings {
  BrakeSettings() = default;
  std::uint32_t free_of_pair = 5;  // failures of one name from one network before it is refused
  std::uint32_t free_of_network =
      20;  // of all names, and as many again for each name that has logged in from there
  std::uint32_t free_of_name = 10;               // from everywhere, before who is new there has to wait
  std::uint32_t most_under_way = 4;              // of a pair that has not logged in; others wait their turn
  std::uint32_t most_under_way_of_network = 32;  // of such pairs
  Duration first_refusal = std::chrono::seconds(30);  // doubles up to
  Duration longest_refusal = std::chrono::minutes(15);
  Duration longest_pause = std::chrono::seconds(4);
  Duration forget = std::chrono::hours(1);
  Duration trust =
      std::chrono::hours(24 * 7);  // so long a login lets its pair pass what others' failures have set
  std::size_t most = 16'384;       // entries of each table, and as many again of those that have logged in
};

class Brakes {
 public:
  explicit Brakes(BrakeSettings settings = {});

  enum class Word : std::uint8_t { go, wait, stop };
  struct Answer {
    Word word = Word::go;
    Duration pause{};    // go: before the password is looked at
    bool known = false;  // has logged in from there
  };
  // go: an attempt is under way, and is ended by leave(), once.
  Answer enter(const IpAddress& client, const std::string& name, SteadyTime now);
  enum class Ending : std::uint8_t { right, wrong, unknown };
  // How long to keep the answer back.
  Duration leave(const IpAddress& client, const std::string& name, Ending ending, SteadyTime now);
  // A look ahead: would it be stopped?
  bool stops(const IpAddress& client, const std::string& name, SteadyTime now);

  struct Counters {
    std::uint64_t failures = 0, stopped = 0, forgotten = 0;
    std::size_t entries = 0;
  };
  Counters counters() const;

 private:
  struct Count {
    std::uint32_t failures = 0, under_way = 0, proven_names = 0;
    SteadyTime last_failure{}, blocked_until{}, proven_at{};
  };
  // Who has logged in is kept apart, so that no crowd of strangers makes us forget him.
  class Counts {
   public:
    explicit Counts(std::size_t most) : strangers_(most), proven_(most) {}
    Count* find(const std::string& key) noexcept;
    Count& at(const std::string& key);  // until the next call
    Count& prove(const std::string& key);
    std::size_t size() const noexcept { return strangers_.size() + proven_.size(); }
    std::size_t forgotten() const noexcept { return strangers_.forgotten() + proven_.forgotten(); }

   private:
    BoundedTable<Count> strangers_, proven_;
  };
  Count& fresh(Counts& table, const std::string& key, SteadyTime now) const;
  bool proven(const Count& pair, SteadyTime now) const noexcept;
  Duration refusal(std::uint32_t failures, std::uint32_t free) const noexcept;
  void count_failure(Count& count, std::uint32_t free, SteadyTime now) const noexcept;

  const BrakeSettings settings_;
  mutable std::mutex mutex_;
  Counts pairs_, networks_, names_;
  std::uint64_t failures_ = 0, stopped_ = 0;
};

// An attempt that is under way: one that is given up counts as a failure.
class Attempt {
 public:
  Attempt(Brakes& brakes, const IpAddress& client, std::string name)
      : brakes_(brakes), client_(client), name_(std::move(name)) {}
  Attempt(const Attempt&) = delete;
  Attempt& operator=(const Attempt&) = delete;
  ~Attempt();

  Brakes::Answer enter(SteadyTime now);
  Duration leave(Brakes::Ending ending, SteadyTime now);
  bool known() const noexcept { return known_; }  // as of enter()

 private:
  Brakes& brakes_;
  const IpAddress client_;
  const std::string name_;
  SteadyTime entered_at_{};
  bool under_way_ = false, known_ = false;
};

}  // namespace sealpost::auth
