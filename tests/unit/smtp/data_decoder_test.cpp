// SPDX-License-Identifier: Apache-2.0
#include "smtp/data_decoder.hpp"

#include <doctest.h>

#include <random>
#include <string>
#include <vector>

using namespace sealpost::smtp;
using State = DataDecoder::State;

namespace {

struct Decoded {
  State state = State::more;
  std::string content;
  std::size_t consumed = 0;
  bool operator==(const Decoded& other) const {
    return state == other.state && consumed == other.consumed &&
           (state != State::end || content == other.content);
  }
};

Decoded decode(std::string_view input, std::size_t slice = SIZE_MAX, DataDecoder* decoder = nullptr) {
  DataDecoder own;
  DataDecoder& with = decoder ? *decoder : own;
  Decoded decoded;
  while (decoded.state == State::more && decoded.consumed < input.size()) {
    const auto piece = input.substr(decoded.consumed, slice);
    const auto result = with.decode(piece, decoded.content);
    decoded.state = result.state;
    decoded.consumed += result.consumed;
  }
  return decoded;
}

// RFC 5321 §4.1.1.4, §4.5.2, word by word and octet by octet: what the decoder must agree with.
Decoded reference(std::string_view input) {
  Decoded decoded;
  std::string line;
  for (std::size_t i = 0; i < input.size(); ++i) {
    const char c = input[i];
    const bool after_cr = !line.empty() && line.back() == '\r';
    if (after_cr && c != '\n') return {State::bare_cr, {}, i};
    if (!after_cr && c == '\n') return {State::bare_lf, {}, i};
    line += c;
    if (c != '\n') continue;
    if (line == ".\r\n") return {State::end, decoded.content, i + 1};
    decoded.content += line.front() == '.' ? line.substr(1) : line;
    line.clear();
  }
  decoded.consumed = input.size();
  return decoded;
}

// Every string of up to `most` octets over the alphabet.
std::vector<std::string> all_strings(std::string_view alphabet, std::size_t most) {
  std::vector<std::string> all{""};
  for (std::size_t from = 0, length = 0; length < most; ++length) {
    const std::size_t to = all.size();
    for (; from < to; ++from)
      for (const char c : alphabet) all.push_back(all[from] + c);
  }
  return all;
}

constexpr std::string_view alphabet("\r\n.\0a", 5);

}  // namespace

TEST_CASE("data decoder: table (RFC 5321 §4.5.2)") {
  const struct {
    std::string_view in, out;
  } rows[] = {
      {".\r\n", ""},
      {"\r\n.\r\n", "\r\n"},
      {"a\r\n.\r\n", "a\r\n"},
      {"..\r\n.\r\n", ".\r\n"},
      {"..a\r\n.\r\n", ".a\r\n"},
      {".a\r\n.\r\n", "a\r\n"},
      {"...\r\n.\r\n", "..\r\n"},
      {"a.\r\n.\r\n", "a.\r\n"},
      {"a\r\n..\r\nb\r\n.\r\n", "a\r\n.\r\nb\r\n"},
      {"a\r\n. \r\n.\r\n", "a\r\n \r\n"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.in);
    const Decoded decoded = decode(row.in);
    CHECK(decoded.state == State::end);
    CHECK(decoded.content == row.out);
    CHECK(decoded.consumed == row.in.size());
  }
}

TEST_CASE("T-21 data decoder: every string of up to five octets agrees with the grammar") {
  const std::string follow = "\r\n.\r\nMAIL FROM:<b@example.net>\r\n";
  for (const std::string_view before : {"", "x", "x\r\n", "x\r\n."}) {
    for (const std::string& middle : all_strings(alphabet, 5)) {
      const std::string input = std::string(before) + middle + follow;
      const Decoded expected = reference(input);
      REQUIRE(decode(input) == expected);
      REQUIRE(decode(input, 1) == expected);
    }
  }
}

TEST_CASE("T-21 data decoder: a split at every octet changes nothing") {
  for (const std::string& middle : all_strings(alphabet, 4)) {
    const std::string input = "line\r\n" + middle + "\r\n.\r\n";
    const Decoded expected = reference(input);
    for (std::size_t split = 0; split <= input.size(); ++split) {
      DataDecoder decoder;
      Decoded decoded = decode(std::string_view(input).substr(0, split), SIZE_MAX, &decoder);
      if (decoded.state == State::more) {
        Decoded rest = decode(std::string_view(input).substr(split), SIZE_MAX, &decoder);
        decoded.state = rest.state;
        decoded.content += rest.content;
        decoded.consumed += rest.consumed;
      }
      REQUIRE(decoded == expected);
    }
  }
}

TEST_CASE("SMTP-01 data decoder: what other servers have taken for an end is none (M3)") {
  for (const std::string_view end :
       {"\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r", "\r.\r\n", "\n\n.\r\n"}) {
    CAPTURE(end);
    const Decoded decoded = decode("text" + std::string(end) + "more\r\n.\r\n");
    CHECK((decoded.state == State::bare_cr || decoded.state == State::bare_lf));
    CHECK(decoded.consumed < 4 + end.size() + 1);
  }
}

TEST_CASE("SMTP-02 data decoder: lines of 998, 1000 and many more octets pass unchanged") {
  for (const std::size_t length : {998U, 999U, 1000U, 100'000U}) {
    const std::string line(length, 'x');
    const Decoded decoded = decode(line + "\r\n." + line + "\r\n.\r\n", 700);
    CHECK(decoded.state == State::end);
    CHECK(decoded.content == line + "\r\n" + line + "\r\n");
  }
}

TEST_CASE("data decoder: NUL and 8-bit octets are seen wherever they stand, and only in content") {
  for (std::size_t at = 0; at < 40; ++at) {
    for (const char odd : {'\0', '\x80', '\xff'}) {
      std::string text(40, 'x');
      text[at] = odd;
      DataDecoder decoder;
      decode(text + "\r\n.\r\n", 13, &decoder);
      CHECK(decoder.nul() == (odd == '\0'));
      CHECK(decoder.eight_bit() == (odd != '\0'));
    }
  }
  DataDecoder decoder;
  std::string out;
  const std::string_view input("plain\r\n.\r\n\0\xff", 12);
  CHECK(decoder.decode(input, out).consumed == 10);
  CHECK(!decoder.nul());
  CHECK(!decoder.eight_bit());
}

TEST_CASE("data decoder: random text in random slices") {
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    std::string input;
    for (std::size_t i = random() % 200; i > 0; --i) {
      switch (random() % 6) {
        case 0: input += "\r\n"; break;
        case 1: input += "."; break;
        case 2: input += "\r\n."; break;
        case 3: input += random() % 50 == 0 ? "\r" : "r"; break;
        default: input += static_cast<char>('a' + random() % 26);
      }
    }
    input += "\r\n.\r\n";
    const Decoded expected = reference(input);
    REQUIRE(decode(input, 1 + random() % 30) == expected);
  }
}
