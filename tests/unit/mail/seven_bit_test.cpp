// SPDX-License-Identifier: Apache-2.0
#include "mail/seven_bit.hpp"

#include <doctest.h>

#include <string>

#include "mail/smtputf8.hpp"

using namespace sealpost;

namespace {

SevenBitPlan plan_of(const std::string& message, std::size_t slice = 4096) {
  SevenBitScan scan;
  for (std::size_t at = 0; at < message.size(); at += slice) scan.add(message.substr(at, slice));
  return scan.finish();
}

std::string written(const SevenBitPlan& plan, const std::string& message, std::size_t slice = 4096) {
  SevenBitWriter writer(plan);
  std::string out;
  for (std::size_t at = 0; at < message.size(); at += slice) writer.add(message.substr(at, slice), out);
  writer.finish(out);
  return out;
}

// The same whatever the slices; never longer than was announced.
std::string converted(const std::string& message) {
  const SevenBitPlan plan = plan_of(message);
  CHECK(plan.possible);
  const std::string out = written(plan, message);
  CHECK(out.size() <= plan.size);
  for (const std::size_t slice : {1U, 2U, 5U, 77U})
    CHECK(written(plan_of(message, slice), message, slice) == out);
  return out;
}

}  // namespace

TEST_CASE("X5 8-bit content becomes quoted-printable, part by part (RFC 6152 §3, RFC 2045 §6.7)") {
  CHECK(converted("From: a\r\n\r\ngr\xfc\xdf"
                  "e = \t\r\n.\r\nend") ==
        "From: a\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n"
        "Content-Transfer-Encoding: quoted-printable\r\n\r\ngr=FC=DFe =3D =09\r\n.\r\nend");
  CHECK(converted("MIME-Version: 1.0\r\nContent-Type: text/plain; "
                  "charset=utf-8\r\nContent-Transfer-Encoding:\r\n 8bit\r\nX: y\r\n"
                  "\r\n\xc3\xbc\r\n") ==
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nX: y\r\n"
        "Content-Transfer-Encoding: quoted-printable\r\n\r\n=C3=BC\r\n");
}

TEST_CASE("X5 parts in 7 bits stay octet for octet, and what is around a changed one is labelled anew") {
  const std::string message =
      "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: "
      "8bit\r\n\r\n"
      "pre\xfc\r\n--b\r\nContent-Type: text/plain\r\n\r\nplain = \r\n--b\r\nContent-Type: message/rfc822\r\n"
      "content-transfer-encoding: 8BIT\r\n\r\nSubject: \xfc\r\n\r\n\xfc\r\n--b\r\n"
      "Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--b--\r\n";
  CHECK(converted(message) ==
        "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        "pre?\r\n--b\r\nContent-Type: text/plain\r\n\r\nplain = \r\n--b\r\nContent-Type: message/rfc822\r\n"
        "\r\nSubject: \xfc\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n"
        "Content-Transfer-Encoding: quoted-printable\r\n\r\n=FC\r\n--b\r\n"
        "Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--b--\r\n");
}

TEST_CASE("X5 a line that is broken does not make a delimiter where there was none") {
  const std::string head =
      "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n";
  const std::string message =
      head + std::string(72, '\xfc').substr(0, 25) + "--b--\r\n" + std::string(75, 'x') + "--b\r\n--b--\r\n";
  const std::string out = converted(message);
  std::size_t delimiters = 0;
  MimeStructure structure;
  structure.add(out,
                [&](const MimeLine& line) { delimiters += line.kind == MimeLine::Kind::delimiter ? 1 : 0; });
  CHECK(delimiters == 2);
  CHECK(out.find("\r\n=2D-b") != std::string::npos);
}

TEST_CASE("X5 mail that has nothing to convert is not touched") {
  for (const char* message :
       {"", "Subject: \xfc\r\n\r\nx\r\n", "\r\nx = y\r\n", "Content-Transfer-Encoding: 8bit\r\n\r\nx\r\n"}) {
    CAPTURE(message);
    const SevenBitPlan plan = plan_of(message);
    CHECK_FALSE(plan.anything);
    CHECK(plan.possible);
    CHECK_FALSE(plan.breaks_signature);
    CHECK(written(plan, message) == message);
  }
}

