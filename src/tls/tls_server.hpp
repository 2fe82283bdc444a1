// SPDX-License-Identifier: Apache-2.0
//
// TLS as a server: takes over a plain stream after STARTTLS (or implicitly on accept). What the client showed comes
// back as facts for the Received header and the log; inbound TLS is never judged. Behind the interface: OpenSSL
// (openssl_server), or a script in tests and simulation.
#pragma once

#include <memory>

#include "event/stream.hpp"
#include "tls/tls_client.hpp"

namespace sealpost::tls {

class Server {
 public:
  virtual ~Server() = default;
  // Consumes the stream in any case. Errc::tls (detail = reason token), closed, io or timed_out: nothing may be sent
  // in clear on that connection any more. ALPN lists without a protocol of ours are refused (T-06).
  virtual event::Task<Expected<Secured>> accept(std::unique_ptr<event::Stream> plain, Duration limit) = 0;
};

}  // namespace sealpost::tls
