// SPDX-License-Identifier: Apache-2.0
//
// What one session proved, as canonical JSON text for the journal and whoever follows it: equal proofs give equal text, whose
// SHA-256 names them. No times but those of certificates, no addresses, no free text of a peer. docs/spool-format.md explains
// the members.
#pragma once

#include <string>

#include "history/session.hpp"
#include "sealpost/requirement.hpp"
#include "sealpost/verdict.hpp"

namespace sealpost::history {

std::string proof_text(const Session& session, const Decision& decision, const Judgement& judgement);

// What a demand asks, one word an axis: "starttls", "webpki", "mx-name", "name=mail.b.example", "minimum=TLSv1.2".
std::vector<std::string> axes_of(const Demand& demand);

}  // namespace sealpost::history
