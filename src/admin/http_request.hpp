// SPDX-License-Identifier: Apache-2.0
//
// What is asked for over HTTP: the head of one request, read whole or refused (RFC 9112). A watcher brings no body; who uses
// the pages may bring a form, and other senders bring TLS reports (RFC 8460 §5.4), of a bounded size that is said
// beforehand. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sealpost/expected.hpp"

namespace sealpost::admin {

constexpr std::size_t http_head_cap = 8192;         // octets of request line and fields together
constexpr std::size_t http_form_cap = 64u << 10;    // octets of a form
constexpr std::size_t http_report_cap = 10u << 20;  // octets of a TLS report, as it comes

struct HttpRequest {
  enum class Method : std::uint8_t { get, head, post };
  Method method = Method::get;
  std::string path;             // without its query
  std::string query;            // as it came, without its '?'
  std::size_t form_octets = 0;  // that follow the head: a form, or a report
  bool asks_first = false;      // they come when it is told to go on (RFC 9110 §10.1.1)
  std::vector<std::pair<std::string, std::string>> fields;  // names in lower case

  // Its value; empty: it is not there, or stands there more than once, which leaves open who meant what.
  std::string_view field(std::string_view lower_name) const noexcept;
};

struct HttpRefusal {
  HttpRefusal(int status_, std::string_view why_) : status(status_), why(why_) {}
  int status;            // 400, 405, 411, 413, 415, 417, 431 or 505
  std::string_view why;  // of static storage
};

// Where the head ends, its empty line included; npos: not yet.
std::size_t http_head_end(std::string_view octets) noexcept;
// GET and HEAD; a POST of a form besides; a POST of a TLS report, and nothing else.
// A POST of a message (docs/injection.md), and nothing else.
enum class HttpTaken : std::uint8_t { reading, forms, reports, messages };
// `most_message`: octets of the body of a message.
// `head`: up to http_head_end(). CR, LF and NUL count only where they belong.
Expected<HttpRequest, HttpRefusal> read_http_request(std::string_view head,
                                                     HttpTaken taken = HttpTaken::reading,
                                                     std::size_t most_message = 0);

}  // namespace sealpost::admin
