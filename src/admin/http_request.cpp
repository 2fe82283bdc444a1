// SPDX-License-Identifier: Apache-2.0
#include "admin/http_request.hpp"

#include <algorithm>
#include <optional>

#include "base/text.hpp"

namespace sealpost::admin {
namespace {

constexpr std::size_t npos = std::string_view::npos;

// RFC 9110 §5.6.2.
bool is_token(std::string_view text) {
  constexpr std::string_view others = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           others.find(c) != npos;
  });
}

bool is_visible(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

// A line without its end, taken off the front.
std::string_view next_line(std::string_view& rest) {
  const std::size_t end = rest.find("\r\n");
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(std::min(rest.size(), line.size() + 2));
  return line;
}

std::optional<HttpRefusal> look_at_field(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == npos || !is_token(line.substr(0, colon)))
    return HttpRefusal(400, "a header field is malformed");
  const std::string_view name = line.substr(0, colon), value = text::trim(line.substr(colon + 1));
  if (value.find_first_of(std::string_view("\r\n\0", 3)) != npos)
    return HttpRefusal(400, "a header field is malformed");
  if (text::iequals(name, "Transfer-Encoding")) return HttpRefusal(413, "no body is taken");
  if (text::iequals(name, "Content-Length") && value != "0") return HttpRefusal(413, "no body is taken");
  return std::nullopt;
}

}  // namespace

std::size_t http_head_end(std::string_view octets) noexcept {
  const std::size_t end = octets.find("\r\n\r\n");
  return end == npos ? npos : end + 4;
}

Expected<HttpRequest, HttpRefusal> read_http_request(std::string_view head) {
  if (head.size() > http_head_cap) return HttpRefusal(431, "the request is too long");
  std::string_view rest = head;
  const std::string_view line = next_line(rest);
  const auto parts = text::split(line, ' ');
  if (parts.size() != 3 || !is_token(parts[0]) || !is_visible(parts[1]))
    return HttpRefusal(400, "the request line is malformed");
  if (!parts[2].starts_with("HTTP/")) return HttpRefusal(400, "the request line is malformed");
  if (parts[2] != "HTTP/1.1" && parts[2] != "HTTP/1.0") return HttpRefusal(505, "HTTP/1.1 is spoken here");
  HttpRequest request;
  if (parts[0] == "HEAD")
    request.method = HttpRequest::Method::head;
  else if (parts[0] != "GET")
    return HttpRefusal(405, "only GET and HEAD are answered; commands go over the control socket");
  if (parts[1].front() != '/') return HttpRefusal(400, "the request line names no path");
  for (;;) {
    const std::string_view field = next_line(rest);
    if (field.empty()) break;
    if (const auto refusal = look_at_field(field)) return *refusal;
  }
  request.path = parts[1].substr(0, parts[1].find('?'));
  return request;
}

}  // namespace sealpost::admin
