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

std::optional<HttpRefusal> take_field(std::string_view line, HttpRequest& request) {
  const std::size_t colon = line.find(':');
  if (colon == npos || !is_token(line.substr(0, colon)))
    return HttpRefusal(400, "a header field is malformed");
  const std::string_view value = text::trim(line.substr(colon + 1));
  if (value.find_first_of(std::string_view("\r\n\0", 3)) != npos)
    return HttpRefusal(400, "a header field is malformed");
  request.fields.emplace_back(text::lower(line.substr(0, colon)), value);
  return std::nullopt;
}

std::size_t times(const HttpRequest& request, std::string_view name) {
  return static_cast<std::size_t>(std::count_if(request.fields.begin(), request.fields.end(),
                                                [&](const auto& field) { return field.first == name; }));
}

std::optional<HttpRefusal> look_at_type(const HttpRequest& request, HttpTaken taken) {
  const std::string_view field = request.field("content-type");
  const std::string_view type = text::trim(field.substr(0, field.find(';')));
  if (taken == HttpTaken::messages) {
    if (text::iequals(type, "application/json") || text::iequals(type, "message/rfc822")) return std::nullopt;
    return HttpRefusal(415, "a message is application/json or message/rfc822");
  }
  if (taken != HttpTaken::reports) {
    if (text::iequals(type, "application/x-www-form-urlencoded")) return std::nullopt;
    return HttpRefusal(415, "a form is taken as application/x-www-form-urlencoded alone");
  }
  if (text::iequals(type, "application/tlsrpt+gzip") || text::iequals(type, "application/tlsrpt+json"))
    return std::nullopt;
  return HttpRefusal(415, "a report is application/tlsrpt+gzip or application/tlsrpt+json (RFC 8460 5.4)");
}

// A client of HTTP/1.0 knows no interim answer, and waits for none.
std::optional<HttpRefusal> look_at_expectation(HttpRequest& request, std::string_view version) {
  if (request.form_octets == 0 || times(request, "expect") == 0 || version == "HTTP/1.0") return std::nullopt;
  if (!text::iequals(request.field("expect"), "100-continue"))
    return HttpRefusal(417, "nothing is met but 100-continue");
  request.asks_first = true;
  return std::nullopt;
}

// The length is said in one way and once, or there is none: where two who read it could differ, nothing is read (RFC 9112
// §6.3, request smuggling).
std::optional<HttpRefusal> look_at_body(HttpRequest& request, HttpTaken taken, std::size_t most_message) {
  const bool report = taken == HttpTaken::reports, message = taken == HttpTaken::messages;
  const std::size_t lengths = times(request, "content-length");
  const std::string_view length = request.field("content-length");
  if (times(request, "transfer-encoding") > 0)
    return HttpRefusal(report || message ? 411 : 413, "no body is taken that does not say its length first");
  if (lengths > 1) return HttpRefusal(400, "Content-Length stands there more than once");
  if (request.method != HttpRequest::Method::post) {
    if (lengths > 0 && length != "0") return HttpRefusal(413, "no body is taken");
    return std::nullopt;
  }
  if (lengths == 0) return HttpRefusal(411, "the length of the body is not said");
  const auto octets = text::parse_u64(length);
  if (!octets) return HttpRefusal(400, "Content-Length is no number");
  if (*octets > (report ? http_report_cap : message ? most_message : http_form_cap))
    return HttpRefusal(413, report    ? "a report has 10 MiB at most"
                            : message ? "the message is longer than limits.message_size allows"
                                      : "the form is too long");
  if (const auto refusal = look_at_type(request, taken)) return *refusal;
  request.form_octets = static_cast<std::size_t>(*octets);
  return std::nullopt;
}

std::optional<HttpRequest::Method> method_of(std::string_view word, HttpTaken taken) {
  if (word == "POST" && taken != HttpTaken::reading) return HttpRequest::Method::post;
  if (taken == HttpTaken::reports || taken == HttpTaken::messages) return std::nullopt;
  if (word == "GET") return HttpRequest::Method::get;
  if (word == "HEAD") return HttpRequest::Method::head;
  return std::nullopt;
}

}  // namespace

std::size_t http_head_end(std::string_view octets) noexcept {
  const std::size_t end = octets.find("\r\n\r\n");
  return end == npos ? npos : end + 4;
}

std::string_view HttpRequest::field(std::string_view lower_name) const noexcept {
  const std::string* found = nullptr;
  for (const auto& [name, value] : fields) {
    if (name != lower_name) continue;
    if (found != nullptr) return {};
    found = &value;
  }
  return found == nullptr ? std::string_view() : *found;
}

Expected<HttpRequest, HttpRefusal> read_http_request(std::string_view head, HttpTaken taken,
                                                     std::size_t most_message) {
  if (head.size() > http_head_cap) return HttpRefusal(431, "the request is too long");
  std::string_view rest = head;
  const std::string_view line = next_line(rest);
  const auto parts = text::split(line, ' ');
  if (parts.size() != 3 || !is_token(parts[0]) || !is_visible(parts[1]))
    return HttpRefusal(400, "the request line is malformed");
  if (!parts[2].starts_with("HTTP/")) return HttpRefusal(400, "the request line is malformed");
  if (parts[2] != "HTTP/1.1" && parts[2] != "HTTP/1.0") return HttpRefusal(505, "HTTP/1.1 is spoken here");
  HttpRequest request;
  const auto method = method_of(parts[0], taken);
  if (!method && taken == HttpTaken::messages) return HttpRefusal(405, "messages are brought with POST");
  if (!method && taken == HttpTaken::reports) return HttpRefusal(405, "reports are brought with POST");
  if (!method) return HttpRefusal(405, "only GET and HEAD are answered; commands go over the control socket");
  request.method = *method;
  if (parts[1].front() != '/') return HttpRefusal(400, "the request line names no path");
  for (;;) {
    const std::string_view field = next_line(rest);
    if (field.empty()) break;
    if (const auto refusal = take_field(field, request)) return *refusal;
  }
  if (times(request, "host") > 1) return HttpRefusal(400, "Host stands there more than once");
  if (const auto refusal = look_at_body(request, taken, most_message)) return *refusal;
  if (const auto refusal = look_at_expectation(request, parts[2])) return *refusal;
  const std::size_t mark = parts[1].find('?');
  request.path = parts[1].substr(0, mark);
  if (mark != npos) request.query = parts[1].substr(mark + 1);
  return request;
}

}  // namespace sealpost::admin
