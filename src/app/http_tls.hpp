// SPDX-License-Identifier: Apache-2.0
//
// TLS for who speaks HTTP with us, with the certificate that is in force when the connection begins. One per loop.
#pragma once

#include <functional>
#include <memory>

#include "tls/openssl_server.hpp"
#include "tls/server_identity.hpp"

namespace sealpost::app {

class HttpTls {
 public:
  using Identity = std::function<std::shared_ptr<const tls::ServerIdentity>()>;
  explicit HttpTls(Identity in_force) : in_force_(std::move(in_force)) {}

  // As tls::Server::accept(); Errc::unavailable: there is no certificate now.
  event::Task<Expected<std::unique_ptr<event::Stream>>> begin(std::unique_ptr<event::Stream> plain,
                                                              Duration limit);

 private:
  const Identity in_force_;
  std::shared_ptr<const tls::ServerIdentity> identity_;  // of server_
  std::shared_ptr<tls::OpensslServer> server_;
};

}  // namespace sealpost::app
