// SPDX-License-Identifier: Apache-2.0
//
// http::Client on libcurl's multi interface, driven by our loop. One connection per request, TLS 1.2 or higher, chains
// to [tls] trust only, names by DNS-ID SAN only.
#pragma once

#include <curl/curl.h>

#include <atomic>
#include <functional>
#include <memory>

#include "base/handles.hpp"
#include "event/foreign_sockets.hpp"
#include "http/client.hpp"
#include "tls/trust_store.hpp"

namespace sealpost::http {

class CurlClient final : public Client {
 public:
  // Throws std::runtime_error when libcurl cannot set itself up.
  CurlClient(event::EventLoop& loop, std::shared_ptr<const tls::TrustStore> trust);
  // The same with roots that may change: each request asks for them when it begins.
  using Trust = std::function<std::shared_ptr<const tls::TrustStore>()>;
  CurlClient(event::EventLoop& loop, Trust trust);
  ~CurlClient() override;

  event::Task<Expected<Response, Failure>> send(Request request) override;

 private:
  class Transfer;
  class Alarm final : public event::Timer {
   public:
    Alarm(event::Loop& loop, CurlClient& client) noexcept;
    CurlClient& client;
  };
  static int socket_changed(CURL* easy, curl_socket_t fd, int what, void* self, void* socket) noexcept;
  static int timer_changed(CURLM* multi, long milliseconds, void* self) noexcept;
  static void ready(void* self, int fd, bool readable, bool writable) noexcept;
  void act(curl_socket_t fd, int what) noexcept;

  event::EventLoop& loop_;
  const Trust trust_;
  event::ForeignSockets sockets_;
  Alarm alarm_;
  std::unique_ptr<CURLM, FreeWith<curl_multi_cleanup>> multi_;  // dies first: it still calls back
};

}  // namespace sealpost::http
