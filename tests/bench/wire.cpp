// SPDX-License-Identifier: Apache-2.0
//
// See wire.hpp.

#include "wire.hpp"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <ctime>
#include <stdexcept>
#include <system_error>

namespace bench {

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = other.fd_;
    other.fd_ = -1;
  }
  return *this;
}

void Descriptor::reset() noexcept {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

namespace {

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

int checked(int result, const char* what) {
  if (result < 0) fail(what);
  return result;
}

void set_option(int fd, int level, int option) {
  const int on = 1;
  checked(::setsockopt(fd, level, option, &on, sizeof on), "setsockopt");
}

SslContextPtr new_context(const SSL_METHOD* method) {
  SslContextPtr context(SSL_CTX_new(method));
  if (!context) throw std::runtime_error("OpenSSL gave no context");
  SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                      SSL_MODE_RELEASE_BUFFERS);
  return context;
}

}  // namespace

Address parse_address(const std::string& text) {
  const auto colon = text.rfind(':');
  unsigned port = 0;
  if (colon != std::string::npos) {
    const char* end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data() + colon + 1, end, port);
    if (parsed.ec != std::errc() || parsed.ptr != end || port > 65535) port = 0;
  }
  if (port == 0)
    throw std::invalid_argument("'" + text + "' is no ADDRESS:PORT, as in 127.0.0.1:25 or [::1]:25");
  std::string host = text.substr(0, colon);
  Address address;
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    auto& v6 = reinterpret_cast<sockaddr_in6&>(address.storage);
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(static_cast<std::uint16_t>(port));
    address.length = sizeof v6;
    host = host.substr(1, host.size() - 2);
    if (::inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) == 1) return address;
  } else {
    auto& v4 = reinterpret_cast<sockaddr_in&>(address.storage);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(static_cast<std::uint16_t>(port));
    address.length = sizeof v4;
    if (::inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) return address;
  }
  throw std::invalid_argument("'" + host + "' is no IP address (names are not looked up)");
}

Io Wire::after_tls(int result) {
  const int error = SSL_get_error(ssl_.get(), result);
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return Io::blocked;
  ERR_clear_error();
  return Io::closed;
}

Io Wire::read(char* into, std::size_t room, std::size_t& got) {
  if (ssl_) {
    ERR_clear_error();
    const int result = SSL_read_ex(ssl_.get(), into, room, &got);
    return result == 1 ? Io::progress : after_tls(result);
  }
  const ssize_t result = ::recv(fd_.get(), into, room, 0);
  if (result > 0) {
    got = static_cast<std::size_t>(result);
    return Io::progress;
  }
  return result < 0 && (errno == EAGAIN || errno == EINTR) ? Io::blocked : Io::closed;
}

Io Wire::write(std::string& pending) {
  std::size_t sent = 0;
  Io end = Io::progress;
  while (sent < pending.size() && end == Io::progress) {
    if (ssl_) {
      ERR_clear_error();
      std::size_t wrote = 0;
      const int result = SSL_write_ex(ssl_.get(), pending.data() + sent, pending.size() - sent, &wrote);
      if (result != 1) end = after_tls(result);
      sent += wrote;
    } else {
      const ssize_t result = ::send(fd_.get(), pending.data() + sent, pending.size() - sent, MSG_NOSIGNAL);
      if (result >= 0)
        sent += static_cast<std::size_t>(result);
      else
        end = errno == EAGAIN || errno == EINTR || errno == ENOTCONN ? Io::blocked : Io::closed;
    }
  }
  pending.erase(0, sent);
  return end;
}

void Wire::begin_tls(SSL_CTX& context, bool as_server) {
  ssl_.reset(SSL_new(&context));
  if (!ssl_ || SSL_set_fd(ssl_.get(), fd_.get()) != 1) throw std::runtime_error("OpenSSL gave no session");
  as_server ? SSL_set_accept_state(ssl_.get()) : SSL_set_connect_state(ssl_.get());
}

Io Wire::handshake() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  return result == 1 ? Io::progress : after_tls(result);
}

void Wire::close() noexcept {
  if (ssl_ && SSL_is_init_finished(ssl_.get())) {
    ERR_clear_error();
    SSL_shutdown(ssl_.get());  // without it OpenSSL forbids the session to be resumed
    ERR_clear_error();
  }
  ssl_.reset();
  fd_.reset();
}

SslContextPtr server_tls(const std::string& certificate, const std::string& key) {
  auto context = new_context(TLS_server_method());
  if (SSL_CTX_use_certificate_chain_file(context.get(), certificate.c_str()) != 1)
    throw std::runtime_error("cannot use the certificate in " + certificate);
  if (SSL_CTX_use_PrivateKey_file(context.get(), key.c_str(), SSL_FILETYPE_PEM) != 1)
    throw std::runtime_error("cannot use the key in " + key);
  return context;
}

SslContextPtr client_tls() {
  auto context = new_context(TLS_client_method());
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_NONE, nullptr);
  return context;
}

Descriptor listen_on(const Address& address) {
  const int family = address.storage.ss_family;
  Descriptor fd(checked(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket"));
  set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR);
  set_option(fd.get(), SOL_SOCKET, SO_REUSEPORT);
  checked(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address.storage), address.length), "bind");
  checked(::listen(fd.get(), 4096), "listen");
  return fd;
}

Descriptor accept_from(const Descriptor& listener) {
  for (;;) {
    Descriptor fd(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd.open()) {
      set_option(fd.get(), IPPROTO_TCP, TCP_NODELAY);
      return fd;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) return fd;
    if (errno != EINTR && errno != ECONNABORTED) fail("accept");
  }
}

Descriptor connect_to(const Address& address) {
  const int family = address.storage.ss_family;
  Descriptor fd(checked(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket"));
  set_option(fd.get(), IPPROTO_TCP, TCP_NODELAY);
  const int result = ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address.storage), address.length);
  if (result < 0 && errno != EINPROGRESS) fd.reset();  // refused at once: the caller tries again later
  return fd;
}

Poll::Poll() : fd_(checked(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")) {}

void Poll::add(int fd, std::uint64_t key) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.u64 = key;
  checked(::epoll_ctl(fd_.get(), EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
}

int Poll::wait(epoll_event* events, int room, int timeout_ms) {
  const int count = ::epoll_wait(fd_.get(), events, room, timeout_ms);
  return count < 0 && errno == EINTR ? 0 : checked(count, "epoll_wait");
}

std::int64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

double cpu_seconds() {
  timespec used{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) * 1e-9;
}

void raise_descriptor_limit() noexcept {
  const rlimit wanted{1 << 18, 1 << 18};
  if (::setrlimit(RLIMIT_NOFILE, &wanted) == 0) return;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace bench
