// SPDX-License-Identifier: Apache-2.0
//
// Two rules for one domain: what one demands and the other does not (compare_rules).
#include <algorithm>

#include "rules/rule_change.hpp"
#include "sealpost/requirement.hpp"

namespace sealpost::rules {
namespace {

using Texts = std::vector<std::string>;

// What a rule enforces, by the decision itself, given a host about which nothing is missing.
struct Floor {
  Demand demand;  // as if nothing were asked when the rule only observes
  bool try_tls = true;
};

Floor floor_of(const PartnerRule* rule, SystemTime now, TlsVersion minimum) {
  Floor floor;
  if (rule == nullptr) return floor;
  DecisionFacts facts;
  facts.partner = *rule;
  facts.mx_secure = true;
  facts.dane.kind = DaneState::Kind::usable;
  facts.dane.base_domain = "any";
  facts.dane.usable.emplace_back(std::uint8_t{3}, std::uint8_t{1}, std::uint8_t{1},
                                 std::vector<std::uint8_t>(32));
  facts.default_minimum = minimum;
  facts.explain = false;
  facts.now = now;
  // Judged by the level, since the DANE records imagined here would keep TLS in use.
  floor.try_tls = level_at(*rule, now) != PartnerLevel::none;
  for (Demand& demand : decide(facts).requirement.demands)
    if (demand.source == Source::partner && demand.enforced()) floor.demand = std::move(demand);
  return floor;
}

std::string listed(const Texts& all) {
  std::string text;
  for (const std::string& one : all) text += (text.empty() ? "" : ", ") + one;
  return text;
}

// Those of `of` that nothing in `by` stands for.
Texts missing(const Texts& of, const Texts& by, bool patterns) {
  Texts found;
  for (const std::string& one : of) {
    const auto allows = [&](const std::string& other) {
      return one == other || (patterns && !one.starts_with("*.") && mx_matches(other, one));
    };
    if (std::ranges::none_of(by, allows)) found.push_back(one);
  }
  return found;
}

class Comparison {
 public:
  Comparison(const Floor& before, const Floor& after) : b_(before.demand), a_(after.demand) {
    compare_tls(before, after);
    compare_minimum();
    compare_proof();
    compare_names();
    compare_sets("mail hosts", "mail host", b_.mx_patterns, a_.mx_patterns, true);
    compare_sets("keys", "key", b_.pins, a_.pins, false);
  }
  FloorChange take() { return std::move(change_); }

 private:
  void weaker(std::string text) { change_.weaker.push_back(std::move(text)); }
  void stronger(std::string text) { change_.stronger.push_back(std::move(text)); }

  void compare_tls(const Floor& before, const Floor& after) {
    if (b_.starttls && !a_.starttls) weaker("TLS is no longer required");
    if (!b_.starttls && a_.starttls) stronger("TLS is required");
    if (before.try_tls && !after.try_tls) weaker("TLS is not even tried");
    if (!before.try_tls && after.try_tls) stronger("TLS is used when offered");
  }

  void compare_minimum() {
    if (!b_.starttls || !a_.starttls || b_.minimum == a_.minimum) return;
    const std::string text = "lowest version " + std::string(name_of(a_.minimum)) + " instead of " +
                             std::string(name_of(b_.minimum));
    a_.minimum < b_.minimum ? weaker(text) : stronger(text);
  }

  // The levels rise from a recognised authority over DANE to pinned keys: going up one gives up nothing.
  void compare_proof() {
    const bool dane_b = !b_.tlsa.empty(), dane_a = !a_.tlsa.empty();
    const bool pins_new = b_.pins.empty() && !a_.pins.empty();
    if (b_.webpki && !a_.webpki && !(dane_a && !dane_b) && !pins_new)
      weaker("a certificate from a recognised authority is no longer required");
    if (!b_.webpki && a_.webpki) stronger("a certificate from a recognised authority is required");
    if (dane_b && !dane_a && !pins_new) weaker("DANE is no longer required");
    if (!dane_b && dane_a) stronger("DANE is required");
  }

