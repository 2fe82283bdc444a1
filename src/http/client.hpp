// SPDX-License-Identifier: Apache-2.0
//
// HTTPS requests as sealpost makes them: MTA-STS policies (RFC 8461 §3.3) and TLS reports (RFC 8460 §5.4), to hosts a
// stranger named, and events to webhooks, which the operator named. The caller resolves and checks the addresses; nothing
// else is contacted (T-20). Behind the interface: libcurl (curl_client), or a script in tests.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "event/task.hpp"
#include "sealpost/clock.hpp"
#include "sealpost/expected.hpp"
#include "sealpost/ip_address.hpp"

namespace sealpost::http {

struct Header {
  Header(std::string name_, std::string value_) : name(std::move(name_)), value(std::move(value_)) {}
  std::string name, value;  // no CR or LF
};

struct Request {
  Request() = default;
  std::string host;  // A-labels: SNI, Host, and what the certificate must name; without TLS an address
  bool tls = true;   // false: in clear, to an address that the operator wrote himself
  std::uint16_t port = 443;
  std::string path = "/";            // with its query
  std::vector<IpAddress> addresses;  // where `host` is, in the order to try
  bool post = false;
  std::string body;  // for POST; its media type is a header
  std::vector<Header> headers;
  Duration connect_limit = std::chrono::seconds(15);
  Duration limit = std::chrono::seconds(60);  // for all of it: bytes that drip in do not extend it (T-19)
  std::size_t most_body = 65536;
  bool read_body = true;  // false: the status is all that is wanted, and no octet behind the header is read
  std::size_t most_headers = 16384;  // octets of all header lines, interim responses included
};

struct Response {
  Response() = default;
  int status = 0;
  std::string content_type;  // as sent; empty when absent
  std::string body;
  std::optional<std::chrono::seconds>
      retry_after;  // RFC 9110 §10.2.3, a date turned into the time until then
};

enum class FailureKind : std::uint8_t {
  connect,      // refused, unreachable, or no address to try
  timed_out,    // a limit passed
  certificate,  // the chain or the name in it does not hold; reason is the X509_V_ERR symbol
  tls,          // the handshake failed otherwise
  protocol,     // what came is not HTTP, or an encoding that was not asked for, or it ended early
  too_large,    // body or headers passed their cap
  internal,     // a want of ours, descriptors or memory: it says nothing of the host, and passes
};

struct Failure {
  Failure(FailureKind kind_, std::string reason_, std::string detail_)
      : kind(kind_), reason(std::move(reason_)), detail(std::move(detail_)) {}
  FailureKind kind;
  std::string reason;  // a token for failure-reason-code: "connection-refused", "X509_V_ERR_CERT_HAS_EXPIRED"
  std::string detail;  // for people, printable
};

class Client {
 public:
  virtual ~Client() = default;
  // Any complete response is a Response, whatever its status; redirects are not followed. Cancelling closes the
  // connection. The client must outlive the task.
  virtual event::Task<Expected<Response, Failure>> send(Request request) = 0;
};

}  // namespace sealpost::http
