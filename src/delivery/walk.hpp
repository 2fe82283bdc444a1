// SPDX-License-Identifier: Apache-2.0
//
// Walk: what was met on the way along the hosts of a next hop, and what follows when none would do. A host that
// fails a policy is left for the next one like an unreachable one (RFC 8461 §5.1); only when every host has said
// or shown something that no later attempt can change is the end final: no such host (RFC 5321 §5.1), a host that
// takes no mail (RFC 7504), too big for all (RFC 1870), REQUIRETLS that nobody can serve (RFC 8689 §4.2.1).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "delivery/outcome.hpp"

namespace sealpost::delivery {

class Walk {
 public:
  // T-40: addresses connected to in one attempt, over all hosts.
  static constexpr std::size_t most_endpoints = 16;

  // `endpoints`: how many the attempt has tried before this walk.
  explicit Walk(std::uint64_t size, std::size_t endpoints = 0) noexcept
      : size_(size), endpoints_(endpoints) {}
  std::uint64_t size() const noexcept { return size_; }

  void next_host() noexcept;
  // False: this attempt has tried enough addresses.
  bool take_endpoint() noexcept;

  // What one address or the host's name was good for; the class of the status says whether for now or for good.
  void failed(Refusal refusal);
  // Nothing answered there. Another address of the same host may still have the last word for it.
  void unreachable(Refusal refusal);
  void refused_by_policy(Refusal refusal);
  void absent(
      Refusal refusal);  // the name does not exist or has no address: believed only with a working resolver
  void too_big(std::uint64_t limit, const std::string& host);
  // No further connection: our own limit, or the host's, which has some of ours.
  void no_place(const std::string& host, std::uint16_t preference,
                std::optional<std::uint32_t> limit = std::nullopt);
  // A host that works and is busy with us is waited for: those that come after it are for when it does not work.
  bool waits_before(std::uint16_t preference) const noexcept { return busy_ && preference > *busy_; }
  bool waits() const noexcept { return busy_.has_value(); }

  // Why there is no session. Every host is done with.
  Refusal conclude(const std::string& domain);
  bool some_absent() const noexcept { return absent_; }
  // Nothing was met at all: there was no host left to walk to.
  bool silent() const noexcept { return !policy_ && !passing_ && !final_; }

 private:
  void end_host() noexcept;

  std::uint64_t size_;
  std::size_t endpoints_;
  std::size_t hosts_ = 0, final_hosts_ = 0, too_big_hosts_ = 0;
  bool in_host_ = false, for_good_ = false, for_now_ = false, oversize_ = false;  // of the present host
  bool absent_ = false, no_place_ = false, stopped_early_ = false;
  std::optional<std::uint16_t> busy_;  // the preference of the first host without a place
  std::optional<Refusal> policy_;      // the first, which explains more than a later timeout
  std::optional<Refusal> passing_;     // the last that may pass
  std::optional<Refusal> final_;       // the last that will not
};

}  // namespace sealpost::delivery
