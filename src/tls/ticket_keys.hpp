// SPDX-License-Identifier: Apache-2.0
//
// The secrets that session tickets are sealed with (RFC 5077 §4, RFC 8446 §4.6.1): whoever learns one reads the sessions of TLS 1.2 that it
// sealed, so none is kept for long. Of our own, and never on disk: a restart makes new ones. Any thread.
#pragma once

#include <openssl/ssl.h>

#include <array>
#include <mutex>

namespace sealpost::tls {

class TicketKeys {
 public:
  TicketKeys();  // random
  ~TicketKeys();
  TicketKeys(const TicketKeys&) = delete;
  TicketKeys& operator=(const TicketKeys&) = delete;

  // Tickets are sealed with a new secret from now on. Those of the one before are opened until the next call, and replaced.
  void rotate();

  // Handshakes of `context` use them, as do those that it hands over to a context that was told of them likewise. They outlive both.
  // False with OpenSSL's error queue filled.
  bool serve(SSL_CTX& context);

 private:
  struct Secret {
    std::array<unsigned char, 16> name{};
    std::array<unsigned char, 32> cipher{}, mac{};
  };
  static int use(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
                 int seal) noexcept;
  int seal(unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX& cipher, EVP_MAC_CTX& mac) noexcept;
  int open(const unsigned char* name, const unsigned char* iv, EVP_CIPHER_CTX& cipher,
           EVP_MAC_CTX& mac) noexcept;

  std::mutex mutex_;  // guards what follows
  Secret current_, former_;
};

}  // namespace sealpost::tls
