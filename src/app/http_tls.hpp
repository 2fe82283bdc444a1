// SPDX-License-Identifier: Apache-2.0
//
// TLS for who speaks HTTP with us, with the certificates that are in force when the connection begins. One per loop.
#pragma once

#include <functional>
#include <memory>

#include "admin/http_server.hpp"
#include "tls/openssl_server.hpp"
#include "tls/server_certificates.hpp"

namespace sealpost::app {

class HttpTls {
 public:
  using Certificates = std::function<std::shared_ptr<const tls::ServerCertificates>()>;
  explicit HttpTls(Certificates in_force) : in_force_(std::move(in_force)) {}

  // As tls::Server::accept(); Errc::unavailable: there is no certificate now.
  event::Task<Expected<admin::HttpServer::Secured>> begin(std::unique_ptr<event::Stream> plain,
                                                          Duration limit);

 private:
  const Certificates in_force_;
  std::shared_ptr<const tls::ServerCertificates> certificates_;  // of server_
  std::shared_ptr<tls::OpensslServer> server_;
};

}  // namespace sealpost::app
