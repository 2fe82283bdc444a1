// SPDX-License-Identifier: Apache-2.0
#include "tls/openssl_server.hpp"

#include <openssl/err.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "tls/channel_bindings.hpp"
#include "tls/openssl_error.hpp"
#include "tls/server_name.hpp"
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

using Purpose = std::array<unsigned char, 2>;
Purpose purpose_of(const ServerOptions& options) noexcept {
  return {static_cast<unsigned char>(options.strength), static_cast<unsigned char>(options.service)};
}

// Says to the client, as it ought to be said, that the name was heard (RFC 6066 §3).
int acknowledge_name(SSL* ssl, int*, void* first_context) noexcept {
  return SSL_get_SSL_CTX(ssl) == first_context ? SSL_TLSEXT_ERR_NOACK : SSL_TLSEXT_ERR_OK;
}

// The context that a connection ended up with may be shared by handshakes of other times: the date is the connection's.
int show_staple(SSL* ssl, void* certificates_pointer) noexcept {
  const auto& certificates = *static_cast<const ServerCertificates*>(certificates_pointer);
  const auto* date = static_cast<const SystemTime*>(SSL_get_app_data(ssl));
  if (date == nullptr) return SSL_TLSEXT_ERR_NOACK;
  const OcspStaple* staple = certificates.staple_for(SSL_get_certificate(ssl), *date);
  if (staple == nullptr) return SSL_TLSEXT_ERR_NOACK;
  const std::string& der = staple->der();
  void* const copy = OPENSSL_memdup(der.data(), der.size());
  if (copy == nullptr) return SSL_TLSEXT_ERR_NOACK;
  SSL_set_tlsext_status_ocsp_resp(ssl, copy, static_cast<long>(der.size()));  // which it frees
  return SSL_TLSEXT_ERR_OK;
}

Error cannot_set_up() { return take_error(Errc::unavailable, "cannot set up TLS for the server side"); }

Expected<SslContextPtr> make_context(const ServerCertificates& certificates,
                                     const ServerCertificates::Choice& choice, const ServerOptions& options) {
  ERR_clear_error();
  SslContextPtr context(SSL_CTX_new(TLS_server_method()));
  const auto minimum = static_cast<int>(std::max(options.minimum, TlsVersion::tls1_2));  // RFC 8996
  if (!context || !apply_profile(*context, options.strength) ||
      SSL_CTX_set_min_proto_version(context.get(), minimum) != 1)
    return cannot_set_up();
  // Clients send passwords: none stays in the buffers of records (T-62).
  SSL_CTX_set_options(context.get(),
                      SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA | SSL_OP_CLEANSE_PLAINTEXT);
  SSL_CTX_set_dh_auto(context.get(), 1);
  // Tickets alone carry sessions, one for each handshake; nothing is stored here.
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context.get(), 1);
  SSL_CTX_set_timeout(context.get(), ticket_lifetime);
  if (!certificates.tickets().serve(*context)) return cannot_set_up();
  // Tickets of one strength and service are of no use at another: what was agreed on there would hold here.
  const Purpose purpose = purpose_of(options);
  if (SSL_CTX_set_session_id_context(context.get(), purpose.data(), purpose.size()) != 1)
    return cannot_set_up();
  const Protocols& protocols = options.service == Service::mail ? mail_protocols : page_protocols;
  SSL_CTX_set_alpn_select_cb(context.get(), choose_protocol, const_cast<Protocols*>(&protocols));
  SSL_CTX_set_tlsext_status_cb(context.get(), show_staple);
  SSL_CTX_set_tlsext_status_arg(context.get(), const_cast<ServerCertificates*>(&certificates));
  if (!certificates.install(*context, choice))
    return take_error(Errc::invalid, "certificate and key cannot be used");
  return context;
}

// A session begun under one name is not resumed under another (RFC 6066 §3): the digest is what its ticket must hold.
bool bind_session(SSL& ssl, const ServerOptions& options, std::string_view name) noexcept {
  const Purpose purpose = purpose_of(options);
  std::array<unsigned char, purpose.size() + 255> bound{};
  const std::size_t size = std::min(name.size(), bound.size() - purpose.size());
  std::copy(purpose.begin(), purpose.end(), bound.begin());
  std::copy_n(name.begin(), size, bound.begin() + purpose.size());
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  static_assert(digest.size() <= SSL_MAX_SID_CTX_LENGTH);
  return EVP_Digest(bound.data(), purpose.size() + size, digest.data(), nullptr, EVP_sha256(), nullptr) ==
             1 &&
         SSL_set_session_id_context(&ssl, digest.data(), digest.size()) == 1;
}

}  // namespace

