// SPDX-License-Identifier: Apache-2.0
//
// From a proof to its record in evidence.db: what decide() and judge() were given, and what they said.
#pragma once

#include "delivery/context.hpp"
#include "delivery/proof.hpp"

namespace sealpost::delivery {

enum class Occasion : std::uint8_t { handshake, reused };

history::Session to_history(const Proof& proof, Occasion occasion, SystemTime now);
// Nothing when the context records nothing, or for mail that carries TLS reports.
void record_session(Context& context, const Proof& proof, Occasion occasion);

}  // namespace sealpost::delivery
