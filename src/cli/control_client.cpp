// SPDX-License-Identifier: Apache-2.0
#include "cli/control_client.hpp"

#include <curl/curl.h>
#include <sysexits.h>

#include <memory>

#include "base/handles.hpp"

namespace sealpost::cli {
namespace {

constexpr long most_seconds = 90;

std::size_t collect(char* data, std::size_t size, std::size_t count, void* into) {
  static_cast<std::string*>(into)->append(data, size * count);
  return size * count;
}

int exit_code_for(long status) noexcept {
  switch (status) {
    case 400: return EX_DATAERR;
    case 404: return EX_NOINPUT;
    case 409:
    case 503:
    case 504: return EX_TEMPFAIL;
    default: return EX_SOFTWARE;
  }
}

}  // namespace

Expected<Json, ControlError> ask_relay(const std::string& socket, const std::string& name,
                                       const Json& arguments) {
  if (socket.empty())
    return Unexpected(ControlError{EX_CONFIG,
                                   "the configuration does not say where the relay's control socket is",
                                   "mend it, or name the socket with --socket"});
  const std::unique_ptr<CURL, FreeWith<curl_easy_cleanup>> curl(curl_easy_init());
  const std::string url = "http://relay/v1/" + name;
  const std::string body = arguments.dump();
  std::string answer;
  CURL* handle = curl.get();
  curl_easy_setopt(handle, CURLOPT_UNIX_SOCKET_PATH, socket.c_str());
  curl_easy_setopt(handle, CURLOPT_URL, url.c_str());
  curl_easy_setopt(handle, CURLOPT_PROXY, "");
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_TIMEOUT, most_seconds);
  curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE, static_cast<long>(body.size()));
  curl_easy_setopt(handle, CURLOPT_POSTFIELDS, body.c_str());
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, &collect);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, &answer);
  const std::unique_ptr<curl_slist, FreeWith<curl_slist_free_all>> headers(
      curl_slist_append(curl_slist_append(nullptr, "Content-Type: application/json"), "Expect:"));
  curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers.get());
  const CURLcode code = curl_easy_perform(handle);
  if (code != CURLE_OK) {
    return Unexpected(
        ControlError{EX_UNAVAILABLE, "no relay answers on " + socket + ": " + curl_easy_strerror(code),
                     "is 'sealpost run' running, with the same configuration, and may you open its socket?"});
  }
  long status = 0;
  curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
  Json value = Json::parse(answer, nullptr, false);
  if (value.is_discarded())
    return Unexpected(ControlError{EX_SOFTWARE, "the relay's answer on " + socket + " is not JSON", ""});
  if (status >= 400) {
    return Unexpected(ControlError{exit_code_for(status), value.value("error", std::string("refused")),
                                   value.value("hint", std::string())});
  }
  return value;
}

}  // namespace sealpost::cli
