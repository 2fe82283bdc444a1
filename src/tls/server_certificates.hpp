// SPDX-License-Identifier: Apache-2.0
//
// All certificates that our listeners can present, and which of them a client gets by the name it asks for (SNI, RFC 6066
// §3). The names are those in the certificates; nothing is said twice. For each name one certificate of each kind of key, so
// that a handshake takes RSA or ECDSA by what its client can verify. Made whole, then shared by all threads (T-52), with
// the secret that seals session tickets: one for all names, and a new one each hour and with every reload.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tls/server_identity.hpp"
#include "tls/ticket_keys.hpp"

namespace sealpost::tls {

class ServerCertificates {
 public:
  using Identity = std::shared_ptr<const ServerIdentity>;
  // One or more. The first is for who asks for a name that none has, or for none.
  explicit ServerCertificates(std::vector<Identity> identities);
  ServerCertificates(const ServerCertificates&) = delete;
  ServerCertificates& operator=(const ServerCertificates&) = delete;

  const std::vector<Identity>& all() const noexcept { return all_; }

  // What is presented together: places in all(), ascending, one for each kind of key.
  using Choice = std::vector<std::size_t>;
  // The first is for who asks for no name that is here: the first of all(), and of each other kind of key the first that
  // has all of its names. The others are those that find() names.
  const std::vector<Choice>& choices() const noexcept { return choices_; }
  // The place in choices() for `name`, in lower case and without a last dot. One that names it in full goes before one with a
  // wildcard, which stands for one whole label, the leftmost (RFC 9525 §6.3). Nothing: no certificate has it.
  std::optional<std::size_t> find(std::string_view name) const noexcept;
  // The public keys, as ServerIdentity::key_sha256(), that a client may be shown when it asks for `name`.
  std::vector<std::string> keys_for(std::string_view name) const;

  // What clients that verify have against each of all(), in that order. That none names `host` is said of the first; of one
  // that no client is ever shown, that.
  std::vector<std::optional<Objection>> objections(const std::string& host, SystemTime now,
                                                   std::chrono::seconds soon) const;

  // The OCSP response to show with a certificate that install() gave to OpenSSL; null: none is good now.
  const OcspStaple* staple_for(const X509* certificate, SystemTime now) const noexcept;

  // False with OpenSSL's error queue filled.
  bool install(SSL_CTX& context, const Choice& choice) const noexcept;
  TicketKeys& tickets() const noexcept { return tickets_; }

 private:
  Choice for_unknown_names() const;
  std::vector<bool> shown() const;

  std::vector<Identity> all_;
  std::vector<Choice> choices_;
  std::map<std::string, std::size_t, std::less<>> names_;  // to a place in choices_
  std::map<std::string, std::size_t, std::less<>>
      parents_;                 // of wildcards, likewise: "example.net" for "*.example.net"
  mutable TicketKeys tickets_;  // it looks after itself
};

}  // namespace sealpost::tls
