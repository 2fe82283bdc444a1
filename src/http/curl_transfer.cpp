// SPDX-License-Identifier: Apache-2.0
#include "http/curl_transfer.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <cerrno>

#include "base/text.hpp"
#include "base/version.hpp"
#include "tls/openssl_error.hpp"

namespace sealpost::http {

namespace {

long milliseconds(Duration time) {
  return static_cast<long>(std::chrono::duration_cast<std::chrono::milliseconds>(time).count());
}

// "+host:443:192.0.2.1,[2001:db8::1]": where libcurl finds the host, without asking anyone. With '+' the entry grows
// old like any other; without, libcurl would keep it for ever.
std::string resolve_entry(const Request& request) {
  std::string entry = "+" + request.host + ":" + std::to_string(request.port) + ":";
  for (const IpAddress& address : request.addresses) {
    if (entry.back() != ':') entry += ',';
    entry += address.is_v4() ? address.to_string() : "[" + address.to_string() + "]";
  }
  return entry;
}

}  // namespace

CurlClient::Transfer::Transfer(CURLM* multi, event::Loop& loop, const Request& request,
                               std::shared_ptr<const tls::TrustStore> trust)
    : multi_(multi),
      loop_(loop),
      request_(request),
      trust_(std::move(trust)),
      end_(loop),
      easy_(curl_easy_init()) {}

CurlClient::Transfer::~Transfer() {
  if (added_) curl_multi_remove_handle(multi_, easy_.get());
}

CurlClient::Transfer* CurlClient::Transfer::of(CURL* easy) noexcept {
  Transfer* transfer = nullptr;
  curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
  return transfer;
}

bool CurlClient::Transfer::start() {
  if (!easy_) return false;
  set_options();
  added_ = curl_multi_add_handle(multi_, easy_.get()) == CURLM_OK;
  return added_;
}

void CurlClient::Transfer::set_options() {
  CURL* const easy = easy_.get();
  const auto set = [easy](CURLoption option, auto value) { curl_easy_setopt(easy, option, value); };
  if (request_.tls) addresses_.reset(curl_slist_append(nullptr, resolve_entry(request_).c_str()));
  curl_slist* list = curl_slist_append(nullptr, "Accept-Encoding: identity");  // T-19
  list = curl_slist_append(list, "Expect:");  // no pause before a report's body
  for (const Header& header : request_.headers)
    list = curl_slist_append(list, (header.name + ": " + header.value).c_str());
  headers_.reset(list);

  const char* const scheme = request_.tls ? "https" : "http";
  const std::string url =
      std::string(scheme) + "://" + request_.host + ":" + std::to_string(request_.port) + request_.path;
  set(CURLOPT_URL, url.c_str());
  set(CURLOPT_PRIVATE, this);
  set(CURLOPT_ERRORBUFFER, error_);
  set(CURLOPT_RESOLVE, addresses_.get());
  set(CURLOPT_HTTPHEADER, headers_.get());
  set(CURLOPT_USERAGENT, (std::string("sealpost/") + std::string(version())).c_str());
  if (request_.post) {
    set(CURLOPT_POST, 1L);
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body.size()));
    set(CURLOPT_POSTFIELDS, request_.body.data());
  }

  // What libcurl would do of its own accord or because of its environment, and must not (S20, T-14).
  set(CURLOPT_PROTOCOLS_STR, scheme);
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_PROXY, "");
  set(CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(CURLOPT_FRESH_CONNECT, 1L);
  set(CURLOPT_FORBID_REUSE, 1L);

  set(CURLOPT_OPENSOCKETFUNCTION, &Transfer::open_socket);
  set(CURLOPT_OPENSOCKETDATA, this);

  set(CURLOPT_TIMEOUT_MS, milliseconds(request_.limit));
  set(CURLOPT_CONNECTTIMEOUT_MS, milliseconds(std::min(request_.connect_limit, request_.limit)));
  set(CURLOPT_WRITEFUNCTION, &Transfer::body_came);
  set(CURLOPT_WRITEDATA, this);
  set(CURLOPT_HEADERFUNCTION, &Transfer::header_came);
  set(CURLOPT_HEADERDATA, this);

  set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  set(CURLOPT_SSL_VERIFYPEER, 1L);
  set(CURLOPT_SSL_VERIFYHOST, 2L);
  set(CURLOPT_CAINFO, nullptr);  // the roots come in through secure()
  set(CURLOPT_CAPATH, nullptr);
  set(CURLOPT_SSL_CTX_FUNCTION, &Transfer::secure);
  set(CURLOPT_SSL_CTX_DATA, this);
}

// As libcurl does it, but that a want of ours is told from a host that cannot be reached (T-27).
curl_socket_t CurlClient::Transfer::open_socket(void* self, curlsocktype, curl_sockaddr* address) noexcept {
  const int fd = ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
  if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM))
    static_cast<Transfer*>(self)->starved_ = true;
  return fd < 0 ? CURL_SOCKET_BAD : fd;
}

