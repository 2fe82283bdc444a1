// SPDX-License-Identifier: Apache-2.0
//
// One TCP connection of the load tools, in clear or under TLS, never blocking, and the epoll set it lives in.
// Used by source.cpp and sink.cpp alone. They share no code with the relay on purpose: a fault there must not
// hide itself here.

#pragma once

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace bench {

template <auto Free>
struct FreeWith {
  template <class T>
  void operator()(T* p) const noexcept {
    Free(p);
  }
};
using SslPtr = std::unique_ptr<SSL, FreeWith<SSL_free>>;
using SslContextPtr = std::unique_ptr<SSL_CTX, FreeWith<SSL_CTX_free>>;

// A descriptor that is closed with its owner; -1 is none.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor() { reset(); }
  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool open() const { return fd_ >= 0; }
  void reset() noexcept;

 private:
  int fd_ = -1;
};

struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;
};

// "127.0.0.1:25", "[::1]:25". Throws std::invalid_argument that names the text.
Address parse_address(const std::string& text);

enum class Io { progress, blocked, closed };

class Wire {
 public:
  Wire() = default;
  explicit Wire(Descriptor fd) : fd_(std::move(fd)) {}

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] bool open() const { return fd_.open(); }
  [[nodiscard]] bool encrypted() const { return ssl_ != nullptr; }
  [[nodiscard]] const char* protocol() const { return ssl_ ? SSL_get_version(ssl_.get()) : "clear"; }

  [[nodiscard]] bool resumed() const { return ssl_ && SSL_session_reused(ssl_.get()) == 1; }

  // progress: at least one byte went into [into, into+room); `got` says how many.
  Io read(char* into, std::size_t room, std::size_t& got);
  // Sends from the front of `pending` and erases what went out; progress: all of it did.
  Io write(std::string& pending);
  void begin_tls(SSL_CTX& context, bool as_server);
  Io handshake();
  void close() noexcept;

 private:
  Io after_tls(int result);

  Descriptor fd_;
  SslPtr ssl_;
};

// Server: certificate and key from PEM files. Client: any certificate is taken, a load tool judges nobody.
SslContextPtr server_tls(const std::string& certificate, const std::string& key);
SslContextPtr client_tls();

Descriptor listen_on(const Address& address);  // SO_REUSEPORT, so that each thread has a queue of its own
Descriptor accept_from(const Descriptor& listener);  // none when nobody waits
Descriptor connect_to(const Address& address);       // not yet connected on return

// Every descriptor is registered once, edge triggered, for both directions.
class Poll {
 public:
  Poll();
  void add(int fd, std::uint64_t key);
  int wait(epoll_event* events, int room, int timeout_ms);

 private:
  Descriptor fd_;
};

std::int64_t now_ns();                   // CLOCK_MONOTONIC: comparable between processes of one machine
double cpu_seconds();                    // of this process so far
void raise_descriptor_limit() noexcept;  // as far as the hard limit, further when privileged

}  // namespace bench
