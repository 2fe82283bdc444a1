// SPDX-License-Identifier: Apache-2.0
#include "mail/smtputf8.hpp"

#include <doctest.h>

#include <string>
#include <vector>

#include "mail/utf8_headers.hpp"

using namespace sealpost;

TEST_CASE(
    "X6 what needs SMTPUTF8 is a header, a sender's or a recipient's local part beyond ASCII (RFC 6531 "
    "§3.2)") {
  Envelope envelope;
  envelope.reverse_path = "a@a.example";
  const Recipient plain("b@xn--bcher-kva.example"), beyond("b\xc3\xbc@b.example");
  CHECK_FALSE(needs_smtputf8(envelope, plain));
  CHECK(needs_smtputf8(envelope, beyond));
  envelope.smtputf8 = true;
  CHECK(needs_smtputf8(envelope, plain));
  envelope.smtputf8 = false;
  envelope.reverse_path = "\xc3\xa4@a.example";
  CHECK(needs_smtputf8(envelope, plain));
}

TEST_CASE("N8 utf-8-addr-xtext: what is no printable ASCII stands as \\x{HEX} (RFC 6533 §3)") {
  CHECK(to_utf8_xtext("b@b.example") == "b@b.example");
  CHECK(to_utf8_xtext("b\xc3\xbc+r=\\@b.example") == "b\\x{FC}\\x{2B}r\\x{3D}\\x{5C}@b.example");
  CHECK(to_utf8_xtext("\xf0\x9f\x93\xa7@b.example") == "\\x{1F4E7}@b.example");
  CHECK(to_utf8_xtext("\xff@b.example") == "\\x{FFFD}@b.example");
  const struct {
    const char* text;
    bool encoded, raw;
  } rows[] = {
      {"b@b.example", true, true},
      {"b\\x{FC}@b.example", true, true},
      {"\\x{1F4E7}@b.example", true, true},
      {"b\xc3\xbc@b.example", false, true},
      {"", false, false},
      {"b+r@b.example", false, false},
      {"b\\@b.example", false, false},
      {"b\\x{FC@b.example", false, false},
      {"b\\x{FC", false, false},  // hexadecimal to its end
      {"b\\x{fc}@b.example", false, false},
      {"b\\x{D800}@b.example", false, false},
      {"b\\x{110000}@b.example", false, false},
      {"b\\x{00FC}@b.example", false, false},
      {"b\\x{C}@b.example", false, false},
      {"b\xc3@b.example", false, false},
      {"b b@b.example", false, false},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    CHECK(is_utf8_xtext(row.text, false) == row.encoded);
    CHECK(is_utf8_xtext(row.text, true) == row.raw);
  }
  CHECK(ascii_original("utf-8;b\xc3\xbc\\x{2B}@b.example") == "utf-8;b\\x{FC}\\x{2B}@b.example");
  CHECK(ascii_original("rfc822;b+2Bc@b.example") == "rfc822;b+2Bc@b.example");
}

namespace {

Utf8Headers read(const std::string& message, std::size_t slice) {
  Utf8Headers headers;
  for (std::size_t at = 0; at < message.size(); at += slice) headers.add(message.substr(at, slice));
  headers.finish();
  return headers;
}

}  // namespace

TEST_CASE("X6 a header beyond ASCII is found at every level, and a body is none (RFC 6531 §3.4, RFC 6532)") {
  const std::string parts =
      "Subject: x\r\nContent-Type: multipart/mixed;\r\n boundary=\"b\"\r\n\r\n--b\r\nContent-Type: "
      "text/plain\r\n"
      "Content-Disposition: attachment;\r\n\tfilename=\"@\"\r\n\r\nbody\r\n--b--\r\n";
  const auto with = [&](const char* name) {
    std::string message = parts;
    return message.replace(message.find('@'), 1, name);
  };
  const std::string long_word(9000, 'w');
  const struct {
    std::string message;
    bool beyond, well;
  } rows[] = {
      {"Subject: x\r\n\r\nb\xc3\xbc\r\n", false, true},
      {"Subject: b\xc3\xbc\r\n\r\nx\r\n", true, true},
      {"Subject: x\r\n\tb\xc3\xbc\r\n\r\nx\r\n", true, true},
      {"Subject: b\xfc\r\n\r\nx\r\n", true, false},
      {"Subject: b\xc3\r\n\r\nx\r\n", true, false},
      {"Subject: b\xc3\xbc", true, true},
      {"Subject: b\xc3", true, false},
      {"Subject: " + long_word + "\xc3\xbc\r\n\r\n", true, true},
      {"Subject: " + std::string(8192 - 10, 'w') + "\xc3\xbc\r\n\r\n", true, true},
      {"Subject: " + std::string(8192 - 11, 'w') + "\xe2\x82\xac\r\n\r\n", true, true},
      {"Subject: " + std::string(8192 - 10, 'w') + "\xc3 \r\n\r\n", true, false},
      {with("plain"), false, true},
      {with("b\xc3\xbc"), true, true},
      {with("b\xfc"), true, false},
      {"Content-Type: message/rfc822\r\n\r\nSubject: b\xc3\xbc\r\n\r\nx\r\n", true, true},
      // Nothing in there is a header: it is encoded, or no multipart.
      {"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nSubject: b\xc3\xbc\r\n\r\n",
       false, true},
      {"\r\n--b\r\nSubject: b\xc3\xbc\r\n\r\n", false, true},
  };
  for (const auto& row : rows) {
    CAPTURE(row.message);
    for (const std::size_t slice : {std::size_t{1}, std::size_t{7}, std::size_t{4096}, row.message.size()}) {
      const Utf8Headers headers = read(row.message, slice);
      CHECK(headers.beyond_ascii() == row.beyond);
      CHECK(headers.well_formed() == row.well);
    }
  }
}
