// SPDX-License-Identifier: Apache-2.0
//
// Certificates of our clients: whom a listener asks for one, and what a client has shown. Judged after the handshake, which
// goes through in any case: who shows none, or one that proves nothing, is a client like another (ADR 5, ADR 48).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sealpost/clock.hpp"
#include "tls/trust_store.hpp"

namespace sealpost::tls {

// What one listener's clients are asked for. Shared by all threads.
class ClientAuthorities {
 public:
  // PEM files of authorities whose certificates' names count. None: no names count, and keys may be known all the same. The
  // error names the file.
  static Expected<std::shared_ptr<const ClientAuthorities>> load(const std::vector<std::string>& files);
  static Expected<std::shared_ptr<const ClientAuthorities>> from_pem(std::string_view pem);  // empty: none

  // Before a handshake as the server: asks for a certificate, by authority. No session is resumed on that connection and none
  // is kept for another one: a ticket would say who somebody is, after that was taken from him.
  bool ask(SSL& ssl) const;
  const TrustStore* trust() const noexcept { return trust_.get(); }

 private:
  struct FreeNames {
    void operator()(STACK_OF(X509_NAME) * names) const noexcept {
      sk_X509_NAME_pop_free(names, X509_NAME_free);
    }
  };
  std::shared_ptr<const TrustStore> trust_;                // null: none
  std::unique_ptr<STACK_OF(X509_NAME), FreeNames> names_;  // null: too many to send, or none
};

struct ClientCertificate {
  ClientCertificate() = default;
  // Subject alternative names, in lower case but for the local parts of addresses; the common name does not count.
  std::vector<std::string> dns_names;
  std::vector<std::string> addresses;
  std::string certificate_sha256,
      key_sha256;       // of the certificate, and of its public key (SPKI); lower-case hex
  std::string subject;  // for people
  // Names count: the chain leads to one of the authorities, is made for clients, and in date. Else why not.
  bool trusted = false;
  std::string why;
};

// What the client has shown in the handshake that is over; null: nothing.
std::shared_ptr<const ClientCertificate> client_certificate(SSL& ssl, const ClientAuthorities& authorities,
                                                            SystemTime now);

}  // namespace sealpost::tls
