// SPDX-License-Identifier: Apache-2.0
//
// From a judged session to its record in evidence.db: what decide() and judge() were given, and what they said.
#pragma once

#include "delivery/context.hpp"
#include "delivery/plan.hpp"
#include "sealpost/verdict.hpp"

namespace sealpost::delivery {

struct JudgedSession {
  JudgedSession(const Plan& plan_, const MxHost& host_, const DaneState& dane_, const Decision& decision_,
                const SessionFacts* facts_, const Judgement& judgement_)
      : plan(plan_), host(host_), dane(dane_), decision(decision_), facts(facts_), judgement(judgement_) {}
  const Plan& plan;
  const MxHost& host;
  const DaneState& dane;
  const Decision& decision;
  const SessionFacts* facts;  // null: the host was passed over
  const Judgement& judgement;
};
enum class Contact : std::uint8_t { handshake, reused };

history::Session to_history(const JudgedSession& judged, Contact contact, SystemTime now);
// Nothing when the context records nothing, or for mail that carries TLS reports.
void record_session(Context& context, const JudgedSession& judged, Contact contact);

}  // namespace sealpost::delivery
