// SPDX-License-Identifier: Apache-2.0
//
// A notification about alice's mail, which tests change, and what they read in it.
#pragma once

#include <doctest.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/text.hpp"
#include "mail/dsn.hpp"

namespace sealpost::test {

inline constexpr std::string_view original =
    "From: Alice <alice@a.example>\r\nTo: b@x.example\r\nMessage-ID: <m1@a.example>\r\nSubject: "
    "offer\r\n\r\nHello\r\n";

// A request about alice's mail; tests change what they are about.
struct DsnExample {
  Envelope envelope;
  DsnRequest request;
  DsnExample() {
    envelope.reverse_path = "alice@a.example";
    envelope.arrival = *from_rfc3339("2026-01-31T20:00:00Z");
    envelope.received_from = "client.example ([192.0.2.1])";
    request.reporting_mta = "relay.example.net";
    request.original_id = *MessageId::parse("01ARYZ6S410000000000000001");
    request.dsn_id = *MessageId::parse("01ARYZ6S410000000000000002");
    request.original_head = original;
    request.now = *from_rfc3339("2026-01-31T23:59:59Z");
    request.envelope = &envelope;
  }
  DsnRecipient& add(const char* address, const char* status, const char* diagnostic,
                    const char* remote_mta = "") {
    DsnRecipient& recipient = request.recipients.emplace_back();
    recipient.recipient.address = address;
    recipient.status = status;
    recipient.diagnostic = diagnostic;
    recipient.remote = *remote_mta != '\0';
    recipient.remote_mta = remote_mta;
    return recipient;
  }
  std::string text() const {
    const auto message = build_dsn(request);
    REQUIRE(message.has_value());
    return message->text;
  }
};

inline bool contains(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

// The three parts of a multipart text, without their MIME headers.
inline std::vector<std::string> parts_of(const std::string& text) {
  const std::size_t at = text.find("boundary=\"") + 10;
  const std::string line = "--" + text.substr(at, text.find('"', at) - at);
  std::vector<std::string> parts;
  std::size_t start = text.find("\r\n" + line + "\r\n");
  while (start != text.npos) {
    const std::size_t body = text.find("\r\n\r\n", start + line.size()) + 4;
    const std::size_t end = text.find("\r\n" + line, body - 2);
    REQUIRE(end != text.npos);
    parts.push_back(text.substr(body, end + 2 - body));
    start = text.compare(end + 2 + line.size(), 2, "--") == 0 ? text.npos : end;
  }
  return parts;
}

inline void check_lines(std::string_view text) {  // CRLF only, none over 998 octets
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n' && (i == 0 || text[i - 1] != '\r')) FAIL("bare LF");
    if (text[i] == '\r' && (i + 1 == text.size() || text[i + 1] != '\n')) FAIL("bare CR");
  }
  for (const auto line : text::split(text, '\n'))
    if (line.size() > 999) FAIL("long line");
}

}  // namespace sealpost::test
