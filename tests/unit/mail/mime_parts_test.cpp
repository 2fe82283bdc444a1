// SPDX-License-Identifier: Apache-2.0
#include "mail/mime_parts.hpp"

#include <doctest.h>

using namespace sealpost;

TEST_CASE("RFC 2046 §5.1: parts in order, the line end before a delimiter is not theirs") {
  const auto [parts, left_out] = mime_parts(
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
    const auto parts =
        mime_parts("Content-Transfer-Encoding: " + std::string(encoding) + "\r\n\r\n" + text).parts;
    return parts.at(0).problem.empty() ? parts[0].octets : "!" + parts[0].octets;
  };
  CHECK(body("base64", "aGVs\r\nbG8=\r\n") == "hello");
  CHECK(body("BASE64", "aGVsbG8=") == "hello");
  CHECK(body("base64", "a*") == "!a*");  // there as it came, with the problem
  CHECK(body("quoted-printable", "a=3Db=\r\nc \r\nd=zz") == "a=bc\r\nd=zz");
  CHECK(body("8bit", "\xff") == "\xff");
  CHECK(body("x-unknown", "a") == "!a");
}

TEST_CASE("a message inside, lines that end in LF, a missing end") {
  const auto [parts, left_out] = mime_parts(
      "Content-Type: multipart/mixed; boundary=\"x\"\n\n--x\nContent-Type: message/rfc822\n\n"
      "Content-Type: multipart/mixed; boundary=y\n\n--y\n\ninner\n--y--\n--x\n\nlast");
  REQUIRE(parts.size() == 2);
  CHECK(parts[0].octets == "inner");
  CHECK(parts[1].octets == "last");
}

TEST_CASE("T-25 depth and number of parts are bounded") {
  std::string deep;
  for (int i = 0; i < 1000; ++i) deep += "Content-Type: message/rfc822\r\n\r\n";
  CHECK(mime_parts(deep).parts.empty());
  CHECK(mime_parts(deep).left_out == 1);
  std::string many = "Content-Type: multipart/mixed; boundary=x\r\n\r\n";
  for (int i = 0; i < 1000; ++i) many += "--x\r\n\r\na\r\n";
  CHECK(mime_parts(many + "--x--\r\n").parts.size() == 100);
  CHECK(mime_parts(many + "--x--\r\n").left_out == 900);
  CHECK(mime_parts("").parts.size() == 1);
  CHECK(mime_parts("Content-Type: multipart/mixed\r\n\r\nno boundary").parts.size() == 1);
}

TEST_CASE("what a list or a scanner adds behind base64 data is left out, and said") {
  const auto body = [](const std::string& text) {
    const auto parts = mime_parts("Content-Transfer-Encoding: base64\r\n\r\n" + text).parts;
    return parts.at(0).problem.empty() ? parts[0].octets + "|" + parts[0].note : "!";
  };
  const std::string noted = "|text that follows its base64 data was left out";
  CHECK(body("aGVs\r\nbG8=\r\n\r\n-- \r\nThis mail was scanned.\r\n") == "hello" + noted);
  CHECK(body("aGVsbG8=\r\nScanned\r\n") == "hello" + noted);
  CHECK(body("aGVs\r\n\r\nDisclaimer\r\nThis mail is for you only.\r\n") == "hel" + noted);
  CHECK(body("aGVs\r\n__________\r\nlist mailing list\r\n") == "hel" + noted);
  CHECK(body("aGVs\r\n\r\nbG8=\r\n") == "hello|");  // an empty line in the middle, nothing else
  CHECK(body("aGVsbG8\r\n") == "hello|the padding of its base64 data lacks");
  CHECK(body("aGVsbA\r\n\r\n--\r\nFooter.") == "hell" + noted + "; the padding of its base64 data lacks");
  CHECK(body("!!!!") == "!");
  CHECK(body("a") == "!");
}

TEST_CASE("which message a part is in") {
  const std::string mail =
      "Subject: outer\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\none\r\n--x\r\n"
      "Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ntwo\r\n--x--\r\n";
  const auto parts = mime_parts(mail).parts;
  REQUIRE(parts.size() == 2);
  CHECK(parts[0].message.starts_with("Subject: outer"));
  CHECK(parts[1].message.starts_with("Subject: inner"));
}

TEST_CASE("RFC 4155: messages of an mbox") {
  const auto all = mbox_messages(
      "From a@b Mon Oct  5 00:00:00 2026\r\nSubject: 1\r\n\r\nFrom here on it is text\r\nFrom this line "
      "too\r\n\r\n"
      "From c@d Tue Oct  6 00:00:00 2026\r\nSubject: 2\r\n\r\n>From inside\r\n");
  // A body that begins with "From " behind the empty line is why mbox writers put ">" before it.
  REQUIRE(all.size() == 3);
  CHECK(all[0].starts_with("Subject: 1"));
  CHECK(all[2].starts_with("Subject: 2"));
  CHECK(all[2].ends_with(">From inside\r\n"));
  CHECK(mbox_messages("").empty());
  CHECK(mbox_messages("From ").empty());
  CHECK(mbox_messages("From a\nx").size() == 1);
}
