// SPDX-License-Identifier: Apache-2.0
#include "delivery/recording.hpp"

#include <algorithm>

#include "base/digest.hpp"
#include "base/text.hpp"
#include "history/facts_codec.hpp"
#include "history/proof_text.hpp"

namespace sealpost::delivery {
namespace {

constexpr std::size_t longest_code = 120;

// A peer's reply is a reason code too (starttls-not-supported); what differs from one to the next goes.
std::string stable_code(const DemandFailure& failure) {
  const bool reply = !failure.reason_code.empty() && failure.reason_code.front() >= '0' &&
                     failure.reason_code.front() <= '9';
  return reply ? history::stable_reply(failure.reason_code)
               : text::printable(failure.reason_code, longest_code);
}

history::Ending ending_of(const Proof& proof) {
  history::Ending ending;
  ending.partner = proof.partner;
  ending.partner_hash = proof.partner_hash;
  if (const auto& skip = proof.decision.skip) {
    ending.refused_by = name_of(skip->source);
    ending.result_type = skip->result_type;
    ending.reason_code = text::printable(skip->reason_code, longest_code);
    return ending;
  }
  ending.verdict = proof.judgement.verdict;
  const DemandResult* told = proof.judgement.decisive();
  if (told != nullptr) ending.refused_by = name_of(told->source);
  for (const DemandResult& result : proof.judgement.results)
    if (told == nullptr && !result.satisfied()) told = &result;
  if (told != nullptr) {
    ending.result_type = told->failures.front().result_type;
    ending.reason_code = stable_code(told->failures.front());
  }
  return ending;
}

}  // namespace

history::Session to_history(const Proof& proof, Occasion occasion, SystemTime now) {
  history::Session session;
  session.when = now;
  session.recipient_domain = proof.recipient_domain;
  session.policy_domain = proof.policy_domain;
  session.mx_host = proof.mx_host;
  session.facts.mx_secure = proof.mx_secure;
  session.facts.sts = proof.sts;
  session.facts.dane = proof.dane;
  session.facts.flags = proof.flags;
  session.facts.session = proof.facts;
  session.ending = ending_of(proof);
  session.reused = occasion == Occasion::reused;
  return session;
}

spool::ProofTextPtr ProofOnRecord::of(const Proof& proof) const {
  if (proof.report) return nullptr;
  std::call_once(once_, [&] {
    auto whole = std::make_shared<spool::ProofText>();
    whole->text = history::proof_text(to_history(proof, Occasion::handshake, SystemTime{}), proof.decision,
                                      proof.judgement);
    const Sha256 digest = sha256(whole->text);
    std::copy(digest.begin(), digest.end(), whole->digest.begin());
    auto named = std::make_shared<spool::ProofText>();
    named->digest = whole->digest;
    whole_ = std::move(whole);
    named_ = std::move(named);
  });
  return carried_.load(std::memory_order_acquire) ? named_ : whole_;
}

void record_session(Context& context, const Proof& proof, Occasion occasion) {
  if (context.history == nullptr || proof.report) return;
  context.history->record(to_history(proof, occasion, context.loop.date()));
}

}  // namespace sealpost::delivery
