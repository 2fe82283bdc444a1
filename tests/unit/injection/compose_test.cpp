// SPDX-License-Identifier: Apache-2.0
#include "injection/compose.hpp"

#include <doctest/doctest.h>

#include "base/text.hpp"
#include "mail/header.hpp"

using namespace sealpost;
using injection::Attachment;
using injection::compose;
using injection::Mailbox;
using injection::Parts;
using injection::unstructured_field;

namespace {

constexpr std::string_view some_boundary = "0123456789abcdef01234567";

Parts plain_parts() {
  Parts parts;
  parts.from = Mailbox{"", "anna@a.test"};
  parts.to = {Mailbox{"", "bo@b.test"}};
  parts.subject = "Hello";
  parts.text = "One line";
  return parts;
}

std::size_t longest_line_of(std::string_view message) {
  std::size_t longest = 0;
  while (!message.empty()) {
    const std::size_t end = message.find("\r\n");
    REQUIRE(end != std::string_view::npos);
    longest = std::max(longest, end);
    message.remove_prefix(end + 2);
  }
  return longest;
}

}  // namespace

TEST_CASE("a message of text alone has one part") {
  CHECK(compose(plain_parts(), some_boundary) ==
        "From: anna@a.test\r\nTo: bo@b.test\r\nSubject: Hello\r\nMIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\nOne line\r\n");
}

TEST_CASE(
    "what is beyond ASCII becomes encoded words, quoted-printable and RFC 2231 (RFC 2047, 2045, 2231)") {
  Parts parts = plain_parts();
  parts.from.name = "Ännchen \"A\" Müller";
  parts.subject = "Grüße";
  parts.text = "Grüße\n";
  Attachment attachment;
  attachment.name = "Übersicht 1.pdf";
  attachment.type = "application/pdf";
  attachment.content = std::string("\0\1\2", 3);
  parts.attachments.push_back(attachment);
  const std::string message = compose(parts, some_boundary);
  CHECK(message.find("From: =?utf-8?B?" + text::base64("Ännchen \"A\" Müller") + "?= <anna@a.test>\r\n") ==
        0);
  CHECK(message.find("Subject: =?utf-8?B?R3LDvMOfZQ==?=\r\n") != std::string::npos);
  CHECK(message.find("\r\n\r\nGr=C3=BC=C3=9Fe\r\n--=_") != std::string::npos);
  CHECK(message.find("filename*=utf-8''%C3%9Cbersicht%201.pdf\r\n") != std::string::npos);
  CHECK(message.find("\r\n\r\nAAEC\r\n--=_") != std::string::npos);
  CHECK(message.ends_with("--=_0123456789abcdef01234567--\r\n"));
}

TEST_CASE("text and HTML are alternatives, within the parts of a mixed one (RFC 2046)") {
  Parts parts = plain_parts();
  parts.html = "<p>One line</p>";
  Attachment picture;
  picture.type = "image/png";
  picture.content = "x";
  picture.content_id = "logo@a.test";
  parts.attachments.push_back(picture);
  const std::string message = compose(parts, some_boundary);
  const std::size_t mixed = message.find("multipart/mixed"),
                    alternative = message.find("multipart/alternative");
  REQUIRE(mixed != std::string::npos);
  REQUIRE(alternative != std::string::npos);
  CHECK(mixed < alternative);
  CHECK(message.find("text/plain") < message.find("text/html"));
  CHECK(message.find("Content-Disposition: inline\r\nContent-ID: <logo@a.test>\r\n") != std::string::npos);
}

TEST_CASE("a header is folded and no character of it cut in two") {
  std::string words, umlauts;
  for (int i = 0; i < 60; ++i) words += "word ", umlauts += "äé漢😀";
  words.pop_back();
  for (const std::string& value : {words, umlauts, std::string(2000, 'x')}) {
    const std::string field = unstructured_field("Subject", value);
    CHECK(longest_line_of(field) <= 78);
    const std::string unfolded = unfold(field.substr(8), 10'000);
    if (value == words) {
      CHECK(unfolded == value);
      continue;
    }
    std::string decoded;
    for (const std::string_view word : text::split(unfolded, ' ')) {
      REQUIRE(word.size() <= 75);
      const auto octets = text::from_base64(word.substr(10, word.size() - 12));
      REQUIRE(octets);
      CHECK(text::is_utf8(*octets));
      decoded += *octets;
    }
    CHECK(decoded == value);
  }
  CHECK(unstructured_field("Subject", "a  b") == "Subject: a  b\r\n");
  CHECK(unstructured_field("Subject", "looks =?like?= one") != "Subject: looks =?like?= one\r\n");
}
