// SPDX-License-Identifier: Apache-2.0
#include "app/http_tls.hpp"

namespace sealpost::app {

event::Task<Expected<admin::HttpServer::Secured>> HttpTls::begin(std::unique_ptr<event::Stream> plain,
                                                                 Duration limit) {
  const auto certificates = in_force_();
  if (!certificates) co_return Error(Errc::unavailable, "there is no certificate");
  if (certificates != certificates_) {
    tls::ServerOptions options;
    options.strength = tls::Strength::submission;
    options.service = tls::Service::pages;
    auto made = tls::OpensslServer::create(certificates, options);
    if (!made) co_return made.error();
    server_ = std::move(*made);
    certificates_ = certificates;
  }
  const std::shared_ptr<tls::OpensslServer> server = server_;  // a reload may make another one meanwhile
  auto secured = co_await server->accept(std::move(plain), limit);
  if (!secured) co_return secured.error();
  admin::HttpServer::Secured begun;
  begun.stream = std::move(secured->stream);
  begun.facts = std::make_shared<const HandshakeFacts>(std::move(secured->facts));
  co_return begun;
}

}  // namespace sealpost::app
