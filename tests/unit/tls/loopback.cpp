// SPDX-License-Identifier: Apache-2.0
#include "loopback.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <stdexcept>

#include "event/socket_stream.hpp"
#include "tls/tls_stream.hpp"

namespace sealpost::test {

using event::IoState;

namespace {

void loopback_must(bool ok, const char* what) {
  if (!ok) throw std::runtime_error(what);
}

std::unique_ptr<event::Stream> adopt(event::EventLoop& loop, FileDescriptor fd) {
  loopback_must(::fcntl(fd.get(), F_SETFL, O_NONBLOCK) == 0, "non-blocking");
  const int on = 1;
  loopback_must(::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0, "no delay");
  auto stream = event::SocketStream::adopt(loop, std::move(fd), *Endpoint::parse("127.0.0.1:25"));
  loopback_must(stream.has_value(), "adopt");
  return std::move(*stream);
}

}  // namespace

Ends loopback(event::EventLoop& loop) {
  FileDescriptor listening(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  FileDescriptor client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  auto* address = reinterpret_cast<sockaddr*>(&at);
  loopback_must(::bind(listening.get(), address, size) == 0 && ::listen(listening.get(), 1) == 0, "listen");
  loopback_must(::getsockname(listening.get(), address, &size) == 0, "name");
  loopback_must(::connect(client.get(), address, size) == 0, "connect");
  FileDescriptor server(::accept(listening.get(), nullptr, nullptr));
  loopback_must(server.get() >= 0, "accept");
  Ends ends;
  ends.client = adopt(loop, std::move(client));
  ends.server = adopt(loop, std::move(server));
  return ends;
}

namespace {
void apply(SSL_CTX& context, const PeerOptions& options) {
  SSL_CTX_set_mode(&context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  loopback_must(SSL_CTX_set_cipher_list(&context, options.ciphers.c_str()) == 1, "ciphers");
  loopback_must(SSL_CTX_set_min_proto_version(&context, options.oldest) == 1, "oldest");
  loopback_must(SSL_CTX_set_max_proto_version(&context, options.newest) == 1, "newest");
  if (!options.groups.empty())
    loopback_must(SSL_CTX_set1_groups_list(&context, options.groups.c_str()) == 1, "groups");
}
}  // namespace

SslContextPtr lax_server(const Issued& leaf, const std::vector<const Issued*>& chain,
                         const PeerOptions& options) {
  SslContextPtr context(SSL_CTX_new(TLS_server_method()));
  loopback_must(context != nullptr, "context");
  apply(*context, options);
  std::vector<const X509*> others;
  for (const Issued* issued : chain) others.push_back(issued->certificate.get());
  const X509StackPtr stack = stack_of(others);
  loopback_must(
      SSL_CTX_use_cert_and_key(context.get(), leaf.certificate.get(), leaf.key.get(), stack.get(), 1) == 1,
      "certificate");
  SSL_CTX_set_dh_auto(context.get(), 1);
  return context;
}

SslContextPtr lax_client(const PeerOptions& options) {
  SslContextPtr context(SSL_CTX_new(TLS_client_method()));
  loopback_must(context != nullptr, "context");
  apply(*context, options);
  return context;
}

event::Task<Expected<tls::Secured>> session_shakes(std::unique_ptr<event::Stream> plain, SslPtr ssl,
                                                   Duration limit) {
  auto stream = std::make_unique<tls::TlsStream>(std::move(plain), std::move(ssl));
  auto shaken = co_await stream->shake_hands(limit);
  if (!shaken) co_return std::move(shaken).error();
  HandshakeFacts facts = tls::negotiated(stream->ssl());
  tls::Secured secured(std::move(stream), std::move(facts));
  co_return secured;
}

event::Task<Expected<tls::Secured>> peer_shakes(std::unique_ptr<event::Stream> plain, SSL_CTX& context,
                                                Duration limit, std::string name, std::string alpn) {
  SslPtr ssl(SSL_new(&context));
  if (SSL_CTX_get_ssl_method(&context) == TLS_server_method()) {
    SSL_set_accept_state(ssl.get());
  } else {
    SSL_set_connect_state(ssl.get());
    if (!name.empty()) SSL_set_tlsext_host_name(ssl.get(), name.c_str());
    const auto* wire = reinterpret_cast<const unsigned char*>(alpn.data());
    if (!alpn.empty()) SSL_set_alpn_protos(ssl.get(), wire, static_cast<unsigned>(alpn.size()));
  }
  auto secured = co_await session_shakes(std::move(plain), std::move(ssl), limit);
  co_return secured;
}

namespace {

event::Task<void> keep(event::Task<Expected<tls::Secured>> task,
                       std::optional<Expected<tls::Secured>>& into) {
  into.emplace(co_await task);
}

event::Task<void> all(event::TaskScope& scope) { co_await scope.join(); }

}  // namespace

std::pair<Expected<tls::Secured>, Expected<tls::Secured>> run_both(
    event::Loop& loop, event::Task<Expected<tls::Secured>> client,
    event::Task<Expected<tls::Secured>> server) {
  std::optional<Expected<tls::Secured>> first;
  std::optional<Expected<tls::Secured>> second;
  event::TaskScope scope(loop);
  scope.spawn(keep(std::move(client), first));
  scope.spawn(keep(std::move(server), second));
  event::run_until_done(loop, all(scope));
  return {std::move(*first), std::move(*second)};
}

event::Task<Expected<void>> send_text(event::Stream& stream, std::string text) {
  std::string_view left = text;
  while (!left.empty()) {
    const event::IoResult sent = stream.try_write(left);
    if (sent.state == IoState::done) {
      left.remove_prefix(sent.bytes);
      continue;
    }
    if (sent.state != IoState::would_block) co_return stream.error();
    const bool ready = co_await stream.wait(sent.want, patience);
    if (!ready) co_return Error(Errc::timed_out, "test peer does not read");
  }
  co_return Expected<void>();
}

event::Task<Expected<std::string>> read_text(event::Stream& stream, std::size_t count) {
  std::string text;
  std::array<char, 8192> piece{};
  while (text.size() < count) {
    const event::IoResult got = stream.try_read({piece.data(), std::min(piece.size(), count - text.size())});
    if (got.state == IoState::done) {
      text.append(piece.data(), got.bytes);
      continue;
    }
    if (got.state == IoState::closed) break;
    if (got.state != IoState::would_block) co_return stream.error();
    const bool ready = co_await stream.wait(got.want, patience);
    if (!ready) co_return Error(Errc::timed_out, "test peer says nothing");
  }
  co_return text;
}

}  // namespace sealpost::test
