// SPDX-License-Identifier: Apache-2.0
#include "mail/mime_parts.hpp"

#include <doctest.h>

using namespace sealpost;

TEST_CASE("RFC 2046 §5.1: parts in order, the line end before a delimiter is not theirs") {
  const auto parts = mime_parts(
      "Content-Type: multipart/mixed; boundary=x\r\n\r\nignored\r\n--x\r\n\r\none\r\n--x\r\n"
      "Content-Type: Text/HTML; charset=utf-8; name=\"a "
      "\\\"b\\\".html\"\r\n\r\ntwo\r\n\r\n--x--\r\nignored\r\n");
  REQUIRE(parts.size() == 2);
  CHECK(parts[0].type == "text/plain");
  CHECK(parts[0].octets == "one");
  CHECK(parts[1].type == "text/html");
  CHECK(parts[1].name == "a \"b\".html");
  CHECK(parts[1].octets == "two\r\n");
}

TEST_CASE("RFC 2045 §6: encodings") {
  const auto body = [](const char* encoding, const char* text) {
    const auto parts = mime_parts("Content-Transfer-Encoding: " + std::string(encoding) + "\r\n\r\n" + text);
    return parts.empty() ? std::string("!") : parts.front().octets;
  };
  CHECK(body("base64", "aGVs\r\nbG8=\r\n") == "hello");
  CHECK(body("BASE64", "aGVsbG8=") == "hello");
  CHECK(body("base64", "a*") == "!");
  CHECK(body("quoted-printable", "a=3Db=\r\nc \r\nd=zz") == "a=bc\r\nd=zz");
  CHECK(body("8bit", "\xff") == "\xff");
  CHECK(body("x-unknown", "a") == "!");
}

TEST_CASE("a message inside, lines that end in LF, a missing end") {
  const auto parts = mime_parts(
      "Content-Type: multipart/mixed; boundary=\"x\"\n\n--x\nContent-Type: message/rfc822\n\n"
      "Content-Type: multipart/mixed; boundary=y\n\n--y\n\ninner\n--y--\n--x\n\nlast");
  REQUIRE(parts.size() == 2);
  CHECK(parts[0].octets == "inner");
  CHECK(parts[1].octets == "last");
}

TEST_CASE("T-25 depth and number of parts are bounded") {
  std::string deep;
  for (int i = 0; i < 1000; ++i) deep += "Content-Type: message/rfc822\r\n\r\n";
  CHECK(mime_parts(deep).size() <= 1);
  std::string many = "Content-Type: multipart/mixed; boundary=x\r\n\r\n";
  for (int i = 0; i < 1000; ++i) many += "--x\r\n\r\na\r\n";
  CHECK(mime_parts(many + "--x--\r\n").size() == 100);
  CHECK(mime_parts("").size() == 1);
  CHECK(mime_parts("Content-Type: multipart/mixed\r\n\r\nno boundary").empty() == false);
}
