// SPDX-License-Identifier: Apache-2.0
//
// From a judged session to its record in evidence.db: what decide() and judge() were given, and what they said.
#pragma once

#include "delivery/context.hpp"
#include "delivery/look.hpp"
#include "delivery/plan.hpp"
#include "sealpost/verdict.hpp"

namespace sealpost::delivery {

struct JudgedSession {
  JudgedSession(const Plan& plan_, const HostView& view_, const SessionFacts* facts_,
                const Judgement& judgement_)
      : plan(plan_), view(view_), facts(facts_), judgement(judgement_) {}
  const Plan& plan;
  const HostView& view;
  const SessionFacts* facts;  // null: the host was passed over
  const Judgement& judgement;
};
enum class Occasion : std::uint8_t { handshake, reused };

history::Session to_history(const JudgedSession& judged, Occasion occasion, SystemTime now);
// Nothing when the context records nothing, or for mail that carries TLS reports.
void record_session(Context& context, const JudgedSession& judged, Occasion occasion);

}  // namespace sealpost::delivery
