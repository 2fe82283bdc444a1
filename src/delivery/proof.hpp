// SPDX-License-Identifier: Apache-2.0
//
// What a session proved for the mail of one domain: what was known and asked of the host, what it showed, and what was
// made of that. Made once, shared and never changed: the log, TLS-RPT, the record of sessions and the fate of a recipient
// all tell of the same one, also after the connection is gone.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "delivery/look.hpp"
#include "sealpost/verdict.hpp"
#include "spool/stored_message.hpp"

namespace sealpost::delivery {

struct Proof;

// How the journal has a proof: with its text in the first outcome that tells of it, by its digest afterwards.
class ProofOnRecord {
 public:
  // For an outcome that is to be written. Null: mail that carries TLS reports proves nothing about others (R21, T-44).
  spool::ProofTextPtr of(const Proof& proof) const;
  // An outcome that carries the text is durable.
  void carried() const noexcept { carried_.store(true, std::memory_order_release); }

 private:
  mutable std::once_flag once_;
  mutable spool::ProofTextPtr whole_, named_;
  mutable std::atomic<bool> carried_{false};
};

struct Proof {
  Proof() = default;
  std::string recipient_domain, policy_domain;
  std::string partner,
      partner_hash;        // the rule for the recipient's domain, and its version; "" when there is none
  bool report = false;     // of mail that carries TLS reports: never recorded (R21, T-44)
  bool mx_secure = false;  // DNSSEC vouches for the MX records, so for this host being the domain's
  StsState sts;
  MessageFlags flags;
  std::string mx_host;
  DaneState dane;
  Decision decision;
  std::optional<SessionFacts> facts;  // none: passed over, the decision alone ruled the host out
  Judgement judgement;                // of the facts
  ProofOnRecord record;
};
using ProofPtr = std::shared_ptr<const Proof>;

// `facts` judged against the decision of `view` as of `now`.
ProofPtr prove(const Plan& plan, const HostView& view, std::optional<SessionFacts> facts, SystemTime now);

// For people, as in the delivery log. "mta-sts:20240101,partner:Noord(failed)": what was asked, and what of it did not hold.
std::string policy_words(const Proof& proof);
// "none", "anonymous", "untrusted", "trusted" (by a chain, for another name), "verified", "dane", and "dane-unsigned-mx": the
// records of a host that unsigned MX records led to prove that host, not that it is the domain's (RFC 7672 §2.2.1).
std::string verification_words(const Proof& proof);

}  // namespace sealpost::delivery
