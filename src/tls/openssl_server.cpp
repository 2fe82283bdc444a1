// SPDX-License-Identifier: Apache-2.0
#include "tls/openssl_server.hpp"

#include <openssl/err.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "tls/channel_bindings.hpp"
#include "tls/openssl_error.hpp"
#include "tls/tls_stream.hpp"

namespace sealpost::tls {

namespace {

constexpr long ticket_lifetime = 2 * 60 * 60;  // seconds
using Protocols = std::array<std::string_view, 2>;
constexpr Protocols mail_protocols{"smtp", "submission"};
constexpr Protocols page_protocols{"http/1.1", "http/1.0"};

// A client that names protocols means one of them. If none is ours, somebody points it here to have our
// answers, or our certificate, taken for another service's (ALPACA, T-06): no handshake (RFC 7301 §3.2). Mail
// clients name none.
int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* chosen_size,
                    const unsigned char* offered, unsigned size, void* ours_pointer) noexcept {
  const auto& ours = *static_cast<const Protocols*>(ours_pointer);
  const std::string_view list(reinterpret_cast<const char*>(offered), size);
  for (std::size_t at = 0; at < list.size();) {
    const auto length = static_cast<std::size_t>(static_cast<unsigned char>(list[at]));
    const std::string_view name = list.substr(at + 1, length);
    if (std::find(ours.begin(), ours.end(), name) != ours.end()) {
      *chosen = offered + at + 1;
      *chosen_size = static_cast<unsigned char>(name.size());
      return SSL_TLSEXT_ERR_OK;
    }
    at += 1 + length;
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

Expected<SslContextPtr> make_context(const ServerIdentity& identity, const ServerOptions& options) {
  ERR_clear_error();
  SslContextPtr context(SSL_CTX_new(TLS_server_method()));
  const auto minimum = static_cast<int>(std::max(options.minimum, TlsVersion::tls1_2));  // RFC 8996
  if (!context || !apply_profile(*context, options.strength) ||
      SSL_CTX_set_min_proto_version(context.get(), minimum) != 1) {
    return take_error(Errc::unavailable, "cannot set up TLS for the server side");
  }
  // Clients send passwords: none stays in the buffers of records (T-62).
  SSL_CTX_set_options(context.get(),
                      SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA | SSL_OP_CLEANSE_PLAINTEXT);
  SSL_CTX_set_dh_auto(context.get(), 1);
  // Tickets alone carry sessions, one for each handshake; nothing is stored here. An unknown server name
  // needs no rule: without a callback OpenSSL presents the one certificate to everybody (RFC 8461 §7.1).
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context.get(), 1);
  SSL_CTX_set_timeout(context.get(), ticket_lifetime);
  // Tickets of one strength and service are of no use at another: what was agreed on there would hold here.
  const std::array<unsigned char, 2> purpose{static_cast<unsigned char>(options.strength),
                                             static_cast<unsigned char>(options.service)};
  if (SSL_CTX_set_session_id_context(context.get(), purpose.data(), purpose.size()) != 1)
    return take_error(Errc::unavailable, "cannot set up TLS for the server side");
  const Protocols& protocols = options.service == Service::mail ? mail_protocols : page_protocols;
  SSL_CTX_set_alpn_select_cb(context.get(), choose_protocol, const_cast<Protocols*>(&protocols));
  if (!identity.install(*context)) return take_error(Errc::invalid, "certificate and key cannot be used");
  return context;
}

}  // namespace

Expected<std::unique_ptr<OpensslServer>> OpensslServer::create(std::shared_ptr<const ServerIdentity> identity,
                                                               ServerOptions options) {
  auto context = make_context(*identity, options);
  if (!context) return std::move(context).error();
  return std::unique_ptr<OpensslServer>(new OpensslServer(std::move(*context), options));
}

Expected<void> OpensslServer::replace(std::shared_ptr<const ServerIdentity> identity) {
  auto context = make_context(*identity, options_);
  if (!context) return std::move(context).error();
  context_ = std::move(*context);  // an SSL keeps the context it was made from
  return {};
}

event::Task<Expected<Secured>> OpensslServer::accept(std::unique_ptr<event::Stream> plain, Duration limit) {
  ERR_clear_error();
  SslPtr ssl(SSL_new(context_.get()));
  if (!ssl) co_return take_error(Errc::unavailable, "cannot begin TLS");
  SSL_set_accept_state(ssl.get());
  auto stream = std::make_unique<TlsStream>(std::move(plain), std::move(ssl));
  auto shaken = co_await stream->shake_hands(limit);
  if (!shaken) co_return std::move(shaken).error();
  HandshakeFacts facts = negotiated(stream->ssl());
  ChannelBindings bindings;
  if (options_.strength == Strength::submission) bindings = channel_bindings(stream->ssl());
  Secured secured(std::move(stream), std::move(facts));
  secured.bindings = std::move(bindings);
  co_return secured;
}

}  // namespace sealpost::tls
