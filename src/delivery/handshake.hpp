// SPDX-License-Identifier: Apache-2.0
//
// How a handshake with an MX host is made, whoever makes it: delivery (dialer.hpp) and a probe (probe.hpp) must
// show a peer the same face, or a probe would prove nothing.
#pragma once

#include "delivery/plan.hpp"
#include "smtp/client_session.hpp"
#include "tls/tls_client.hpp"

namespace sealpost::delivery {

// `classical_only`: a small first flight, for a peer that stalled on the usual one (T18).
tls::ClientOptions client_options(const Plan& plan, const MxHost& host, const DaneState& dane,
                                  const Decision& decision, bool classical_only);

// The same for the pool: what a connection for this host under this decision offers.
Offer offer_of(const Plan& plan, const MxHost& host, const DaneState& dane, const Decision& decision);

// 500 and 502 are what a server says that has never heard of EHLO (RFC 5321 §4.2.4).
bool refused_ehlo(const smtp::SessionError& error);
// A peer, or something before it, that swallows a first flight of more than one segment: post-quantum key shares
// or a large ticket. A second try without either reaches it (T18).
bool stalled_in_handshake(const smtp::SessionError& error);

}  // namespace sealpost::delivery
