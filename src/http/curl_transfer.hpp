// SPDX-License-Identifier: Apache-2.0
//
// One request inside libcurl: its options, what has come so far, and what its end means.
#pragma once

#include <curl/curl.h>

#include <memory>
#include <string>

#include "base/handles.hpp"
#include "event/wait.hpp"
#include "http/client.hpp"
#include "http/curl_client.hpp"

namespace sealpost::http {

// Lives in the frame that waits for it; its destructor takes it out of libcurl, so cancelling closes the connection.
class CurlClient::Transfer {
 public:
  Transfer(CURLM* multi, event::Loop& loop, const Request& request,
           std::shared_ptr<const tls::TrustStore> trust);
  ~Transfer();
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  bool start();                           // false: libcurl refuses
  void finished(CURLcode code) noexcept;  // from the multi handle; only wakes the waiter
  event::OneShot<CURLcode>& end() noexcept { return end_; }
  Expected<Response, Failure> result(CURLcode code);
  static Transfer* of(CURL* easy) noexcept;

 private:
  using List = std::unique_ptr<curl_slist, FreeWith<curl_slist_free_all>>;
  void set_options();
  static std::size_t body_came(char* data, std::size_t size, std::size_t count, void* self) noexcept;
  static std::size_t header_came(char* data, std::size_t size, std::size_t count, void* self) noexcept;
  static curl_socket_t open_socket(void* self, curlsocktype, curl_sockaddr* address) noexcept;
  static CURLcode secure(CURL* easy, void* ssl_context, void* self) noexcept;
  static int verify(X509_STORE_CTX* chain, void* self) noexcept;
  Failure failure_of(CURLcode code);

  CURLM* multi_;
  event::Loop& loop_;
  const Request& request_;
  std::shared_ptr<const tls::TrustStore> trust_;
  event::OneShot<CURLcode> end_;
  std::unique_ptr<CURL, FreeWith<curl_easy_cleanup>> easy_;
  List headers_, addresses_;
  bool added_ = false;
  int verified_ = X509_V_OK;  // what OpenSSL found wrong with the certificate
  char error_[CURL_ERROR_SIZE] = {};
  std::size_t header_octets_ = 0;
  bool starved_ = false;    // there was no descriptor for the connection
  bool interim_ = false;    // the response whose header comes is a 1xx
  bool body_left_ = false;  // the header is whole, and more is not wanted
  std::string refused_;     // token of the rule of ours that ended it
  std::string content_encoding_;
  Response response_;
};

}  // namespace sealpost::http
