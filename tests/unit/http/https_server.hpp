// SPDX-License-Identifier: Apache-2.0
//
// An HTTPS server on a free loopback port that sends what a test tells it to, byte by byte if need be, from threads of
// its own. It never waits longer than two seconds for anything.
#pragma once

#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <atomic>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "../tls/certificates.hpp"
#include "base/handles.hpp"
#include "base/openssl_handles.hpp"
#include "event/sockaddr.hpp"

namespace sealpost::test {

class HttpsServer {
 public:
  // One accepted and decrypted connection; `request` is what came up to the end of its headers, and its body.
  class Connection {
   public:
    Connection(SSL* ssl, int fd, std::atomic<bool>& stop) : ssl_(ssl), fd_(fd), stop_(stop) {}
    bool send(std::string_view bytes) {
      return SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size())) > 0;
    }
    // Until the client has enough, or the test is over. False when sending failed.
    bool drip(std::string_view bytes, std::chrono::milliseconds gap) {
      while (!stop_) {
        for (const char byte : bytes) {
          if (stop_ || !send(std::string_view(&byte, 1))) return false;
          std::this_thread::sleep_for(gap);
        }
      }
      return true;
    }
    bool flood(std::string_view bytes) {
      while (!stop_)
        if (!send(bytes)) return false;
      return true;
    }
    void wait() {
      while (!stop_) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    void reset() {  // RST instead of an orderly end
      const linger at_once{1, 0};
      ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
      ::shutdown(fd_, SHUT_RDWR);
    }
    std::string request;

   private:
    SSL* ssl_;
    int fd_;
    std::atomic<bool>& stop_;
  };
  using Script = std::function<void(Connection&)>;

  HttpsServer(const Issued& leaf, Script script, int newest = TLS1_3_VERSION) : script_(std::move(script)) {
    context_.reset(SSL_CTX_new(TLS_server_method()));
    SSL_CTX_set_security_level(context_.get(), 0);
    SSL_CTX_set_min_proto_version(context_.get(), TLS1_VERSION);
    SSL_CTX_set_max_proto_version(context_.get(), newest);
    SSL_CTX_use_certificate(context_.get(), leaf.certificate.get());
    SSL_CTX_use_PrivateKey(context_.get(), leaf.key.get());
    SSL_CTX_set_tlsext_servername_callback(context_.get(), &HttpsServer::name_asked);
    SSL_CTX_set_tlsext_servername_arg(context_.get(), this);
    listener_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const event::SockAddr any(Endpoint(IpAddress::v4({127, 0, 0, 1}), 0));
    ::bind(listener_.get(), any.get(), any.size());
    ::listen(listener_.get(), 64);
    port_ = event::local_of(listener_.get()).port;
    acceptor_ = std::thread([this] { accept_all(); });
  }
  ~HttpsServer() {
    stop_ = true;
    acceptor_.join();
    for (auto& thread : connections_) thread.join();
  }
  std::uint16_t port() const noexcept { return port_; }
  std::vector<std::string> names() const {  // SNI of each handshake
    const std::lock_guard lock(mutex_);
    return names_;
  }
  int accepted() const noexcept { return accepted_; }

 private:
  static int name_asked(SSL* ssl, int*, void* self) {
    auto& server = *static_cast<HttpsServer*>(self);
    const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    const std::lock_guard lock(server.mutex_);
    server.names_.emplace_back(name != nullptr ? name : "");
    return SSL_TLSEXT_ERR_OK;
  }
  void accept_all() {
    while (!stop_) {
      pollfd watched{listener_.get(), POLLIN, 0};
      if (::poll(&watched, 1, 10) <= 0) continue;
      const int fd = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) continue;
      ++accepted_;
      connections_.emplace_back([this, fd] { serve(FileDescriptor(fd)); });
    }
  }
  void serve(FileDescriptor fd) {
    const timeval limit{2, 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    const SslPtr ssl(SSL_new(context_.get()));
    SSL_set_fd(ssl.get(), fd.get());
    if (SSL_accept(ssl.get()) <= 0) return;
    Connection connection(ssl.get(), fd.get(), stop_);
    if (!read_request(ssl.get(), connection.request)) return;
    script_(connection);
    SSL_shutdown(ssl.get());
  }
  static bool read_request(SSL* ssl, std::string& request) {
    std::size_t expected = std::string::npos;
    char buffer[4096];
    while (request.size() < expected) {
      const int got = SSL_read(ssl, buffer, sizeof buffer);
      if (got <= 0) return false;
      request.append(buffer, static_cast<std::size_t>(got));
      const auto end = request.find("\r\n\r\n");
      if (expected != std::string::npos || end == std::string::npos) continue;
      const auto length = request.find("Content-Length: ");
      expected = end + 4 + (length < end ? std::stoul(request.substr(length + 16)) : 0);
    }
    return true;
  }

  Script script_;
  SslContextPtr context_;
  FileDescriptor listener_;
  std::uint16_t port_ = 0;
  std::atomic<bool> stop_{false};
  std::atomic<int> accepted_{0};
  mutable std::mutex mutex_;
  std::vector<std::string> names_;
  std::list<std::thread> connections_;
  std::thread acceptor_;
};

}  // namespace sealpost::test
