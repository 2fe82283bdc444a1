// SPDX-License-Identifier: Apache-2.0
#include "tls/openssl_client.hpp"

#include <openssl/err.h>

#include <algorithm>

#include "base/planted.hpp"
#include "tls/certificate.hpp"
#include "tls/openssl_error.hpp"
#include "tls/profile.hpp"
#include "tls/verify.hpp"

namespace sealpost::tls {

namespace {

constexpr std::size_t largest_kept_chain = 16384;  // octets of DER a session is kept with

// Verification is recorded, never enforced here: verify.hpp looks at the chain once the handshake is over.
int accept_any(X509_STORE_CTX* context, void*) noexcept {
  X509_STORE_CTX_set_error(context, X509_V_OK);
  return 1;
}

int keep_session(SSL* ssl, SSL_SESSION* session) noexcept {
  SessionKeeper* keeper = SessionKeeper::of(*ssl);
  if (!keeper) return 0;
  keeper->arrived(SslSessionPtr(session));
  return 1;  // the reference is ours now
}

Expected<SslContextPtr> make_context(Strength strength) {
  ERR_clear_error();
  SslContextPtr context(SSL_CTX_new(TLS_client_method()));
  if (!context || !apply_profile(*context, strength)) {
    return take_error(Errc::unavailable, "cannot set up TLS for the client side");
  }
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_NONE, nullptr);
  SSL_CTX_set_cert_verify_callback(context.get(), accept_any, nullptr);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context.get(), keep_session);
  return context;
}

std::size_t encoded_size(const STACK_OF(X509) * chain) noexcept {
  std::size_t total = 0;
  for (int i = 0; i < sk_X509_num(chain); ++i) {
    total += static_cast<std::size_t>(std::max(0, i2d_X509(sk_X509_value(chain, i), nullptr)));
  }
  return total;
}

// What a ClientHello under these options offers and shows, and what its peer's certificate is checked against.
std::string resumption_key(const ClientOptions& options, const TrustStore& roots) {
  if (options.session_key.empty()) return {};
  if (planted(Plant::resume_across_profiles)) return options.session_key;
  std::string key = options.session_key + "|sni=" + options.server_name;
  key += "|roots=" + roots.digest();
  key += options.strong_only ? "|strong" : "|any";
  key += "|from=" + std::string(name_of(std::max(options.minimum, TlsVersion::tls1_2)));
  if (options.classical_groups_only) key += "|classical";
  if (!options.tlsa.empty()) key += "|tlsa=" + tlsa_digest(options.tlsa);
  if (options.identity) key += "|client=" + options.identity->leaf_sha256();
  return key;
}

}  // namespace

Expected<std::unique_ptr<OpensslClient>> OpensslClient::create(std::shared_ptr<const TrustStore> trust,
                                                               std::size_t sessions) {
  auto opportunistic = make_context(Strength::opportunistic);
  if (!opportunistic) return std::move(opportunistic).error();
  auto strong = make_context(Strength::strong);
  if (!strong) return std::move(strong).error();
  return std::unique_ptr<OpensslClient>(
      new OpensslClient(std::move(trust), std::move(*opportunistic), std::move(*strong), sessions));
}

OpensslClient::OpensslClient(std::shared_ptr<const TrustStore> trust, SslContextPtr opportunistic,
                             SslContextPtr strong, std::size_t sessions)
    : trust_(std::move(trust)),
      opportunistic_(std::move(opportunistic)),
      strong_(std::move(strong)),
      sessions_(std::make_shared<SessionCache>(sessions)) {}

event::Task<Expected<Secured>> OpensslClient::handshake(std::unique_ptr<event::Stream> plain,
                                                        ClientOptions options, Duration limit) {
  options.session_key = resumption_key(options, roots(options));
  const SessionCache::Entry* entry =
      options.session_key.empty() ? nullptr : sessions_->find(options.session_key);
  const std::shared_ptr<const CertificateFacts> recorded = entry ? entry->facts : nullptr;
  auto ssl = prepare(options, entry);
  if (!ssl) co_return std::move(ssl).error();

  auto stream = std::make_unique<TlsStream>(std::move(plain), std::move(*ssl));
  auto shaken = co_await stream->shake_hands(limit);
  if (!shaken) {
    // Perhaps it was the resumption that the server could not bear (T-07): the next try shows everything
    // again.
    if (recorded) sessions_->drop(options.session_key);
    co_return std::move(shaken).error();
  }
  HandshakeFacts facts = negotiated(stream->ssl());
  facts.certificate =
      facts.resumed ? recorded : examine(stream->ssl(), options, stream->loop().believed().latest);
  if (SessionKeeper* keeper = SessionKeeper::of(stream->ssl())) keeper->established(facts.certificate);
  ChannelBindings bindings;
  if (options.bindings) bindings = client_channel_bindings(stream->ssl());
  Secured secured(std::move(stream), std::move(facts));
  secured.bindings = std::move(bindings);
  co_return secured;
}

Expected<SslPtr> OpensslClient::prepare(const ClientOptions& options,
                                        const SessionCache::Entry* offered) const {
  ERR_clear_error();
  SSL_CTX& context = options.strong_only ? *strong_ : *opportunistic_;
  SslPtr ssl(SSL_new(&context));
  if (!ssl) return take_error(Errc::unavailable, "cannot begin TLS");
  const auto minimum = std::max(options.minimum, TlsVersion::tls1_2);  // RFC 8996: never below
  bool ok = SSL_set_min_proto_version(ssl.get(), static_cast<int>(minimum)) == 1;
  if (options.classical_groups_only) ok = ok && SSL_set1_groups_list(ssl.get(), classical_groups) == 1;
  if (!options.server_name.empty())
    ok = ok && SSL_set_tlsext_host_name(ssl.get(), options.server_name.c_str()) == 1;
  if (options.identity) ok = ok && options.identity->install(*ssl);
  if (!ok) return take_error(Errc::invalid, "TLS options for " + options.server_name);
  if (!options.session_key.empty()) {
    SessionKeeper::attach(*ssl, std::make_unique<SessionKeeper>(sessions_, options.session_key));
    if (offered) SSL_set_session(ssl.get(), offered->session.get());
  }
  SSL_set_connect_state(ssl.get());
  return ssl;
}

std::shared_ptr<const CertificateFacts> OpensslClient::examine(SSL& ssl, const ClientOptions& options,
                                                               SystemTime now) const {
  const X509Ptr leaf(SSL_get1_peer_certificate(&ssl));
  if (!leaf) return nullptr;
  STACK_OF(X509)* presented = SSL_get_peer_cert_chain(&ssl);
  auto facts = std::make_shared<CertificateFacts>(read_certificate(*leaf));
  const ChainVerification webpki = verify_webpki(roots(options), *leaf, presented, now);
  facts->webpki = webpki.result;
  if (webpki.result.ok()) facts->chain_expires = webpki.expires;
  if (!options.tlsa.empty()) {
    const DaneVerification dane = verify_dane(options.tlsa, *leaf, presented, now);
    facts->dane = dane.facts;
    if (dane.facts.chain.ok()) facts->chain_expires = std::min(facts->chain_expires, dane.expires);
  }
  SessionKeeper* keeper = SessionKeeper::of(ssl);
  if (keeper && encoded_size(presented) > largest_kept_chain) keeper->decline();
  return facts;
}

}  // namespace sealpost::tls
