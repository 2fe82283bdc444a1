// SPDX-License-Identifier: Apache-2.0
//
// A TLS layer that is a script: the "handshake" succeeds at once or fails, and what comes after it is read through a new
// stream.
#pragma once

#include <memory>
#include <string>

#include "script_stream.hpp"
#include "tls/tls_server.hpp"

namespace sealpost::test {

class FakeTls final : public tls::Server {
 public:
  FakeTls(event::Loop& loop, Script& inside) : loop_(loop), inside_(inside) {}
  bool fail = false;
  std::string leaked;  // what the handshake found waiting in the clear

  event::Task<Expected<tls::Secured>> accept(std::unique_ptr<event::Stream> plain, Duration) override {
    char byte[256];
    const auto got = plain->try_read(byte);
    if (got.state == event::IoState::done) leaked.assign(byte, got.bytes);
    // A real handshake refuses anything that is no ClientHello.
    if (fail || !leaked.empty()) co_return Error(Errc::tls, "wrong version number");
    HandshakeFacts facts;
    facts.version = TlsVersion::tls1_3;
    facts.cipher = "TLS_AES_256_GCM_SHA384";
    inside_.peer = plain->peer();
    tls::Secured secured(std::make_unique<ScriptStream>(loop_, inside_), std::move(facts));
    secured.bindings.exporter = std::string(32, 'x');
    secured.bindings.server_end_point = std::string(32, 'c');
    co_return secured;
  }

 private:
  event::Loop& loop_;
  Script& inside_;
};

// The same without a second script: what follows goes through as it is.
class ThroughTls final : public tls::Server {
 public:
  event::Task<Expected<tls::Secured>> accept(std::unique_ptr<event::Stream> plain, Duration) override {
    HandshakeFacts facts;
    facts.version = TlsVersion::tls1_3;
    facts.cipher = "TLS_AES_256_GCM_SHA384";
    co_return tls::Secured(std::move(plain), std::move(facts));
  }
};

}  // namespace sealpost::test
