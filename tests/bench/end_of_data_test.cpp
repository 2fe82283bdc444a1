// SPDX-License-Identifier: Apache-2.0
//
// The sink must end a message where RFC 5321 §4.1.1.4 says, wherever the stream is cut: the bench and the
// crash tests count messages by it.

#include "end_of_data.hpp"

#include <doctest.h>

#include <algorithm>
#include <random>
#include <string>

namespace {

// Bytes taken up to and including the end, feeding pieces of at most `longest` bytes; npos when no end was
// seen.
std::size_t feed(const std::string& text, std::size_t longest, std::mt19937& random) {
  bench::EndOfData end;
  end.restart();
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t room = std::min(longest, text.size() - at);
    const std::size_t piece = std::uniform_int_distribution<std::size_t>(1, room)(random);
    bool found = false;
    at += end.scan(std::string_view(text).substr(at, piece), found);
    if (found) return at;
  }
  return std::string::npos;
}

// The definition, plainly: the CRLF before the text is that of the DATA command.
std::size_t expected(const std::string& text) {
  const auto place = ("\r\n" + text).find("\r\n.\r\n");
  return place == std::string::npos ? place : place + 3;
}

}  // namespace

TEST_CASE("known ends") {
  std::mt19937 random(1);
  const struct {
    const char* text;
    std::size_t used;
  } rows[] = {
      {".\r\n", 3},
      {"a\r\n.\r\n", 6},
      {"a\r\n.\r\nQUIT\r\n", 6},
      {"a\n.\n", std::string::npos},
      {"a\r.\r", std::string::npos},
      {"\r\n..\r\n.\r\n", 9},
      {"\r\n.\r\r\n.\r\n", 9},
      {"\r\r\n.\r\n", 6},
      {"a.\r\nb.c\r\n", std::string::npos},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    CHECK(feed(row.text, 100, random) == row.used);
    CHECK(feed(row.text, 1, random) == row.used);
  }
}

TEST_CASE("any text cut anywhere agrees with the definition") {
  std::mt19937 random(7);
  const std::string alphabet = "\r\n.a";
  int ends = 0;
  for (int round = 0; round < 200000; ++round) {
    std::string text(std::uniform_int_distribution<std::size_t>(1, 24)(random), ' ');
    for (char& c : text) c = alphabet[random() % alphabet.size()];
    const std::size_t want = expected(text);
    ends += want != std::string::npos;
    REQUIRE(feed(text, 1 + random() % 24, random) == want);
  }
  CHECK(ends > 1000);
}
