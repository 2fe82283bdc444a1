// SPDX-License-Identifier: Apache-2.0
#include "tls/tls_stream.hpp"

#include <openssl/err.h>

#include <algorithm>
#include <limits>

#include "tls/openssl_error.hpp"

namespace sealpost::tls {

using event::Interest;
using event::IoResult;
using event::IoState;

TlsStream::TlsStream(std::unique_ptr<event::Stream> lower, SslPtr ssl)
    : Stream(lower->loop()), lower_(std::move(lower)), bio_(*lower_), ssl_(std::move(ssl)) {
  BIO* bio = make_stream_bio(bio_).release();
  SSL_set_bio(ssl_.get(), bio, bio);
}

TlsStream::~TlsStream() {
  if (!said_goodbye_) close();
}

IoResult TlsStream::outcome(int returned, std::size_t bytes) noexcept {
  if (returned > 0) return {IoState::done, bytes, Interest::read};
  switch (SSL_get_error(ssl_.get(), returned)) {
    case SSL_ERROR_WANT_READ: return {IoState::would_block, 0, Interest::read};
    case SSL_ERROR_WANT_WRITE: return {IoState::would_block, 0, Interest::write};
    case SSL_ERROR_ZERO_RETURN:
      error_ = Error(Errc::closed, "connection-closed");
      return {IoState::closed, 0, Interest::read};
    case SSL_ERROR_SSL: error_ = Error(Errc::tls, take_reason()); break;
    default: error_ = bio_.failed ? lower_->error() : Error(Errc::closed, "connection-closed"); break;
  }
  failed_ = true;
  return {IoState::failed, 0, Interest::read};
}

IoResult TlsStream::handshake() noexcept {
  ERR_clear_error();
  const IoResult result = outcome(SSL_do_handshake(ssl_.get()), 0);
  if (result.state == IoState::done) {
    established_ = true;
    more_inside_ = true;  // the peer's first words may have come with its last message
  }
  return result;
}

event::Task<Expected<void>> TlsStream::shake_hands(Duration limit) {
  const SteadyTime end = event::deadline(loop().now(), limit);
  for (;;) {
    const IoResult step = handshake();
    if (step.state == IoState::done) co_return Expected<void>();
    if (step.state != IoState::would_block) co_return error_;
    const bool ready = co_await wait(step.want, end - loop().now());
    if (!ready) co_return Error(Errc::timed_out, "handshake-timed-out");
  }
}

IoResult TlsStream::try_read(std::span<char> into) noexcept {
  ERR_clear_error();
  std::size_t got = 0;
  const int returned = SSL_read_ex(ssl_.get(), into.data(), into.size(), &got);
  const IoResult result = outcome(returned, got);
  more_inside_ = result.state == IoState::done && SSL_has_pending(ssl_.get()) == 1;
  return result;
}

IoResult TlsStream::try_write(std::string_view bytes) noexcept {
  ERR_clear_error();
  std::size_t sent = 0;
  const int returned = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &sent);
  return outcome(returned, sent);
}

void TlsStream::close() noexcept {
  // OpenSSL takes a session for damaged, and never resumes it, when its connection ends without close_notify.
  if (!said_goodbye_ && established_ && !failed_) {
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
    ERR_clear_error();
  }
  said_goodbye_ = true;
  lower_->close();
}

bool TlsStream::may_progress(Interest interest) const noexcept {
  return (interest == Interest::read && more_inside_) || lower_->may_progress(interest);
}

bool TlsStream::arm(Interest interest, event::StreamWait& waiter) noexcept {
  if (interest == Interest::read && more_inside_) return false;
  return arm_below(*lower_, interest, waiter);
}

void TlsStream::disarm(Interest interest, event::StreamWait& waiter) noexcept {
  disarm_below(*lower_, interest, waiter);
}

namespace {

// Names of the TLS Supported Groups registry, as the Received clause uses them (RFC 8314 §4.3).
std::string group_name(SSL& ssl) {
  const int group = static_cast<int>(SSL_get_negotiated_group(&ssl));
  switch (group) {
    case NID_undef: return {};
    case NID_X25519: return "X25519";
    case NID_X448: return "X448";
    case NID_X9_62_prime256v1: return "secp256r1";
    case NID_secp384r1: return "secp384r1";
    case NID_secp521r1: return "secp521r1";
    default: break;
  }
  const char* name = SSL_group_to_name(&ssl, group);
  return name ? name : std::string();
}

}  // namespace

HandshakeFacts negotiated(SSL& ssl) {
  HandshakeFacts facts;
  facts.version = static_cast<TlsVersion>(SSL_version(&ssl));
  if (const SSL_CIPHER* cipher = SSL_get_current_cipher(&ssl))
    facts.cipher = SSL_CIPHER_standard_name(cipher);
  facts.group = group_name(ssl);
  facts.resumed = SSL_session_reused(&ssl) == 1;
  facts.legacy_renegotiation =
      facts.version < TlsVersion::tls1_3 && SSL_get_secure_renegotiation_support(&ssl) != 1;
  return facts;
}

}  // namespace sealpost::tls
