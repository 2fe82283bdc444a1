// SPDX-License-Identifier: Apache-2.0
//
// Trying rules on recorded sessions: the same decide() and judge() as delivery, given what was seen then and
// the rules one asks about. Requirements are those of now (exceptions, dates); certificates are judged at the
// moment of the session. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "history/session.hpp"
#include "sealpost/partner.hpp"

namespace sealpost::history {

// The part of the configuration that decides besides the rules.
struct Terms {
  Terms() = default;
  TlsVersion minimum = TlsVersion::tls1_2;
  bool dane_satisfies_sts = false;
  SystemTime now{};
};

struct Reason {
  std::string result_type, text;
  std::uint64_t sessions = 0;
  SystemTime first{}, last{};
};

enum class Result : std::uint8_t {
  pass,
  fail,
  unknown,  // the host was passed over then, so nothing is known that this requirement could be held against
};

// One kind of session under these rules.
struct Assessment {
  Result result = Result::unknown;
  DemandFailure failure;  // when it fails: who refuses and why
};

// Everything that holds for the session, the rules included: would it carry mail?
Assessment assess(const Recorded& recorded, const std::vector<PartnerRule>& rules, const Terms& terms);
// One rule's own demand alone, as if it were enforced and without exceptions: audit mode and starts are left out of account,
// and what passes by an exception has not shown that it could without.
Assessment assess_rule(const Recorded& recorded, const PartnerRule& rule, const Terms& terms);

// --- policy replay -------------------------------------------------------------------------------------------------

struct HostReplay {
  std::string domain, mx_host;
  std::uint64_t sessions = 0;
  std::uint64_t passed_then = 0, failed_then = 0;
  std::uint64_t passes_now = 0, fails_now = 0, unknown_now = 0;
  std::uint64_t newly_failing = 0, newly_passing = 0;
  SystemTime first{}, last{};
  std::vector<Reason> reasons;  // of those that fail now, most sessions first
};
struct Replay {
  std::vector<HostReplay> hosts;  // by domain, then host
  std::uint64_t sessions = 0, passed_then = 0, passes_now = 0, unknown_now = 0;
  std::uint64_t newly_failing = 0, newly_passing = 0;
};
Replay replay(const std::vector<Recorded>& sessions, const std::vector<PartnerRule>& rules,
              const Terms& terms);

// The active rules with a draft laid over them: a draft rule takes the place of the rule with its name, and of others
// for the domains and patterns it names. Drafts count as enforced and begun: what they would do, not that they wait.
std::vector<PartnerRule> with_draft(std::vector<PartnerRule> active, std::vector<PartnerRule> draft);

// --- policy readiness ----------------------------------------------------------------------------------------------

struct Readiness {
  std::string partner;
  std::uint64_t sessions = 0, passed = 0, unknown = 0;
  SystemTime first{}, last{};
  std::vector<Reason> reasons;  // most sessions first
  bool ready() const noexcept { return sessions > 0 && passed == sessions; }
  // "412 of 412 sessions in 30 days would have passed"
  std::string to_string(unsigned days, bool audit) const;
};
// For every rule, in order: the sessions it governs, held against it alone. Sessions are looked at and not kept; those of a
// domain are best given one after the other.
class ReadinessOf {
 public:
  ReadinessOf(std::vector<PartnerRule> rules, const Terms& terms);
  ReadinessOf(const ReadinessOf&) = delete;
  ReadinessOf& operator=(const ReadinessOf&) = delete;
  void add(const Recorded& recorded);
  std::vector<Readiness> take();  // once

 private:
  bool governs(std::size_t rule, const std::string& domain) const;

  const std::vector<PartnerRule> rules_;
  const Terms terms_;
  std::vector<Readiness> all_;
  std::vector<std::unordered_map<std::string, std::size_t>> reasons_;  // of each rule, by text
  std::string recipient_domain_, policy_domain_;                       // of the session before
  std::vector<std::size_t> governing_;                                 // the rules that are about these
};
std::vector<Readiness> readiness(const std::vector<Recorded>& sessions, const std::vector<PartnerRule>& rules,
                                 const Terms& terms);

}  // namespace sealpost::history
