// SPDX-License-Identifier: Apache-2.0
#include "mail/mime_structure.hpp"

#include <doctest.h>

#include <string>

using namespace sealpost;

namespace {

char letter(MimeLine::Kind kind) {
  switch (kind) {
    case MimeLine::Kind::field: return 'f';
    case MimeLine::Kind::fold: return '+';
    case MimeLine::Kind::header_end: return 'e';
    case MimeLine::Kind::delimiter: return 'd';
    case MimeLine::Kind::beside: return '.';
    case MimeLine::Kind::body: return 'b';
  }
  return '?';
}

// One letter for each line, and the number of its entity behind header_end.
std::string structure(const std::string& message, std::size_t slice = 4096) {
  MimeStructure structure;
  std::string out, whole;
  const auto each = [&](const MimeLine& line) {
    whole += line.text;
    if (line.continued) return;
    out += letter(line.kind);
    if (line.kind == MimeLine::Kind::header_end) out += std::to_string(structure.entity().number);
  };
  for (std::size_t at = 0; at < message.size(); at += slice) structure.add(message.substr(at, slice), each);
  structure.finish(each);
  CHECK(whole == message);
  return out;
}

}  // namespace

TEST_CASE("MIME structure: what each line of a message is (RFC 2046 §5.1)") {
  const std::string two = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
  const struct {
    std::string message, lines;
  } rows[] = {
      {"", ""},
      {"Subject: x\r\n y\r\n\r\nhi\r\n", "f+e0b"},
      {"no field\r\n\r\nhi", "fe0b"},
      {two + "pre\r\n--b\r\n\r\none\r\n--b \t\r\nA: 1\r\n\r\ntwo\r\n--b--\r\npost\r\n", "fe0.de1bdfe2bd."},
      {two + "--bb\r\n--b\r\n--b--", "fe0.dd"},  // a part may have neither header nor body
      // The delimiter of an outer multipart ends an inner one.
      {two + "--b\r\nContent-Type: multipart/alternative;\r\n boundary=\"i n\"\r\n\r\n--i "
             "n\r\n\r\nx\r\n--b\r\n\r\ny\r\n",
       "fe0df+e1de2bde3b"},
      {"Content-Type: message/rfc822\r\n\r\nSubject: y\r\n\r\nhi\r\n", "fe0fe1b"},
      {"Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: y\r\n\r\nhi\r\n--b--\r\n",
       "fe0de1fe2bd"},
      {"Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: base64\r\n\r\n--b\r\n\r\n",
       "ffe0bb"},
      {"Content-Type: multipart/mixed\r\n\r\n--b\r\n\r\n", "fe0bb"},
      {"Subject: " + std::string(20'000, 'x') + "\r\n\r\n" + std::string(20'000, '-') + "\r\n", "fe0b"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.message);
    for (std::size_t slice = 1; slice < 9; ++slice) CHECK(structure(row.message, slice) == row.lines);
    CHECK(structure(row.message) == row.lines);
  }
}

TEST_CASE("MIME structure: what an entity says of itself") {
  MimeStructure structure;
  structure.add(
      "DKIM-Signature: v=1\r\nMIME-Version: 1.0\r\nContent-Type: Multipart/Signed; boundary=b\r\n\r\n--b\r\n"
      "content-type: TEXT/Html;\r\n charset=x\r\nContent-transfer-encoding:  8BIT\r\n\r\nx\r\n",
      [&](const MimeLine& line) {
        if (line.kind != MimeLine::Kind::header_end) return;
        const MimeEntity& entity = structure.entity();
        if (entity.number == 0) {
          CHECK(entity.kind == MimeEntity::Kind::multipart);
          CHECK(entity.type == "multipart/signed");
          CHECK(entity.has_version);
          CHECK(entity.signed_header);
          CHECK_FALSE(entity.within_signed);
        } else {
          CHECK(entity.kind == MimeEntity::Kind::leaf);
          CHECK(entity.type == "text/html");
          CHECK(entity.encoding == "8bit");
          CHECK(entity.within_signed);
          CHECK_FALSE(entity.has_version);
        }
      });
  CHECK(structure.entity().number == 1);
}

TEST_CASE("MIME structure: messages side by side are not within each other, and a comment is no type") {
  std::string message = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
  for (int i = 0; i < 100; ++i)
    message += "--b\r\nContent-Type: message/rfc822 (as it came)\r\n\r\nSubject: x\r\n\r\nx\r\n";
  MimeStructure structure;
  std::size_t headers = 0;
  structure.add(message,
                [&](const MimeLine& line) { headers += line.kind == MimeLine::Kind::header_end ? 1 : 0; });
  CHECK(headers == 201);
  CHECK_FALSE(structure.gave_up());
}

TEST_CASE("T-37 MIME structure: what is nested too deep, or has too many parts, is a body") {
  std::string deep;
  for (int i = 0; i < 200; ++i) {
    const std::string name = "b" + std::to_string(i) + "x";
    deep += "Content-Type: multipart/mixed; boundary=" + name + "\r\n\r\n--" + name + "\r\n";
  }
  MimeStructure nested;
  nested.add(deep, [](const MimeLine&) {});
  CHECK(nested.gave_up());
  std::string many = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
  for (int i = 0; i < 20'000; ++i) many += "--b\r\nContent-Type: message/rfc822\r\n\r\n";
  MimeStructure wide;
  wide.add(many, [](const MimeLine&) {});
  CHECK(wide.gave_up());
  std::string messages;
  for (int i = 0; i < 20'000; ++i) messages += "Content-Type: message/rfc822\r\n\r\n";
  MimeStructure inside;
  inside.add(messages, [](const MimeLine&) {});
  CHECK(inside.gave_up());
}
