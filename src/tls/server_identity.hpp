// SPDX-License-Identifier: Apache-2.0
//
// One certificate of ours with its chain and its key: of those that our listeners present (server_certificates.hpp), or what
// we show to a partner that asks for one. Read and checked as a whole before anything uses it (T-52), then shared by all threads.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/openssl_handles.hpp"
#include "keys/source.hpp"
#include "sealpost/clock.hpp"
#include "sealpost/expected.hpp"
#include "tls/ocsp_staple.hpp"

namespace sealpost::tls {

// What clients that verify have against a certificate of ours.
struct Objection {
  // refused: by date, today, or because its OCSP response says so or is missing; ends_soon: it will be; staple: clients that
  // ask are shown no OCSP response, or soon; name: it lacks ours; unused: nobody is shown it
  enum class Kind : std::uint8_t { refused, ends_soon, staple, name, unused };
  Kind kind = Kind::refused;
  std::string what, remedy;  // "expired on 2026-01-31"
};

class ServerIdentity {
 public:
  // Details name the file and what would be right: no PEM, a key for another certificate, an encrypted key,
  // or a key that every user of the machine can read (T-51). `staple`: the file of an OCSP response; "": none.
  static Expected<std::shared_ptr<const ServerIdentity>> load(const std::string& certificate,
                                                              const std::string& key,
                                                              const keys::Source& keys,
                                                              const std::string& staple = {});
  static Expected<std::shared_ptr<const ServerIdentity>> from_pem(std::string_view certificate,
                                                                  std::string_view key);

  ServerIdentity(X509Ptr leaf, X509StackPtr chain, EvpKeyPtr key, std::optional<OcspStaple> staple = {});
  ~ServerIdentity() = default;
  ServerIdentity(const ServerIdentity&) = delete;
  ServerIdentity& operator=(const ServerIdentity&) = delete;

  SystemTime expires() const noexcept;  // notAfter of the leaf, for `status`
  // What its dates and those of its OCSP response say; nothing: nothing.
  std::optional<Objection> objection(SystemTime now, std::chrono::seconds soon) const;
  bool is_for(const std::string& host) const;  // clients that verify take it for that of `host`
  // The DNS names in it that could be hosts', in lower case, wildcards among them.
  const std::vector<std::string>& names() const noexcept { return names_; }
  int key_type() const noexcept;  // EVP_PKEY_RSA, EVP_PKEY_EC, ...
  const std::optional<OcspStaple>& staple() const noexcept { return staple_; }
  bool is(const X509* certificate) const noexcept { return certificate == leaf_.get(); }
  // False with OpenSSL's error queue filled.
  bool install(SSL_CTX& context) const noexcept;
  // The same for one connection as a client.
  bool install(SSL& ssl) const noexcept;
  const std::string& leaf_sha256() const noexcept { return leaf_sha256_; }
  const std::string& key_sha256() const noexcept { return key_sha256_; }  // of the public key (SPKI)

 private:
  std::optional<Objection> staple_objection(SystemTime now) const;

  X509Ptr leaf_;
  X509StackPtr chain_;  // without the leaf
  EvpKeyPtr key_;
  std::optional<OcspStaple> staple_;
  std::string leaf_sha256_, key_sha256_;  // lower-case hex
  std::vector<std::string> names_;
};

}  // namespace sealpost::tls
