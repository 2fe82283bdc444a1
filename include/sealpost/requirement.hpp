// SPDX-License-Identifier: Apache-2.0
//
// decide(): from what is known about a destination to what a session with one of its MX hosts must prove.
// A Requirement is a list of Demands, one per source that asks for something. All demands count together: a
// source can add a demand, none can take another's away. That is how operator policy stays a floor. Pure.
//
// This is the front of libsealpost; in order:
//
//   1. mta_sts.hpp, tlsa.hpp, partner.hpp   what is published and what the operator wants, from text to values
//   2. here                                 all of it, as facts, becomes a requirement for one host
//   3. handshake_facts.hpp                  what the session showed
//   4. verdict.hpp                          judge(): does it satisfy the requirement?
//
// Sources and their order: RFC 8461 (MTA-STS), RFC 7672 (DANE), RFC 8689 (REQUIRETLS), what its sender asked for with the
// message, the operator's partner rules. `policy explain`, `policy probe`, `policy replay` and delivery all call this function.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sealpost/clock.hpp"
#include "sealpost/handshake_facts.hpp"
#include "sealpost/mta_sts.hpp"
#include "sealpost/partner.hpp"
#include "sealpost/tlsa.hpp"

namespace sealpost {

enum class Source : std::uint8_t { partner, requiretls, message, dane, mta_sts, opportunistic };
std::string_view name_of(Source source) noexcept;  // "partner", "mta-sts", ...

enum class Force : std::uint8_t { enforce, observe };  // observe: testing / audit: report, never refuse

// Why a demand does not hold.
struct DemandFailure {
  std::string result_type;  // RFC 8460 §4.3, e.g. "certificate-host-mismatch"
  std::string reason_code;  // failure-reason-code, e.g. "X509_V_ERR_HOSTNAME_MISMATCH"
  std::string status;       // enhanced code: class 4 while another try may help, 5 when only another host can
  std::string text;         // for log and DSN: one line, names source, host and reason
  bool report_only =
      false;  // counts as a failure, refuses nothing (only unusable TLSA records: RFC 7672 §2.2)
};

// One source's demand: each set axis must hold. Unset axes ask nothing.
struct Demand {
  Source source = Source::opportunistic;
  Force force = Force::enforce;
  std::string origin;   // partner rule name, STS policy id, TLSA base domain: who to ask why
  std::string version;  // what identifies the rule's text: rule hash, STS id, TLSA digest
  std::string note;     // partner: the exception in force, with its reason and who approved it

  bool starttls = false;                 // no clear text; every axis below but mx_patterns implies it
  bool webpki = false;                   // chain to [tls] trust, unexpired
  bool match_mx_name = false;            // a SAN names the MX host
  std::vector<std::string> match_names;  // or one of these (partner `names`), "*."-free reference names
  bool match_domain = false;  // or the policy domain or a host directly under it (partner names = domain)
  std::vector<std::string> mx_patterns;  // the MX host must match one (exact or "*.suffix", one label)
  std::vector<TlsaRecord> tlsa;          // usable records, one must match
  std::vector<std::string> tlsa_names;   // names for usage 2
  std::string tlsa_set;           // tlsa_digest() of `tlsa`: what the session must have been checked against
  std::vector<std::string> pins;  // SPKI SHA-256, lower-case hex, one must match
  TlsVersion minimum = TlsVersion::none;
  bool requiretls_offer = false;  // the host must offer REQUIRETLS inside TLS
  // What is known not to hold before any host was contacted: no TLSA records where they are mandatory, a
  // failed lookup.
  std::vector<DemandFailure> unmet;

  bool enforced() const noexcept { return force == Force::enforce; }
  bool needs_tls() const noexcept;
  bool needs_authentication() const noexcept;
  // Asks of TLS what RFC 9325 calls strong: each demand that enforces, and the operator's rules on trial, which must
  // say what they would do. What others only publish for testing is reported as they wrote it.
  bool needs_strength() const noexcept;
};

struct Requirement {
  std::string policy_domain;
  std::string mx_host;
  std::vector<Demand> demands;