// One context for each of the certificates' choices, in their order. Connections begin with the first.
struct OpensslServer::Contexts {
  std::shared_ptr<const ServerCertificates> certificates;
  ServerOptions options;
  std::vector<SslContextPtr> all;
};

// The first thing that is done with a ClientHello, before a session is looked for. A name that nobody has gets the first
// certificate, and no refusal (RFC 8461 §7.1).
int OpensslServer::choose_certificate(SSL* ssl, int*, void* contexts_pointer) noexcept {
  const auto& contexts = *static_cast<const Contexts*>(contexts_pointer);
  const unsigned char* octets = nullptr;
  std::size_t size = 0;
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &octets, &size) != 1)
    return SSL_CLIENT_HELLO_SUCCESS;
  const ServerName name({reinterpret_cast<const char*>(octets), size});
  const auto place = contexts.certificates->find(name.view());
  if (!place) return SSL_CLIENT_HELLO_SUCCESS;
  const bool done = SSL_set_SSL_CTX(ssl, contexts.all[*place].get()) != nullptr &&
                    bind_session(*ssl, contexts.options, name.view());
  return done ? SSL_CLIENT_HELLO_SUCCESS : SSL_CLIENT_HELLO_ERROR;
}

Expected<std::shared_ptr<const OpensslServer::Contexts>> OpensslServer::make_contexts(
    std::shared_ptr<const ServerCertificates> certificates, const ServerOptions& options) {
  auto contexts = std::make_shared<Contexts>();
  contexts->certificates = std::move(certificates);
  contexts->options = options;
  for (const ServerCertificates::Choice& choice : contexts->certificates->choices()) {
    auto context = make_context(*contexts->certificates, choice, options);
    if (!context) return std::move(context).error();
    contexts->all.push_back(std::move(*context));
  }
  SSL_CTX& first = *contexts->all.front();
  SSL_CTX_set_client_hello_cb(&first, choose_certificate, contexts.get());
  SSL_CTX_set_tlsext_servername_callback(&first, acknowledge_name);
  SSL_CTX_set_tlsext_servername_arg(&first, &first);
  if (options.strength == Strength::submission) keep_end_point_in_tickets(first);
  return std::shared_ptr<const Contexts>(std::move(contexts));
}

OpensslServer::OpensslServer(std::shared_ptr<const Contexts> contexts, ServerOptions options)
    : contexts_(std::move(contexts)), options_(options) {}

OpensslServer::~OpensslServer() = default;

Expected<std::unique_ptr<OpensslServer>> OpensslServer::create(
    std::shared_ptr<const ServerCertificates> certificates, ServerOptions options) {
  auto contexts = make_contexts(std::move(certificates), options);
  if (!contexts) return std::move(contexts).error();
  return std::unique_ptr<OpensslServer>(new OpensslServer(std::move(*contexts), options));
}

Expected<void> OpensslServer::replace(std::shared_ptr<const ServerCertificates> certificates) {
  auto contexts = make_contexts(std::move(certificates), options_);
  if (!contexts) return std::move(contexts).error();
  contexts_ = std::move(*contexts);
  return {};
}

event::Task<Expected<Secured>> OpensslServer::accept(std::unique_ptr<event::Stream> plain, Duration limit) {
  return accept(std::move(plain), limit, nullptr);
}

event::Task<Expected<Secured>> OpensslServer::accept(std::unique_ptr<event::Stream> plain, Duration limit,
                                                     std::shared_ptr<const ClientAuthorities> authorities) {
  const std::shared_ptr<const Contexts> contexts = contexts_;  // the ClientHello is looked at with them
  ERR_clear_error();
  SslPtr ssl(SSL_new(contexts->all.front().get()));
  if (!ssl) co_return take_error(Errc::unavailable, "cannot begin TLS");
  SSL_set_accept_state(ssl.get());
  SystemTime date = plain->loop().date();
  SSL_set_app_data(ssl.get(), &date);  // for as long as the handshake takes
  if (authorities && !authorities->ask(*ssl)) co_return take_error(Errc::unavailable, "cannot begin TLS");
  auto stream = std::make_unique<TlsStream>(std::move(plain), std::move(ssl));
  auto shaken = co_await stream->shake_hands(limit);
  SSL_set_app_data(&stream->ssl(), nullptr);
  if (!shaken) co_return std::move(shaken).error();
  HandshakeFacts facts = negotiated(stream->ssl());
  ChannelBindings bindings;
  if (options_.strength == Strength::submission) bindings = channel_bindings(stream->ssl());
  std::shared_ptr<const ClientCertificate> client;
  if (authorities) client = client_certificate(stream->ssl(), *authorities, stream->loop().date());
  Secured secured(std::move(stream), std::move(facts));
  secured.client = std::move(client);
  secured.bindings = std::move(bindings);
  co_return secured;
}

}  // namespace sealpost::tls
