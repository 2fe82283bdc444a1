// SPDX-License-Identifier: Apache-2.0
//
// decide(): one demand per source, in the order local rule, REQUIRETLS, DANE, MTA-STS, opportunistic. No step
// looks at what an earlier one asked for in order to ask less, and none removes a demand.
#include <fmt/format.h>

#include <algorithm>

#include "rules/failures.hpp"
#include "sealpost/requirement.hpp"

namespace sealpost {
namespace {

class Decider {
 public:
  explicit Decider(const DecisionFacts& facts) : facts_(facts) {
    decision_.requirement.policy_domain = facts.policy_domain;
    decision_.requirement.mx_host = facts.mx_host;
    if (dane_rules()) tlsa_set_ = tlsa_digest(facts.dane.usable);
  }

  Decision run() {
    if (!facts_.partner && !facts_.hop_partner) trace("no partner rule covers {}", facts_.policy_domain);
    if (facts_.partner) partner(*facts_.partner);
    if (facts_.hop_partner) partner(*facts_.hop_partner);
    for (const PartnerRule& rule : facts_.doubted) {
      trace("the clock is in doubt: a rule holds that would be in force under either reading");
      partner(rule);
    }
    requiretls();
    message();
    dane();
    mta_sts();
    opportunistic();
    leave_out_tls();
    find_skip();
    return std::move(decision_);
  }

 private:
  template <class... Args>
  void trace(fmt::format_string<Args...> format, Args&&... args) {
    if (facts_.explain) decision_.trace.push_back(fmt::format(format, std::forward<Args>(args)...));
  }

  // TLS-Required: No (RFC 8689 §4.2.2) turns what recipients publish into observations. The MAIL parameter
  // REQUIRETLS beats the header (§4.1), and a local rule never hears of it (P1, T-61).
  bool relaxed() const noexcept { return facts_.flags.tls_required_no && !facts_.flags.requiretls; }

  // A policy that is published but could not be fetched, a resolver that cannot validate now: trouble that passes.
  bool somebody_might_vouch_later() const noexcept {
    return facts_.sts.kind == StsState::Kind::fetch_failed || facts_.sts.kind == StsState::Kind::unknown ||
           facts_.dane.kind == DaneState::Kind::failed;
  }

  bool dane_rules() const noexcept { return facts_.dane.kind == DaneState::Kind::usable; }

  const MtaStsPolicy* sts_policy() const noexcept {
    if (facts_.sts.kind != StsState::Kind::policy || !facts_.sts.policy) return nullptr;
    return facts_.sts.policy->mode == StsMode::none ? nullptr : &*facts_.sts.policy;
  }

  Demand demand(Source source, Force force) const {
    Demand made;
    made.source = source;
    made.force = force;
    return made;
  }

  void ask_for_tls(Demand& to, TlsVersion minimum = TlsVersion::none) const {
    to.starttls = true;
    to.minimum = std::max(facts_.default_minimum, minimum);
  }

  void ask_for_webpki_of_mx(Demand& to) const {
    to.webpki = true;
    to.match_mx_name = true;
  }

  void ask_for_tlsa(Demand& to) const {
    to.tlsa = facts_.dane.usable;
    to.tlsa_set = tlsa_set_;
    to.tlsa_names = facts_.dane.names;
    if (to.tlsa_names.empty()) to.tlsa_names.push_back(facts_.dane.base_domain);
  }

  void add(Demand made) { decision_.requirement.demands.push_back(std::move(made)); }

  void partner(const PartnerRule& rule);
  void ask_for_names(Demand& to, const PartnerRule& rule) const;
  void ask_for_dane_only(Demand& to) const;
  void requiretls();
  void message();
  void dane();
  void mta_sts();
  void unknown_policy();
  void opportunistic();
  void leave_out_tls();
  void find_skip();
  const DemandFailure* reason_to_skip(const Demand& of, DemandFailure& mx_failure) const;

