// SPDX-License-Identifier: Apache-2.0
//
// What a watcher asks for over HTTP: the head of one request, read whole or refused (RFC 9112). Only what is asked
// counts: fields are looked at as far as they would bring a body, which is not taken. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "sealpost/expected.hpp"

namespace sealpost::admin {

constexpr std::size_t http_head_cap = 8192;  // octets of request line and fields together

struct HttpRequest {
  enum class Method : std::uint8_t { get, head };
  Method method = Method::get;
  std::string path;  // without its query
};

struct HttpRefusal {
  HttpRefusal(int status_, std::string_view why_) : status(status_), why(why_) {}
  int status;            // 400, 405, 413, 431 or 505
  std::string_view why;  // of static storage
};

// Where the head ends, its empty line included; npos: not yet.
std::size_t http_head_end(std::string_view octets) noexcept;
// `head`: up to http_head_end(). CR, LF and NUL count only where they belong.
Expected<HttpRequest, HttpRefusal> read_http_request(std::string_view head);

}  // namespace sealpost::admin
