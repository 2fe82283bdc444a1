// SPDX-License-Identifier: Apache-2.0
//
// TLS as a script: one line each way says who is asked for and what certificate is shown; from then on every octet
// on the wire is changed, so that clear text is told from the rest. What verification would have said is computed
// from the certificate's description.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "event/stream.hpp"
#include "tls/tls_client.hpp"

namespace sealpost::sim {

// What a host shows. `trusted`, `expired`: what the WebPKI says of the chain.
struct Certificate {
  Certificate() = default;
  std::string name;  // its only DNS-ID
  std::string key;   // SHA-256 of the public key, lower-case hex
  bool trusted = true;
  bool expired = false;
};

class ScriptedTls final : public tls::Client {
 public:
  explicit ScriptedTls(event::Loop& loop) noexcept : loop_(loop) {}
  event::Task<Expected<tls::Secured>> handshake(std::unique_ptr<event::Stream> plain,
                                                tls::ClientOptions options, Duration limit) override;

 private:
  event::Loop& loop_;
};

// The other side: the sealed stream, or nothing when the handshake is made to fail or the client left.
event::Task<std::unique_ptr<event::Stream>> accept_scripted(std::unique_ptr<event::Stream> plain,
                                                            std::optional<Certificate> certificate,
                                                            Duration limit);

}  // namespace sealpost::sim
