// SPDX-License-Identifier: Apache-2.0
//
// Whether the resolvers' word on DNSSEC can be relied on (T-10, ADR 19): a signed name must come back with AD, a
// broken one must not come back at all. Each server is tested by itself, at start and from time to time, by whoever
// owns this; one that fails is not asked while another passes. What was found is read from any thread, by TLSA
// discovery and by `status`.
#pragma once

#include <atomic>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/health.hpp"
#include "dns/resolver.hpp"
#include "event/loop.hpp"
#include "event/wait.hpp"

namespace sealpost::dns {

struct DnssecProbe {
  std::vector<std::string>
      signed_names;  // "" is the root; asked in order until one is answered, for their SOA
  std::vector<std::string> broken_names;  // all are asked for, A
  RrType signed_type = RrType::soa;
};
// Names that work anywhere: the root and signed top-level domains, which a private root has or denies with a signature;
// and zones that are broken on purpose by those who run them. Each is needed only while the others are gone.
DnssecProbe well_known_probe();

struct ProbeReply {
  enum class Kind : std::uint8_t {
    silent,    // no answer, or one that says nothing about the name (REFUSED, NOTIMP, garbage)
    servfail,  // what a validator says of a broken name
    absent,    // NXDOMAIN or no data
    found,
  };
  Kind kind = Kind::silent;
  bool ad = false;
  std::string why;  // for silent and servfail
};

// The servers one by one: ares_resolver, or a table in tests.
class ProbedServers {
 public:
  virtual ~ProbedServers() = default;
  virtual std::size_t servers() const noexcept = 0;
  virtual std::string server_name(std::size_t server) const = 0;
  virtual event::Task<ProbeReply> probe(std::size_t server, std::string name, RrType type) = 0;
  // Unfit servers are asked for nothing but probes while there is a fit one.
  virtual void set_fit(std::size_t server, bool fit) noexcept = 0;
};

enum class DnssecState : std::uint8_t {
  untrusted,    // trust_ad does not cover the servers: DANE is off
  untested,     // no signed name has been answered yet: mail waits where DANE could matter
  no_ad,        // a signed name came without AD, and never came with it: DANE is off
  lying,        // a broken name came back: the resolver does not validate; DANE is off
  signed_only,  // signed names come with AD, and no broken name can be reached: DANE is on
  proven,
  lost,  // DANE was on, and now the test fails
};
std::string_view name_of(DnssecState state) noexcept;

DaneMode dane_mode(DnssecState state) noexcept;

class DnssecWatch {
 public:
  // `health` hears of DANE that is off or in doubt; null where DANE is not wanted.
  DnssecWatch(event::Loop& loop, ProbedServers& servers, bool ad_trusted, DnssecProbe probe,
              Health* health = nullptr);

  // One run of the test; logs every change of state, and at first one that no test will change. On the resolver's loop.
  event::Task<void> test();
  // Until the first run has ended, `limit` at most: what answers are worth is not known before. On the resolver's loop.
  event::Task<void> first_test(Duration limit);

  DnssecState state() const noexcept { return state_.load(std::memory_order_acquire); }
  DaneMode mode() const noexcept { return dane_mode(state()); }
  std::string explanation() const;  // for people: why the state is what it is
  // Answers from before this came when the servers were worth more or less than now; caches do not use them.
  SteadyTime since() const noexcept { return SteadyTime(Duration(since_.load(std::memory_order_acquire))); }

 private:
  struct Standing {
    DnssecState state = DnssecState::untested;
    enum class Broken : std::uint8_t { unknown, withheld, answered } broken = Broken::unknown;
    std::string why = "not tested yet";
    bool was_on = false;
    bool fit = true;
  };
  event::Task<void> test_server(std::size_t server);
  event::Task<void> test_broken(std::size_t server, Standing& standing);
  bool has_tested() const noexcept { return runs_ > 0 || state() == DnssecState::untrusted; }
  event::Task<Expected<void>> tested();
  event::Task<void> keep_probe(std::size_t server, std::string name, ProbeReply& into);
  void conclude();
  void set(DnssecState state, std::string why);
  void tell(DnssecState state, DnssecState before, const std::string& why) const;

  event::Loop& loop_;
  ProbedServers& servers_;
  const DnssecProbe probe_;
  Health* const health_;
  std::vector<Standing> standings_;
  std::uint64_t runs_ = 0;
  event::Signal run_ended_{loop_};
  bool told_ = false;  // the state that stays
  std::atomic<DnssecState> state_;
  std::atomic<Duration::rep> since_{SteadyTime::min().time_since_epoch().count()};
  mutable std::mutex mutex_;  // guards why_
  std::string why_;
};

}  // namespace sealpost::dns
