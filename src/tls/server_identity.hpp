// SPDX-License-Identifier: Apache-2.0
//
// What our listeners present, and what we show to a partner that asks for a certificate: chain, key, and the secret that seals session tickets. Read and
// checked as a whole before anything uses it (T-52), then shared by all threads. Loading the same files again
// makes a new ticket secret, so a daily reload is its rotation too.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/openssl_handles.hpp"
#include "keys/source.hpp"
#include "sealpost/clock.hpp"
#include "sealpost/expected.hpp"

namespace sealpost::tls {

class ServerIdentity {
 public:
  // Details name the file and what would be right: no PEM, a key for another certificate, an encrypted key,
  // or a key that every user of the machine can read (T-51).
  static Expected<std::shared_ptr<const ServerIdentity>> load(const std::string& certificate,
                                                              const std::string& key,
                                                              const keys::Source& keys);
  static Expected<std::shared_ptr<const ServerIdentity>> from_pem(std::string_view certificate,
                                                                  std::string_view key);

  ServerIdentity(X509Ptr leaf, X509StackPtr chain, EvpKeyPtr key);
  ~ServerIdentity();
  ServerIdentity(const ServerIdentity&) = delete;
  ServerIdentity& operator=(const ServerIdentity&) = delete;

  SystemTime expires() const noexcept;  // notAfter of the leaf, for `status`
  // What clients that verify have against it as the certificate of `host`; nothing: nothing.
  struct Objection {
    enum class Kind : std::uint8_t { refused, ends_soon, name };  // refused: by date, today
    Kind kind = Kind::refused;
    std::string what, remedy;  // "expired on 2026-01-31"
  };
  std::optional<Objection> objection(const std::string& host, SystemTime now,
                                     std::chrono::seconds soon) const;
  // False with OpenSSL's error queue filled.
  bool install(SSL_CTX& context) const noexcept;
  // The same for one connection as a client: no tickets are sealed there.
  bool install(SSL& ssl) const noexcept;
  const std::string& leaf_sha256() const noexcept { return leaf_sha256_; }
  const std::string& key_sha256() const noexcept { return key_sha256_; }  // of the public key (SPKI)

 private:
  X509Ptr leaf_;
  X509StackPtr chain_;  // without the leaf
  EvpKeyPtr key_;
  std::string leaf_sha256_, key_sha256_;  // lower-case hex
  std::array<unsigned char, 80> ticket_keys_{};
};

}  // namespace sealpost::tls