  static std::string names_of(const Demand& demand) {
    if (demand.match_mx_name) return "the mail host";
    if (demand.match_domain) return "the partner's domain";
    return listed(demand.match_names);
  }

  void compare_names() {
    if (!b_.webpki || !a_.webpki) return;
    const std::string before = names_of(b_), after = names_of(a_);
    if (before == after) return;
    if (b_.match_names.empty() || a_.match_names.empty())
      return weaker("the certificate must name " + after + " instead of " + before);
    const Texts more = missing(a_.match_names, b_.match_names, false);
    const Texts fewer = missing(b_.match_names, a_.match_names, false);
    if (!more.empty()) weaker("the certificate may also name " + listed(more));
    if (!fewer.empty()) stronger("the certificate may no longer name " + listed(fewer));
  }

  // An empty list allows everything.
  void compare_sets(const std::string& plural, const std::string& single, const Texts& before,
                    const Texts& after, bool patterns) {
    if (before.empty() && after.empty()) return;
    if (after.empty()) return weaker("any " + single + " is accepted, no longer only " + listed(before));
    if (before.empty()) return stronger("only these " + plural + ": " + listed(after));
    const Texts more = missing(after, before, patterns);
    const Texts fewer = missing(before, after, patterns);
    if (!more.empty()) weaker("also accepts " + single + " " + listed(more));
    if (!fewer.empty()) stronger("no longer accepts " + single + " " + listed(fewer));
  }

  const Demand& b_;
  const Demand& a_;
  FloorChange change_;
};

std::string action_of(const PartnerRule& rule) {
  switch (rule.on_failure) {
    case PartnerRule::OnFailure::bounce: return "bounce";
    case PartnerRule::OnFailure::defer: return "defer";
    case PartnerRule::OnFailure::reroute: return "reroute:" + rule.reroute;
  }
  return "";
}

std::string day_or_never(const std::optional<SystemTime>& time) { return time ? to_utc_day(*time) : "none"; }

std::string exceptions_of(const PartnerRule& rule) {
  Texts all;
  for (const PartnerException& one : rule.exceptions)
    all.push_back(std::string(name_of(one.level)) + " until " + to_rfc3339(one.until));
  std::ranges::sort(all);
  return all.empty() ? "none" : listed(all);
}

// What demands nothing of a session, and people want to see all the same.
void compare_rest(const PartnerRule& before, const PartnerRule& after, Texts& other) {
  const auto differ = [&](const std::string& what, const std::string& from, const std::string& to) {
    if (from != to)
      other.push_back(what + " " + (to.empty() ? "none" : to) + " instead of " +
                      (from.empty() ? "none" : from));
  };
  differ("mode", before.audit ? "audit" : "enforce", after.audit ? "audit" : "enforce");
  if (before.audit && after.audit)
    differ("observed level", std::string(name_of(before.level)), std::string(name_of(after.level)));
  differ("on_failure", action_of(before), action_of(after));
  differ("grace", to_duration_text(before.grace), to_duration_text(after.grace));
  differ("starts", day_or_never(before.starts), day_or_never(after.starts));
  differ("ends", day_or_never(before.ends), day_or_never(after.ends));
  differ("review_by", day_or_never(before.review_by), day_or_never(after.review_by));
  differ("exceptions:", exceptions_of(before), exceptions_of(after));
  differ("owner", before.owner, after.owner);
  differ("reference", before.reference, after.reference);
}

}  // namespace

FloorChange compare_rules(const PartnerRule* before, const PartnerRule* after, SystemTime now,
                          TlsVersion minimum_before, TlsVersion minimum_after) {
  const Floor floor_before = floor_of(before, now, minimum_before);
  const Floor floor_after = floor_of(after, now, minimum_after);
  FloorChange change = Comparison(floor_before, floor_after).take();
  if (before != nullptr && after != nullptr) compare_rest(*before, *after, change.other);
  return change;
}

}  // namespace sealpost::rules