  // Some enforcing demand forbids clear text (then a failed handshake never falls back).
  bool tls_required() const noexcept;
  // Some enforcing demand asks more than encryption.
  bool authentication_required() const noexcept;
};

// What is known about MTA-STS for the policy domain.
struct StsState {
  enum class Kind : std::uint8_t {
    disabled,      // by configuration, or the message's class ignores it
    none,          // no record, or a policy in mode none, or an expired one
    fetch_failed,  // a valid record, but no policy could be fetched and none unexpired is cached (S24)
    policy,        // an unexpired policy rules
    unknown,       // the cache cannot be read: there may be an unexpired policy, so mail waits (D-24)
  };
  Kind kind = Kind::none;
  std::string id;  // of the policy that rules, or of the record whose fetch failed
  std::optional<MtaStsPolicy> policy;
  SystemTime expires{};
  std::string failure_type;     // fetch_failed: TLS-RPT result type; also set when a refresh fails behind a
                                // cached policy
  std::string failure_reason;   // token for failure-reason-code; none: why the record published is unreadable
  unsigned failure_streak = 0;  // refreshes in a row that failed behind a cached policy
  bool changing = false;        // its record names another id, and that policy is being fetched
};

// What is known about DANE for one MX host (RFC 7672 §2.2, outcomes a-d).
struct DaneState {
  enum class Kind : std::uint8_t {
    disabled,  // by configuration, untrusted resolver, or the message's class
    none,      // absent or insecure: nothing asked
    usable,    // secure RRset with at least one usable record
    unusable,  // secure RRset, none usable
    failed,    // lookup failed: the host must be skipped
  };
  Kind kind = Kind::none;
  std::string base_domain;
  std::vector<TlsaRecord> usable;
  std::vector<TlsaRecord> all;     // for reports
  std::vector<std::string> names;  // reference names for usage 2
  bool mx_secure = false;          // the MX RRset (or its secure absence) was secure
  std::string failure_reason;      // for failed; for disabled by the resolver: why, for people
};

// What whoever handed a message in asked for it, at our door alone: unlike REQUIRETLS it asks nothing of those behind the
// next hop. It adds to what else is demanded and takes nothing away.
enum class TlsNeed : std::uint8_t {
  none,
  encrypt,  // no clear text
  verify,   // and the host authenticated by name: by DANE where it has records, else by WebPKI
};
std::optional<TlsNeed> tls_need_of(std::string_view word) noexcept;  // of name_of(), but for none
std::string_view name_of(TlsNeed need) noexcept;                     // "encrypt"; none: ""

struct MessageFlags {
  bool requiretls = false;  // RFC 8689 §4.1
  bool tls_required_no =
      false;  // honoured header, or one of our own TLS reports: cancels DANE and STS, nothing else
  TlsNeed tls_need = TlsNeed::none;
  bool operator==(const MessageFlags&) const = default;
};

struct DecisionFacts {
  std::string policy_domain;  // lower-case A-labels
  std::string mx_host;
  bool mx_secure = false;              // the MX RRset, or its absence, is authenticated by DNSSEC
  std::optional<PartnerRule> partner;  // the rule in force for the recipient's domain (find_partner())
  // With a smart host the rule for its domain, when it is another one. Both hold: a route takes no rule away.
  std::optional<PartnerRule> hop_partner;
  // Rules in force under one reading of a clock in doubt, beside the two (partners_in_force()): they hold as well (T-50).
  std::vector<PartnerRule> doubted;
  StsState sts;
  DaneState dane;
  MessageFlags flags;
  TlsVersion default_minimum = TlsVersion::tls1_2;  // [tls] minimum, for enforcing demands
  bool dane_satisfies_sts = false;
  bool null_reverse_path = false;  // a notification: REQUIRETLS need not be offered on (RFC 8689 §5)
  bool explain = true;             // write the trace
  SystemTime now{};                // in doubt the latest reading: exceptions that may have ended have ended
};

// Why a host must not be contacted at all.
struct HostSkip {
  Source source = Source::opportunistic;
  std::string origin;       // as in Demand
  std::string result_type;  // as in DemandFailure
  std::string reason_code;
  std::string status;
  std::string text;
};

struct Decision {
  Requirement requirement;
  // Set: this host must not be contacted at all (DANE lookup failed; dane-only without usable records; MX not
  // in an enforced pattern). It is the first enforcing demand's unmet need; the others are in the requirement
  // all the same.
  std::optional<HostSkip> skip;
  bool try_tls = true;             // false: a rule says tls = none, and nothing asks for more
  std::vector<std::string> trace;  // one line per step, for `policy explain`
};

Decision decide(const DecisionFacts& facts);

}  // namespace sealpost
