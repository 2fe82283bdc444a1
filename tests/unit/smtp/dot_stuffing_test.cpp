// SPDX-License-Identifier: Apache-2.0
//
// SMTP-02 and T-22: what leaves after 354 is exactly the message, and one message to every reader, also a lax one.
#include "smtp/dot_stuffing.hpp"

#include <doctest.h>

#include <random>
#include <string>
#include <vector>

#include "smtp/data_decoder.hpp"

using namespace sealpost::smtp;

namespace {

std::string stuffed(const std::vector<std::string>& pieces) {
  DotStuffer stuffer;
  std::string out;
  for (const std::string& piece : pieces) stuffer.append(piece, out);
  return out.append(stuffer.finish());
}

// Every line end made CRLF, one at the end: what a strict reader must get.
std::string normal(const std::string& body) {
  std::string out;
  for (std::size_t i = 0; i < body.size(); ++i) {
    if (body[i] != '\r' && body[i] != '\n') {
      out += body[i];
      continue;
    }
    if (body[i] == '\r' && i + 1 < body.size() && body[i + 1] == '\n') ++i;
    out += "\r\n";
  }
  if (!out.empty() && !out.ends_with("\r\n")) out += "\r\n";
  return out;
}

std::string decoded(const std::string& wire) {
  DataDecoder decoder;
  std::string out;
  const auto result = decoder.decode(wire, out);
  REQUIRE(result.state == DataDecoder::State::end);
  REQUIRE(result.consumed == wire.size());
  return out;
}

// A reader that takes CR, LF and CRLF for line ends: how many messages does it see?
std::size_t lax_ends(const std::string& wire) {
  std::size_t ends = 0;
  std::string line;
  for (std::size_t i = 0; i < wire.size(); ++i) {
    if (wire[i] != '\r' && wire[i] != '\n') {
      line += wire[i];
      continue;
    }
    if (line == ".") ++ends;
    line.clear();
    if (wire[i] == '\r' && i + 1 < wire.size() && wire[i + 1] == '\n') ++i;
  }
  return ends;
}

void check(const std::string& body) {
  const std::string wire = stuffed({body});
  CHECK(decoded(wire) == normal(body));
  CHECK(lax_ends(wire) == 1);
}

}  // namespace

TEST_CASE("SMTP-02: dots and ends") {
  struct Row {
    std::string body, wire;
  };
  const std::vector<Row> rows{
      {"", ".\r\n"},
      {"a\r\n", "a\r\n.\r\n"},
      {"a", "a\r\n.\r\n"},
      {".", "..\r\n.\r\n"},
      {".\r\n", "..\r\n.\r\n"},
      {"..\r\n", "...\r\n.\r\n"},
      {"a.\r\n.b\r\n", "a.\r\n..b\r\n.\r\n"},
      {"\r\n", "\r\n.\r\n"},
      {"\r\n.\r\n", "\r\n..\r\n.\r\n"},
      {"a\r\n\r\n", "a\r\n\r\n.\r\n"},
      // Line ends that are none become one (RFC 5321 §2.3.8).
      {"a\nb\r\n", "a\r\nb\r\n.\r\n"},
      {"a\n.\nb\r\n", "a\r\n..\r\nb\r\n.\r\n"},
      {"a\rb\r\n", "a\r\nb\r\n.\r\n"},
      {"a\r.\r\n", "a\r\n..\r\n.\r\n"},
      {"a\r", "a\r\n.\r\n"},
      {"\r\r\n", "\r\n\r\n.\r\n"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.body);
    CHECK(stuffed({row.body}) == row.wire);
  }
}

TEST_CASE("SMTP-02: lines of any length go out as they are") {
  for (const std::size_t octets : {0U, 1U, 997U, 998U, 999U, 1000U, 1001U, 70000U}) {
    const std::string body = std::string(octets, 'x') + "\r\n." + std::string(octets, 'y') + "\r\n";
    CHECK(stuffed({body}).size() == body.size() + 4);
    CHECK(decoded(stuffed({body})) == body);
  }
}

TEST_CASE("T-22: no string of five around a hidden command makes two messages") {
  const std::string alphabet("\r\n.\0a", 5);
  for (std::size_t length = 0; length <= 5; ++length) {
    std::size_t count = 1;
    for (std::size_t i = 0; i < length; ++i) count *= alphabet.size();
    for (std::size_t n = 0; n < count; ++n) {
      std::string odd;
      for (std::size_t i = 0, left = n; i < length; ++i, left /= alphabet.size())
        odd += alphabet[left % alphabet.size()];
      check("text\r\n" + odd + "MAIL FROM:<evil@x.test>\r\n");
      check(odd);
    }
  }
}

TEST_CASE("pieces change nothing, wherever they are cut") {
  using namespace std::string_literals;
  const std::string body = "..a\r\n.\r\n\r.\n.\r\n\n..\r\r\n.b\0\r\n."s;
  const std::string whole = stuffed({body});
  for (std::size_t i = 0; i <= body.size(); ++i) {
    for (std::size_t j = i; j <= body.size(); ++j) {
      std::vector<std::string> pieces;
      for (const std::string& piece : {body.substr(0, i), body.substr(i, j - i), body.substr(j)}) {
        if (!piece.empty()) pieces.push_back(piece);
      }
      CHECK(stuffed(pieces) == whole);
    }
  }
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    std::vector<std::string> pieces;
    for (std::size_t n = random() % 6; n > 0; --n) {
      std::string piece;
      for (std::size_t k = 1 + random() % 9; k > 0; --k) piece += "\r\n.a"[random() % 4];
      text += piece;
      pieces.push_back(piece);
    }
    CHECK(stuffed(pieces) == stuffed(text.empty() ? std::vector<std::string>() : std::vector{text}));
    CHECK(decoded(stuffed(pieces)) == normal(text));
  }
}
