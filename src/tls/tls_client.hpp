// SPDX-License-Identifier: Apache-2.0
//
// TLS as a client: takes over a plain stream after STARTTLS (or connects implicitly), records what the peer
// showed, never refuses it: judging is verdict.hpp's work. Behind the interface: OpenSSL (openssl_client), or
// a script in simulation.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "event/task.hpp"
#include "sealpost/tlsa.hpp"
#include "tls/secured.hpp"
#include "tls/server_identity.hpp"
#include "tls/trust_store.hpp"

namespace sealpost::tls {

struct ClientOptions {
  ClientOptions() = default;
  std::string server_name;  // SNI: MX host, or the TLSA base domain (RFC 7672 §8.1)
  TlsVersion minimum = TlsVersion::tls1_2;
  std::vector<TlsaRecord> tlsa;                    // usable records only; checked and recorded, not enforced
  bool classical_groups_only = false;              // second try for peers that stall on a large ClientHello
  bool strong_only = false;                        // enforcing demand: ECDHE, no legacy key exchange
  bool bindings = false;                           // Secured::bindings are wanted
  std::shared_ptr<const TrustStore> trust;         // what chains are checked against; null: the client's own
  std::shared_ptr<const ServerIdentity> identity;  // shown if the peer asks for a certificate; null: none
  // Sessions are resumed only under the same key (T-07, S43): host, port, requirement level, reference names, trust
  // set. What the options above offer and show is a part of it that the client adds itself, so that a session made
  // under one profile is never resumed under another. Empty: neither offered nor kept.
  std::string session_key;
};

class Client {
 public:
  virtual ~Client() = default;
  // Consumes the stream in any case. Errc::tls (detail = reason token such as
  // "tlsv1-alert-protocol-version"), closed, io or timed_out: nothing may be sent in clear on that connection
  // any more.
  virtual event::Task<Expected<Secured>> handshake(std::unique_ptr<event::Stream> plain,
                                                   ClientOptions options, Duration limit) = 0;
};

}  // namespace sealpost::tls