TEST_CASE("X5 lines stay under 76 octets, and decode to themselves") {
  const std::string line(5000, '\xfc'), blanks(300, ' ');
  const std::string out =
      converted("Subject: x\r\n\r\n" + line + "\r\n" + blanks + "\r\n" + std::string(20'000, 'x') + "\xfc");
  std::size_t begin = out.find("\r\n\r\n") + 4;
  std::string decoded;
  while (begin < out.size()) {
    const std::size_t end = std::min(out.find("\r\n", begin), out.size());
    std::string one = out.substr(begin, end - begin);
    CHECK(one.size() <= 76);
    CHECK_FALSE(one.ends_with(' '));
    const bool soft = one.ends_with('=');
    if (soft) one.pop_back();
    for (std::size_t i = 0; i < one.size(); ++i) {
      if (one[i] != '=') {
        decoded += one[i];
        continue;
      }
      decoded += static_cast<char>(std::stoi(one.substr(i + 1, 2), nullptr, 16));
      i += 2;
    }
    if (!soft && end < out.size()) decoded += "\r\n";
    begin = end + 2;
  }
  CHECK(decoded == line + "\r\n" + blanks + "\r\n" + std::string(20'000, 'x') + "\xfc");
  CHECK(is_ascii(out));
}

TEST_CASE("X5 signatures that would break are told, and content that cannot be encoded") {
  const std::string part = "\r\n--b\r\nContent-Type: text/plain\r\n\r\n\xfc\r\n--b--\r\n";
  const struct {
    std::string message;
    bool possible, breaks;
  } rows[] = {
      {"DKIM-Signature: v=1\r\n\r\n\xfc\r\n", true, true},
      {"ARC-Message-Signature: i=1\r\n\r\n\xfc\r\n", true, true},
      {"DKIM-Signature: v=1\r\n\r\nx\r\n", true, false},
      {"Content-Type: multipart/signed; boundary=b\r\n" + part, true, true},
      {"Content-Type: multipart/mixed; boundary=b\r\n" + part, true, false},
      {"Content-Transfer-Encoding: base64\r\n\r\n\xfc\r\n", false, false},
      {"Content-Transfer-Encoding: x-uue\r\n\r\n\xfc\r\n", false, false},
      {"Content-Type: message/partial\r\n\r\n\xfc\r\n", false, false},
      {"Content-Type: multipart/mixed\r\n\r\n\xfc\r\n", false,
       false},  // no boundary: its parts cannot be found
      // The signature of a message within another is that one's affair.
      {"Content-Type: message/rfc822\r\n\r\nDKIM-Signature: v=1\r\n\r\n\xfc\r\n", true, false},
  };
  for (const auto& row : rows) {
    CAPTURE(row.message);
    const SevenBitPlan plan = plan_of(row.message);
    CHECK(plan.possible == row.possible);
    CHECK(plan.breaks_signature == row.breaks);
  }
}

TEST_CASE("X5 a line's end stays one where a long line is cut into pieces") {
  const std::string head = "Content-Type: text/plain; charset=utf-8\r\n\r\n";
  for (std::size_t octets = 8180; octets < 8200; ++octets) {
    CAPTURE(octets);
    const std::string out = converted(head + std::string(octets, '\xfc') + "\r\nnext\r\n");
    CHECK(out.find("=0D") == std::string::npos);
    CHECK(out.ends_with("=FC\r\nnext\r\n"));
  }
}

TEST_CASE("X5 a multipart whose boundary never comes keeps what it holds") {
  const std::string lost =
      "Content-Type: multipart/alternative; boundary=lost\r\n\r\n--found\r\n\r\n\xfc\r\n--found--\r\n";
  const SevenBitPlan plan = plan_of(
      "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n\xfc\r\n--b\r\n" + lost + "--b--\r\n");
  CHECK(plan.anything);
  CHECK_FALSE(plan.possible);
  CHECK_FALSE(plan_of(lost).anything);
}

TEST_CASE("X5 many messages side by side are converted as one is") {
  std::string message = "MIME-Version: 1.0\r\nContent-Type: multipart/digest; boundary=b\r\n\r\n";
  for (int i = 0; i < 80; ++i)
    message += "--b\r\n\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n\xfc\r\n";
  CHECK(is_ascii(converted(message + "--b--\r\n")));
}

namespace {

// BODY=BINARYMIME for a host that takes lines.
std::string lines_of(const std::string& message, Takes takes, bool possible = true) {
  std::string out;
  for (const std::size_t slice : {message.size() + 1, std::size_t{1}, std::size_t{2}, std::size_t{7}}) {
    SevenBitScan scan(takes, MadeOf::octets);
    for (std::size_t at = 0; at < message.size(); at += slice) scan.add(message.substr(at, slice));
    const SevenBitPlan plan = scan.finish();
    CHECK(plan.possible == possible);
    const std::string now = written(plan, message, slice);
    CHECK(now.size() <= plan.size);
    if (slice > message.size()) out = now;
    CHECK(now == out);
  }
  return out;
}

const std::string mime_head = "MIME-Version: 1.0\r\n";

}  // namespace

TEST_CASE("X4 what is not made of lines becomes base64 (RFC 3030 §3, RFC 2045 §6.8)") {
  const std::string octets("a\0b\r\n\n\r.", 8);
  const std::string part = "Content-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n";
  const std::string encoded = "Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n";
  for (const auto takes : {Takes::seven_bits, Takes::eight_bits}) {
    CHECK(lines_of(mime_head + part + octets, takes) == mime_head + encoded + "YQBiDQoKDS4=\r\n");
    CHECK(lines_of(mime_head + part + octets + "\r\n", takes) ==
          mime_head + encoded + "YQBiDQoKDS4NCg==\r\n");
    // The CRLF in front of a delimiter is the delimiter's (RFC 2046 §5.1.1).
    const std::string outer = "Content-Type: multipart/mixed; boundary=b\r\n";
    const std::string bits = takes == Takes::eight_bits ? "Content-Transfer-Encoding: 8bit\r\n" : "";
    CHECK(lines_of(mime_head + outer + "Content-Transfer-Encoding: binary\r\n\r\n--b\r\n" + part + octets +
                       "\r\n--b\r\n\r\nplain\r\n--b--\r\nbeside\0\r\n",
                   takes)
              .starts_with(mime_head + outer + bits + "\r\n--b\r\n" + encoded +
                           "YQBiDQoKDS4=\r\n--b\r\n\r\nplain\r\n--b--\r\nbeside"));
  }
  const std::string many(1000, '\0');
  const std::string out = lines_of(mime_head + part + many, Takes::seven_bits);
  for (std::size_t at = 0; at < out.size(); at = out.find('\n', at) + 1) CHECK(out.find('\n', at) - at <= 77);
}

TEST_CASE("X4 what calls itself binary and is lines gets another label, and text its usual encoding") {
  const std::string text = "Content-Type: text/plain; charset=utf-8\r\n";
  const std::string binary = "Content-Transfer-Encoding: binary\r\n";
  CHECK(lines_of(mime_head + text + binary + "\r\nplain\r\n", Takes::seven_bits) ==
        mime_head + text + "\r\nplain\r\n");
  CHECK(lines_of(mime_head + text + binary + "\r\n\xc3\xbc\r\n", Takes::seven_bits) ==
        mime_head + text + "Content-Transfer-Encoding: quoted-printable\r\n\r\n=C3=BC\r\n");
  CHECK(lines_of(mime_head + text + binary + "\r\n\xc3\xbc\r\n", Takes::eight_bits) ==
        mime_head + text + "Content-Transfer-Encoding: 8bit\r\n\r\n\xc3\xbc\r\n");
  CHECK(lines_of(mime_head + text + "\r\n\xc3\xbc\r\n", Takes::eight_bits) ==
        mime_head + text + "\r\n\xc3\xbc\r\n");
  CHECK(lines_of(mime_head + text + "\r\n" + std::string(999, 'x') + "\r\n", Takes::eight_bits)
            .find("base64") != std::string::npos);
}

TEST_CASE("X4 what is encoded already, or parted, and yet no lines cannot be converted") {
  const std::string nul("\0", 1);
  lines_of(mime_head + "Content-Transfer-Encoding: base64\r\n\r\nAA" + nul, Takes::eight_bits, false);
  lines_of(mime_head + "Content-Type: multipart/mixed\r\n\r\n" + nul, Takes::eight_bits, false);
  lines_of(
      mime_head + "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nX: " + nul + "\r\n\r\n--b--\r\n",
      Takes::eight_bits, false);
}
