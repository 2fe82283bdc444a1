// SPDX-License-Identifier: Apache-2.0
#include "delivery/recording.hpp"

#include "base/text.hpp"
#include "history/facts_codec.hpp"

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

history::Ending ending_of(const JudgedSession& judged) {
  history::Ending ending;
  if (judged.plan.partner) {
    ending.partner = judged.plan.partner->name;
    ending.partner_hash = judged.plan.partner->hash;
  }
  if (const auto& skip = judged.view.decision.skip) {
    ending.refused_by = name_of(skip->source);
    ending.result_type = skip->result_type;
    ending.reason_code = text::printable(skip->reason_code, longest_code);
    return ending;
  }
  ending.verdict = judged.judgement.verdict;
  const DemandResult* told = judged.judgement.decisive();
  if (told != nullptr) ending.refused_by = name_of(told->source);
  for (const DemandResult& result : judged.judgement.results)
    if (told == nullptr && !result.satisfied()) told = &result;
  if (told != nullptr) {
    ending.result_type = told->failures.front().result_type;
    ending.reason_code = stable_code(told->failures.front());
  }
  return ending;
}

}  // namespace

history::Session to_history(const JudgedSession& judged, Occasion occasion, SystemTime now) {
  const Plan& plan = judged.plan;
  history::Session session;
  session.when = now;
  session.recipient_domain = plan.recipient_domain;
  session.policy_domain = plan.policy_domain;
  session.mx_host = judged.view.host.name;
  session.facts.mx_secure = plan.mx.dnssec == dns::Dnssec::secure;
  session.facts.sts = plan.sts;
  session.facts.dane = judged.view.dane;
  session.facts.flags = plan.flags;
  if (judged.facts != nullptr) session.facts.session = *judged.facts;
  session.ending = ending_of(judged);
  session.reused = occasion == Occasion::reused;
  return session;
}

void record_session(Context& context, const JudgedSession& judged, Occasion occasion) {
  if (context.history == nullptr || judged.plan.report) return;
  context.history->record(to_history(judged, occasion, context.loop.date()));
}

}  // namespace sealpost::delivery
