// SPDX-License-Identifier: Apache-2.0
#include "http/curl_client.hpp"

#include <stdexcept>

#include "http/curl_transfer.hpp"

namespace sealpost::http {

namespace {

void start_library() {
  static const CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (code != CURLE_OK) throw std::runtime_error(std::string("libcurl: ") + curl_easy_strerror(code));
}

CURLM* make_multi() {
  start_library();
  return curl_multi_init();
}

}  // namespace

CurlClient::Alarm::Alarm(event::Loop& loop, CurlClient& client_) noexcept
    : Timer(loop,
            [](event::Timer& timer) noexcept {
              static_cast<Alarm&>(timer).client.act(CURL_SOCKET_TIMEOUT, 0);
            }),
      client(client_) {}

CurlClient::CurlClient(event::EventLoop& loop, std::shared_ptr<const tls::TrustStore> trust)
    : CurlClient(loop, Trust([trust = std::move(trust)] { return trust; })) {}

CurlClient::CurlClient(event::EventLoop& loop, Trust trust)
    : loop_(loop),
      trust_(std::move(trust)),
      sockets_(loop, &CurlClient::ready, this),
      alarm_(loop, *this),
      multi_(make_multi()) {
  if (!multi_) throw std::runtime_error("libcurl cannot set itself up");
  CURLM* const multi = multi_.get();
  curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, &CurlClient::socket_changed);
  curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, &CurlClient::timer_changed);
  curl_multi_setopt(multi, CURLMOPT_TIMERDATA, this);
}

CurlClient::~CurlClient() = default;

event::Task<Expected<Response, Failure>> CurlClient::send(Request request) {
  if (request.addresses.empty())
    co_return Failure(FailureKind::connect, "no-address", "no address to connect to");
  Transfer transfer(multi_.get(), loop_, request, trust_());
  if (!transfer.start()) co_return Failure(FailureKind::internal, "internal", "libcurl could not begin");
  const CURLcode code = co_await transfer.end();
  co_return transfer.result(code);
}

int CurlClient::socket_changed(CURL*, curl_socket_t fd, int what, void* self, void*) noexcept {
  const bool readable = what == CURL_POLL_IN || what == CURL_POLL_INOUT;
  const bool writable = what == CURL_POLL_OUT || what == CURL_POLL_INOUT;
  return static_cast<CurlClient*>(self)->sockets_.watch(fd, readable, writable) ? 0 : -1;
}

// libcurl must not be entered from its own callback, so even "at once" is a turn of the loop away.
int CurlClient::timer_changed(CURLM*, long milliseconds, void* self) noexcept {
  auto& client = *static_cast<CurlClient*>(self);
  if (milliseconds < 0) {
    client.alarm_.disarm();
  } else {
    client.alarm_.arm(client.loop_.now() + std::chrono::milliseconds(milliseconds));
  }
  return 0;
}

void CurlClient::ready(void* self, int fd, bool readable, bool writable) noexcept {
  static_cast<CurlClient*>(self)->act(fd,
                                      (readable ? CURL_CSELECT_IN : 0) | (writable ? CURL_CSELECT_OUT : 0));
}

void CurlClient::act(curl_socket_t fd, int what) noexcept {
  int running = 0;
  curl_multi_socket_action(multi_.get(), fd, what, &running);
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
    if (message->msg == CURLMSG_DONE) Transfer::of(message->easy_handle)->finished(message->data.result);
  }
}

}  // namespace sealpost::http
