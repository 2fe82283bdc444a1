// SPDX-License-Identifier: Apache-2.0
//
// What a handshake gives, in either role: the encrypted stream, and what was negotiated on it.
#pragma once

#include <memory>
#include <utility>

#include "event/stream.hpp"
#include "sealpost/handshake_facts.hpp"
#include "tls/channel_bindings.hpp"
#include "tls/client_certificate.hpp"

namespace sealpost::tls {

struct Secured {
  Secured() = default;
  Secured(std::unique_ptr<event::Stream> stream_, HandshakeFacts facts_)
      : stream(std::move(stream_)), facts(std::move(facts_)) {}
  std::unique_ptr<event::Stream> stream;
  HandshakeFacts facts;
  std::shared_ptr<const ClientCertificate> client;  // of a server that asks; null: it showed none
  ChannelBindings bindings;  // of a server for submission, and of a client that asks for them
};

}  // namespace sealpost::tls