  const DecisionFacts& facts_;
  Decision decision_;
  std::string tlsa_set_;
};

void Decider::partner(const PartnerRule& rule) {
  const PartnerException* exception = exception_at(rule, facts_.now);
  const PartnerLevel level = level_at(rule, facts_.now);
  trace("partner rule '{}' ({}:{}): tls = {}{}", rule.name, rule.file, rule.line, name_of(level),
        rule.audit ? ", audit only" : "");

  Demand asked = demand(Source::partner, rule.audit ? Force::observe : Force::enforce);
  asked.origin = rule.name;
  asked.version = rule.hash;
  asked.mx_patterns = rule.mx;
  if (exception != nullptr) {
    asked.note = fmt::format("exception until {}: {} (approved by {})", to_rfc3339(exception->until),
                             exception->reason, exception->approved_by);
    trace("  {}; without it tls = {}", asked.note, name_of(rule.level));
  }
  const bool encrypted = level >= PartnerLevel::encrypt;
  if (encrypted) ask_for_tls(asked, rule.minimum);
  if (level >= PartnerLevel::verify) asked.pins = rule.pins;
  if (level == PartnerLevel::verify) ask_for_names(asked, rule);
  if (level == PartnerLevel::dane) ask_for_dane_only(asked);
  if (level == PartnerLevel::pin &&
      asked.pins.empty())  // a rule that cannot be met must not turn into encrypt
    asked.unmet.push_back(failures::pin_mismatch(decision_.requirement, asked, "(no pin is configured)"));
  if (encrypted || !asked.mx_patterns.empty()) add(std::move(asked));
}

void Decider::ask_for_names(Demand& to, const PartnerRule& rule) const {
  to.webpki = true;
  switch (rule.names) {
    case PartnerRule::Names::mx: to.match_mx_name = true; return;
    case PartnerRule::Names::domain: to.match_domain = true; return;
    case PartnerRule::Names::literal:
      to.match_names = rule.literal_names;
      to.match_mx_name = rule.literal_names.empty();  // nothing to compare with is not "anything goes"
      return;
  }
}

// Mandatory DANE (RFC 7672 §6): what would be opportunistic elsewhere is a failure here.
void Decider::ask_for_dane_only(Demand& to) const {
  const auto missing = [&](std::string_view why) {
    to.unmet.push_back(failures::dane_required(decision_.requirement, to, why));
  };
  switch (facts_.dane.kind) {
    case DaneState::Kind::disabled: return missing("DANE is switched off or the resolver is not trusted");
    case DaneState::Kind::none: return missing("it has no TLSA records signed by DNSSEC");
    case DaneState::Kind::unusable: return missing("none of its TLSA records is usable for mail");
    case DaneState::Kind::failed:
      to.unmet.push_back(failures::tlsa_lookup_failed(decision_.requirement, facts_.dane.base_domain,
                                                      facts_.dane.failure_reason));
      return;
    case DaneState::Kind::usable: break;
  }
  ask_for_tlsa(to);
  if (!facts_.mx_secure) missing("the MX records that name it are not signed by DNSSEC");
}

// RFC 8689 §4.2.1: the name of the host authenticated, a certificate good for it by WebPKI or DANE, and the
// offer to treat the message likewise further on.
void Decider::requiretls() {
  if (!facts_.flags.requiretls) return;
  Demand asked = demand(Source::requiretls, Force::enforce);
  ask_for_tls(asked);
  asked.requiretls_offer = !facts_.null_reverse_path;
  if (dane_rules())
    ask_for_tlsa(asked);
  else
    ask_for_webpki_of_mx(asked);
  const MtaStsPolicy* policy = sts_policy();
  const bool sts_vouches = policy != nullptr && policy->mode == StsMode::enforce;
  if (!facts_.mx_secure && sts_vouches) asked.mx_patterns = policy->mx;
  if (!facts_.mx_secure && !sts_vouches)
    asked.unmet.push_back(
        failures::mx_not_authenticated(decision_.requirement, somebody_might_vouch_later()));
  trace("REQUIRETLS: host name vouched for by {}, certificate checked by {}",
        facts_.mx_secure ? "DNSSEC"
        : sts_vouches    ? "MTA-STS"
                         : "nobody",
        dane_rules() ? "DANE" : "WebPKI");
  add(std::move(asked));
}

// Asked for with the message, and of the next hop alone. What authenticates a host is what REQUIRETLS takes for it, but who
// vouches for its name is not asked: the rules of the recipient's domain and of the operator are for that.
void Decider::message() {
  const TlsNeed need = facts_.flags.tls_need;
  if (need == TlsNeed::none) return;
  Demand asked = demand(Source::message, Force::enforce);
  ask_for_tls(asked);
  if (need == TlsNeed::verify) {
    if (dane_rules())
      ask_for_tlsa(asked);
    else
      ask_for_webpki_of_mx(asked);
  }
  trace("the message's sender asks for tls = {}{}", name_of(need),
        need != TlsNeed::verify ? ""
        : dane_rules()          ? ", certificate checked by DANE"
                                : ", certificate checked by WebPKI");
  add(std::move(asked));
}

void Decider::dane() {
  const DaneState& dane = facts_.dane;
  Demand asked = demand(Source::dane, relaxed() ? Force::observe : Force::enforce);
  asked.origin = dane.base_domain;
  switch (dane.kind) {
    case DaneState::Kind::disabled:
      if (dane.failure_reason.empty()) return trace("DANE: switched off");
      return trace("DANE: not looked at, because {}", dane.failure_reason);
    case DaneState::Kind::none: return trace("DANE: no TLSA records signed by DNSSEC for {}", facts_.mx_host);
    case DaneState::Kind::usable:
      ask_for_tls(asked);
      ask_for_tlsa(asked);
      asked.version = asked.tlsa_set;
      trace("DANE: {} usable TLSA records at {}{}", dane.usable.size(), dane.base_domain,
            facts_.mx_secure
                ? ""
                : "; the MX records are unsigned, so the domain is not authenticated (RFC 7672 §2.2.1)");
      break;
    case DaneState::Kind::unusable:  // RFC 7672 §2.2: TLS all the same, without authentication
      ask_for_tls(asked);
      asked.version = tlsa_digest(dane.all);
      asked.unmet.push_back(failures::tlsa_unusable(dane.base_domain));
      trace("DANE: {} TLSA records at {}, none usable: TLS without authentication", dane.all.size(),
            dane.base_domain);
      break;
    case DaneState::Kind::failed:
      ask_for_tls(asked);
      asked.unmet.push_back(
          failures::tlsa_lookup_failed(decision_.requirement, dane.base_domain, dane.failure_reason));
      trace("DANE: TLSA lookup failed ({}): what is published is unknown", dane.failure_reason);
      break;
  }
  if (relaxed()) trace("  TLS-Required: No, so DANE is only observed");
  add(std::move(asked));
}

// There may be a policy that enforces: until that is known, nothing less is done (D-24).
void Decider::unknown_policy() {
  Demand asked = demand(Source::mta_sts, relaxed() ? Force::observe : Force::enforce);
  ask_for_tls(asked, TlsVersion::tls1_2);
  asked.unmet.push_back(failures::sts_unknown(decision_.requirement));
  trace("MTA-STS: what was cached cannot be read, so a policy may be in force: mail waits");
  add(std::move(asked));
}

void Decider::mta_sts() {
  const StsState& sts = facts_.sts;
  const MtaStsPolicy* policy = sts_policy();
  if (policy == nullptr) {
    switch (sts.kind) {
      case StsState::Kind::disabled: return trace("MTA-STS: switched off");
      case StsState::Kind::none: return trace("MTA-STS: no policy");
      case StsState::Kind::fetch_failed:
        return trace("MTA-STS: record {} but no policy: {} {}", sts.id, sts.failure_type, sts.failure_reason);
      case StsState::Kind::policy: return trace("MTA-STS: policy {} has mode none", sts.id);
      case StsState::Kind::unknown: return unknown_policy();
    }
    return;
  }
  const bool dane_decides = facts_.dane_satisfies_sts && dane_rules() && !relaxed();
  const bool enforced = policy->mode == StsMode::enforce && !relaxed() && !dane_decides;
  Demand asked = demand(Source::mta_sts, enforced ? Force::enforce : Force::observe);
  asked.origin = sts.id;
  asked.version = sts.id;
  ask_for_tls(asked, TlsVersion::tls1_2);  // RFC 8461 §7.2
  ask_for_webpki_of_mx(asked);
  asked.mx_patterns = policy->mx;
  trace("MTA-STS: policy {} has mode {}, expires {}", sts.id, name_of(policy->mode), to_rfc3339(sts.expires));
  if (!sts.failure_type.empty()) trace("  its refresh fails: {} {}", sts.failure_type, sts.failure_reason);
  if (dane_decides) trace("  DANE alone decides (dane_satisfies_sts), so MTA-STS is only observed");
  if (relaxed()) trace("  TLS-Required: No, so MTA-STS is only observed");
  add(std::move(asked));
}

// Nothing is published: encryption when it can be had, never a reason to refuse (RFC 7435). Observed, because a
// session without TLS counts as a failure in TLS-RPT (RFC 8460 §4.2.2).
void Decider::opportunistic() {
  const auto published = [](const Demand& made) {
    return made.source == Source::dane || made.source == Source::mta_sts;
  };
  const auto& demands = decision_.requirement.demands;
  if (std::any_of(demands.begin(), demands.end(), published)) return;
  Demand asked = demand(Source::opportunistic, Force::observe);
  asked.starttls = true;
  trace("opportunistic TLS: used when offered");
  add(std::move(asked));
}

// tls = none: TLS is broken there. What others enforce stands all the same; what they only observe is left out with
// the TLS it would look at, so that nobody is sent a report about our choice.
void Decider::leave_out_tls() {
  const auto says_none = [this](const std::optional<PartnerRule>& rule) {
    return rule && level_at(*rule, facts_.now) == PartnerLevel::none;
  };
  if (!says_none(facts_.partner) && !says_none(facts_.hop_partner)) return;
  if (decision_.requirement.tls_required()) return;
  decision_.try_tls = false;
  std::erase_if(decision_.requirement.demands,
                [](const Demand& made) { return made.source != Source::partner && !made.enforced(); });
  trace("TLS is left out, because a rule says so and nobody enforces it");
}

const DemandFailure* Decider::reason_to_skip(const Demand& of, DemandFailure& mx_failure) const {
  for (const DemandFailure& failure : of.unmet)
    if (!failure.report_only) return &failure;
  const auto matches = [this](const std::string& pattern) { return mx_matches(pattern, facts_.mx_host); };
  if (of.mx_patterns.empty() || std::any_of(of.mx_patterns.begin(), of.mx_patterns.end(), matches))
    return nullptr;
  mx_failure = failures::mx_not_allowed(decision_.requirement, of);
  return &mx_failure;
}

void Decider::find_skip() {
  for (const Demand& asked : decision_.requirement.demands) {
    DemandFailure mx_failure;
    const DemandFailure* reason = asked.enforced() ? reason_to_skip(asked, mx_failure) : nullptr;
    if (reason == nullptr) continue;
    decision_.skip = HostSkip{asked.source,        asked.origin,   reason->result_type,
                              reason->reason_code, reason->status, reason->text};
    return;
  }
}

}  // namespace

std::string_view name_of(Source source) noexcept {
  switch (source) {
    case Source::partner: return "partner";
    case Source::requiretls: return "requiretls";
    case Source::message: return "message";
    case Source::dane: return "dane";
    case Source::mta_sts: return "mta-sts";
    case Source::opportunistic: return "opportunistic";
  }
  return "unknown";
}

std::optional<TlsNeed> tls_need_of(std::string_view word) noexcept {
  if (word == name_of(TlsNeed::encrypt)) return TlsNeed::encrypt;
  if (word == name_of(TlsNeed::verify)) return TlsNeed::verify;
  return std::nullopt;
}

std::string_view name_of(TlsNeed need) noexcept {
  switch (need) {
    case TlsNeed::none: return "";
    case TlsNeed::encrypt: return "encrypt";
    case TlsNeed::verify: return "verify";
  }
  return "";
}

bool Demand::needs_authentication() const noexcept { return webpki || !tlsa.empty() || !pins.empty(); }

bool Demand::needs_tls() const noexcept {
  return starttls || needs_authentication() || requiretls_offer || minimum != TlsVersion::none;
}

bool Demand::needs_strength() const noexcept {
  return needs_tls() && (enforced() || source == Source::partner);
}

bool Requirement::tls_required() const noexcept {
  return std::any_of(demands.begin(), demands.end(),
                     [](const Demand& d) { return d.enforced() && d.needs_tls(); });
}

bool Requirement::authentication_required() const noexcept {
  return std::any_of(demands.begin(), demands.end(),
                     [](const Demand& d) { return d.enforced() && d.needs_authentication(); });
}

Decision decide(const DecisionFacts& facts) { return Decider(facts).run(); }

}  // namespace sealpost
