// SPDX-License-Identifier: Apache-2.0
//
// SmartHost: a [[route]] that is more than the name of a relay: hosts to choose from, TLS from the first octet, a level of TLS
// that it asks for, an account to log in with (docs/smart-hosts.md). What a partner rule demands of the recipient's domain or of
// the host holds beside it. Shared by all workers, and made anew by a reload.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "auth/sasl_client.hpp"
#include "route/mx_lookup.hpp"
#include "sealpost/partner.hpp"

namespace sealpost::delivery {

struct Plan;

// Of several with the same preference the heavier one is more often the first (RFC 2782); the others follow when it fails.
struct SmartHostChoice {
  std::string name;
  std::uint16_t preference = 10, weight = 1;
};

class SmartHost {
 public:
  std::string name;                    // of the route, for people and for lanes
  std::string relay;                   // as lanes have it for their next hop
  std::vector<SmartHostChoice> hosts;  // empty: as the lane's next hop says
  bool implicit_tls = false;
  PartnerLevel level = PartnerLevel::opportunistic;    // encrypt or verify where there is an account
  std::shared_ptr<const auth::ClientAccount> account;  // null: nobody logs in
  bool lacks_account =
      false;         // there was one, and the route is kept as it was without it (ADR 15): nobody goes there
  std::string file;  // where the route is written
  unsigned line = 0;

  MxSet choose(const RandomSource& random) const;
  // What it demands, as a rule, of a host that proves itself by `names`; none: nothing of its own.
  std::optional<PartnerRule> rule(PartnerRule::Names names = PartnerRule::Names::mx) const;

  // A host that has said no to our account is not asked again by every message: for a minute, then two, up to an hour, nobody
  // logs in. Empty: one may try; else why not.
  // Until a login has worked, and after one that was refused, one at a time tries: thirty couriers with the same wrong password
  // would lock the account before they heard of each other.
  class Turn {
   public:
    explicit Turn(const SmartHost& smart_host) noexcept : smart_host_(&smart_host) {}
    Turn(Turn&& other) noexcept : smart_host_(std::exchange(other.smart_host_, nullptr)) {}
    Turn& operator=(Turn&&) = delete;
    ~Turn();

   private:
    const SmartHost* smart_host_;
  };
  std::optional<Turn> turn() const;  // nothing: somebody else has it

  std::string waits(SteadyTime now) const;
  void refused(const std::string& why, SteadyTime now) const;
  void accepted() const;

 private:
  mutable std::mutex mutex_;
  mutable std::string why_;
  mutable SteadyTime until_ = SteadyTime::min();
  mutable unsigned refusals_ = 0;  // in a row
  mutable bool known_ = false;     // the last login worked
  mutable unsigned turns_ = 0;
};
using SmartHostPtr = std::shared_ptr<const SmartHost>;

}  // namespace sealpost::delivery