// RFC 8461 §3.3, RFC 9525: the name must stand in a DNS-ID SAN, a wildcard only as its whole left-most label. libcurl
// alone would fall back to the common name.
CURLcode CurlClient::Transfer::secure(CURL*, void* ssl_context, void* self) noexcept {
  auto& transfer = *static_cast<Transfer*>(self);
  auto* const context = static_cast<SSL_CTX*>(ssl_context);
  SSL_CTX_set1_cert_store(context, transfer.trust_->get());
  X509_VERIFY_PARAM* const rules = SSL_CTX_get0_param(context);
  X509_VERIFY_PARAM_set_hostflags(rules,
                                  X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  // As for the certificates of MX hosts: unexpired by the later reading of the clock (T-50).
  X509_VERIFY_PARAM_set_time(rules, std::chrono::system_clock::to_time_t(transfer.loop_.believed().latest));
  SSL_CTX_set_cert_verify_callback(context, &Transfer::verify, self);
  const std::string& host = transfer.request_.host;
  return X509_VERIFY_PARAM_set1_host(rules, host.data(), host.size()) == 1 ? CURLE_OK : CURLE_SSL_CERTPROBLEM;
}

// libcurl reads the oldest entry of OpenSSL's error queue. A damaged signature puts one there that says nothing of
// certificates, and what was wrong would be called a failed handshake: so the result is noted here, and the queue is
// left as it was.
int CurlClient::Transfer::verify(X509_STORE_CTX* chain, void* self) noexcept {
  ERR_set_mark();
  const int good = X509_verify_cert(chain);
  ERR_pop_to_mark();
  static_cast<Transfer*>(self)->verified_ = X509_STORE_CTX_get_error(chain);
  return good;
}

// Returning less than came makes libcurl close the connection: nothing beyond a cap is ever read.
std::size_t CurlClient::Transfer::body_came(char* data, std::size_t size, std::size_t count,
                                            void* self) noexcept {
  auto& transfer = *static_cast<Transfer*>(self);
  const std::size_t octets = size * count;
  if (!transfer.content_encoding_.empty() && !text::iequals(transfer.content_encoding_, "identity")) {
    transfer.refused_ = "content-encoding";
    return 0;
  }
  if (octets > transfer.request_.most_body - transfer.response_.body.size()) {
    transfer.refused_ = "body-too-large";
    return 0;
  }
  transfer.response_.body.append(data, octets);
  return octets;
}

std::size_t CurlClient::Transfer::header_came(char* data, std::size_t size, std::size_t count,
                                              void* self) noexcept {
  auto& transfer = *static_cast<Transfer*>(self);
  const std::size_t octets = size * count;
  transfer.header_octets_ += octets;
  if (transfer.header_octets_ > transfer.request_.most_headers) {
    transfer.refused_ = "headers-too-large";
    return 0;
  }
  const std::string_view line(data, octets);
  if (line.starts_with("HTTP/")) {  // a final response after interim ones starts anew
    transfer.content_encoding_.clear();
    transfer.response_.content_type.clear();
    transfer.interim_ = line.substr(std::min(line.find(' '), line.size())).starts_with(" 1");
    return octets;
  }
  const bool ends = text::trim(line, "\r\n").empty();
  if (ends && !transfer.interim_ && !transfer.request_.read_body) {
    transfer.body_left_ = true;
    return 0;
  }
  const auto colon = line.find(':');
  if (colon == std::string_view::npos) return octets;
  const auto value = text::trim(line.substr(colon + 1), " \t\r\n");
  if (text::iequals(line.substr(0, colon), "content-encoding")) transfer.content_encoding_ = value;
  if (text::iequals(line.substr(0, colon), "content-type")) transfer.response_.content_type = value;
  return octets;
}

void CurlClient::Transfer::finished(CURLcode code) noexcept { end_.sender().send_here(code); }

Expected<Response, Failure> CurlClient::Transfer::result(CURLcode code) {
  const bool complete = code == CURLE_OK || (body_left_ && code == CURLE_WRITE_ERROR);
  if (!complete || !refused_.empty()) return failure_of(code);
  long status = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
  response_.status = static_cast<int>(status);
  curl_off_t again = 0;
  if (curl_easy_getinfo(easy_.get(), CURLINFO_RETRY_AFTER, &again) == CURLE_OK && again > 0)
    response_.retry_after = std::chrono::seconds(again);
  return std::move(response_);
}

Failure CurlClient::Transfer::failure_of(CURLcode code) {
  const std::string detail = text::printable(error_[0] != '\0' ? error_ : curl_easy_strerror(code), 256);
  if (refused_ == "content-encoding")
    return {FailureKind::protocol, refused_, "a content encoding that was not asked for"};
  if (!refused_.empty()) return {FailureKind::too_large, refused_, "more octets than are read from anyone"};
  if (starved_)
    return {FailureKind::internal, "out-of-descriptors", "no descriptor for a connection of ours"};
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT: return {FailureKind::connect, "connection-failed", detail};
    case CURLE_OPERATION_TIMEDOUT: return {FailureKind::timed_out, "timeout", detail};
    case CURLE_PEER_FAILED_VERIFICATION: {
      const int reason = verified_ == X509_V_OK ? X509_V_ERR_HOSTNAME_MISMATCH : verified_;
      return {FailureKind::certificate, tls::verify_symbol(reason), detail};
    }
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_ISSUER_ERROR: return {FailureKind::tls, "tls-handshake-failed", detail};
    // A header line beyond libcurl's own bound; real want of memory ends the process elsewhere.
    case CURLE_OUT_OF_MEMORY: return {FailureKind::too_large, "headers-too-large", detail};
    case CURLE_FAILED_INIT: return {FailureKind::internal, "internal", detail};
    default: return {FailureKind::protocol, "http-protocol-error", detail};
  }
}

}  // namespace sealpost::http
