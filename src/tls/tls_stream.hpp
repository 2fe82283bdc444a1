// SPDX-License-Identifier: Apache-2.0
//
// TlsStream: TLS over a plain stream it keeps alive, for both roles. Readiness stays with the stream below;
// this one only knows when bytes are left inside OpenSSL. LineStream reads and writes it like any other
// stream.
#pragma once

#include <memory>
#include <optional>

#include "base/openssl_handles.hpp"
#include "event/stream.hpp"
#include "sealpost/handshake_facts.hpp"
#include "tls/stream_bio.hpp"

namespace sealpost::tls {

class TlsStream final : public event::Stream {
 public:
  // `ssl` is set to connect or accept; its BIO is made here.
  TlsStream(std::unique_ptr<event::Stream> lower, SslPtr ssl);
  ~TlsStream() override;

  // One step of the handshake: done with 0 bytes when it is complete.
  event::IoResult handshake() noexcept;
  // Its whole course, in at most `limit`: bytes that drip in do not extend it (T-26). Errc::tls, closed, io,
  // timed_out.
  event::Task<Expected<void>> shake_hands(Duration limit);
  SSL& ssl() noexcept { return *ssl_; }

  event::IoResult try_read(std::span<char> into) noexcept override;
  event::IoResult try_write(std::string_view bytes) noexcept override;
  Error error() const override { return error_; }
  Endpoint peer() const override { return lower_->peer(); }
  Endpoint local() const override { return lower_->local(); }
  bool may_progress(event::Interest interest) const noexcept override;
  void close() noexcept override;

 protected:
  bool arm(event::Interest interest, event::StreamWait& waiter) noexcept override;
  void disarm(event::Interest interest, event::StreamWait& waiter) noexcept override;

 private:
  event::IoResult outcome(int returned, std::size_t bytes) noexcept;

  std::unique_ptr<event::Stream> lower_;
  BioState bio_;
  SslPtr ssl_;  // after what its BIO uses
  Error error_{Errc::closed, "not connected"};
  bool established_ = false;
  bool failed_ = false;  // fatal at the TLS layer: no close_notify any more
  bool said_goodbye_ = false;
  bool more_inside_ = false;  // bytes read from below may make another read succeed without waiting
};

// Protocol, cipher suite, group and resumption of an established connection; no certificate.
HandshakeFacts negotiated(SSL& ssl);

}  // namespace sealpost::tls
