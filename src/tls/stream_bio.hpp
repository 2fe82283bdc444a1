// SPDX-License-Identifier: Apache-2.0
//
// OpenSSL's view of an event::Stream: a BIO that passes reads and writes on and keeps no bytes. The stream
// below thus sees every EAGAIN itself, which edge-triggered readiness needs, and TLS runs over simulated
// streams too.
#pragma once

#include "base/openssl_handles.hpp"
#include "event/stream.hpp"

namespace sealpost::tls {

struct BioState {
  explicit BioState(event::Stream& lower_) noexcept : lower(lower_) {}
  event::Stream& lower;
  bool ended = false;   // the peer's FIN was read
  bool failed = false;  // the stream below failed; lower.error() says why
};

// `state` must outlive the BIO.
BioPtr make_stream_bio(BioState& state);

}  // namespace sealpost::tls
