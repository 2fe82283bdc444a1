// SPDX-License-Identifier: Apache-2.0
//
// Partner rules: what the operator demands of mail to named domains, whatever those domains publish. The
// value only; reading TOML is src/partner/partner_file, choosing the rule for a domain is find_partner().
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sealpost/believed.hpp"
#include "sealpost/clock.hpp"
#include "sealpost/handshake_facts.hpp"

namespace sealpost {

enum class PartnerLevel : std::uint8_t { none, opportunistic, encrypt, verify, dane, pin };
std::string_view name_of(PartnerLevel level) noexcept;

struct PartnerException {  // break-glass: until then `level` rules instead
  SystemTime until{};
  PartnerLevel level = PartnerLevel::encrypt;
  std::string reason;
  std::string approved_by;
};

struct PartnerRule {
  std::string name;
  std::vector<std::string>
      domains;  // "noord.example", "*.noord.example" (any depth below, not the domain itself), "*" (everybody)
  PartnerLevel level = PartnerLevel::opportunistic;
  std::vector<std::string> mx;  // patterns as in MTA-STS; empty: any
  enum class Names : std::uint8_t { mx, domain, literal };
  Names names = Names::domain;
  std::vector<std::string> literal_names;
  std::vector<std::string> pins;  // SPKI SHA-256, lower-case hex; asked for from level verify on when given
  TlsVersion minimum = TlsVersion::none;
  bool audit = false;  // observe and count, never refuse
  enum class OnFailure : std::uint8_t { bounce, defer, reroute };
  OnFailure on_failure = OnFailure::bounce;
  std::string reroute;  // host:port, for reroute
  // PEM files: what we show to this partner's hosts when they ask for a certificate. Both or neither.
  std::string client_certificate, client_key;
  std::chrono::seconds grace{std::chrono::minutes(15)};
  std::optional<SystemTime> starts, ends, review_by;
  std::string owner, reference;
  std::vector<PartnerException> exceptions;
  std::string file;  // where it was written, for messages
  unsigned line = 0;
  std::string hash;  // SHA-256 of the rule's meaning, hex: what evidence and probe results name
};

// The rule in force for `domain` (lower-case A-labels) at `now`: an exact domain beats a pattern, the longer
// pattern beats the shorter, and "*" is the shortest; rules not yet started or ended are passed over. Null: none.
const PartnerRule* find_partner(const std::vector<PartnerRule>& rules, std::string_view domain,
                                SystemTime now) noexcept;
// All that hold for `domain` while the time is in doubt, at most two: the rule in force at `time.now` and the one under
// the other reading, because the stronger demand holds and only decide() can tell which that is (T-50). A rule that says
// tls = none counts only when it is in force under both. Without doubt one rule at most, find_partner()'s.
std::vector<const PartnerRule*> partners_in_force(const std::vector<PartnerRule>& rules,
                                                  std::string_view domain, const Believed& time);
// The exception in force at `now`; of several the weakest, since each was approved. Null: none.
const PartnerException* exception_at(const PartnerRule& rule, SystemTime now) noexcept;
// The level at `now`, exceptions considered.
PartnerLevel level_at(const PartnerRule& rule, SystemTime now) noexcept;
// Does "noord.example", "*.noord.example" (any depth below, not the domain itself) or "*" cover the domain?
bool is_pattern(std::string_view domain) noexcept;  // the latter two: it stands for more than itself
bool covers(std::string_view pattern, std::string_view domain) noexcept;

}  // namespace sealpost
