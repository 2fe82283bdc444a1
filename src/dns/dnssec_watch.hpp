// SPDX-License-Identifier: Apache-2.0
//
// Whether the resolver's word on DNSSEC can be relied on (T-10): a name known to be signed must come back
// with AD, a name known to be broken must not come back at all. Run at start and from time to time by whoever
// owns it; what it found is read from any thread, by TLSA discovery and by `status`.
#pragma once

#include <atomic>
#include <mutex>
#include <string>
#include <string_view>

#include "dns/resolver.hpp"

namespace sealpost::dns {

struct DnssecProbe {
  DnssecProbe() = default;
  std::string signed_name;  // [dns] signed_name, broken_name; empty: nothing to test with
  std::string broken_name;
};

enum class DnssecState : std::uint8_t {
  untrusted,  // trust_ad does not cover the servers: DANE is off
  assumed,    // trusted, and no names are configured to test it with
  untested,   // the test has not had an answer yet
  no_ad,      // the signed name came without AD and never came with it: DANE is off
  lying,      // the broken name came back: the resolver does not validate; DANE is off
  proven,
  lost,  // it was proven once, and now fails the test
};
std::string_view name_of(DnssecState state) noexcept;

DaneMode dane_mode(DnssecState state) noexcept;

class DnssecWatch {
 public:
  DnssecWatch(Resolver& resolver, bool ad_trusted, DnssecProbe probe);

  // One run of the test; logs every change of state, and at first one that no test will change. On the resolver's loop.
  event::Task<void> test();

  DnssecState state() const noexcept { return state_.load(std::memory_order_acquire); }
  DaneMode mode() const noexcept { return dane_mode(state()); }
  std::string explanation() const;  // for people: why the state is what it is

 private:
  void set(DnssecState state, std::string why);
  void tell(DnssecState state, DnssecState before, const std::string& why) const;
  bool was_proven() const noexcept;

  Resolver& resolver_;
  const DnssecProbe probe_;
  bool told_ = false;  // the state that stays
  std::atomic<DnssecState> state_;
  mutable std::mutex mutex_;  // guards why_
  std::string why_;
};

}  // namespace sealpost::dns
