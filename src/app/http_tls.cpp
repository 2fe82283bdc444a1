// SPDX-License-Identifier: Apache-2.0
#include "app/http_tls.hpp"

namespace sealpost::app {

event::Task<Expected<std::unique_ptr<event::Stream>>> HttpTls::begin(std::unique_ptr<event::Stream> plain,
                                                                     Duration limit) {
  const auto identity = in_force_();
  if (!identity) co_return Error(Errc::unavailable, "there is no certificate");
  if (identity != identity_) {
    tls::ServerOptions options;
    options.strength = tls::Strength::submission;
    options.service = tls::Service::pages;
    auto made = tls::OpensslServer::create(identity, options);
    if (!made) co_return made.error();
    server_ = std::move(*made);
    identity_ = identity;
  }
  const std::shared_ptr<tls::OpensslServer> server = server_;  // a reload may make another one meanwhile
  auto secured = co_await server->accept(std::move(plain), limit);
  if (!secured) co_return secured.error();
  co_return std::move(secured->stream);
}

}  // namespace sealpost::app
