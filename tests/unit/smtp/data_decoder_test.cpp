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

Decoded decode(std::string_view input, std::size_t slice = SIZE_MAX, DataDecoder* decoder = nullptr,
               BareNewline bare = BareNewline::reject) {
  DataDecoder own(bare);
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

// The same where a bare LF ends a line: dots of such lines are stuffing, and only CRLF "." CRLF is the end.
Decoded normalizing_reference(std::string_view input) {
  Decoded decoded;
  std::string line;
  bool behind_crlf = true;
  for (std::size_t i = 0; i < input.size(); ++i) {
    const bool after_cr = !line.empty() && line.back() == '\r';
    if (after_cr && input[i] != '\n') return {State::bare_cr, {}, i};
    line += input[i];
    if (input[i] != '\n') continue;
    if (line == ".\r\n" && behind_crlf) return {State::end, decoded.content, i + 1};
    line.resize(line.size() - (after_cr ? 2 : 1));
    if (line.starts_with('.')) line.erase(0, 1);
    decoded.content += line + "\r\n";
    line.clear();
    behind_crlf = after_cr;
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

TEST_CASE("T-21 data decoder, bare LF normalized: every string of up to five octets, in every slicing") {
  const std::string follow = "\r\n.\r\nMAIL FROM:<b@example.net>\r\n";
  for (const std::string_view before : {"", "x", "x\r\n", "x\n", "x\n."}) {
    for (const std::string& middle : all_strings(alphabet, 5)) {
      const std::string input = std::string(before) + middle + follow;
      const Decoded expected = normalizing_reference(input);
      REQUIRE(decode(input, SIZE_MAX, nullptr, BareNewline::normalize) == expected);
      REQUIRE(decode(input, 1, nullptr, BareNewline::normalize) == expected);
      REQUIRE(decode(input, 3, nullptr, BareNewline::normalize) == expected);
      // What had an end without any lenience has the same one with it, and the same content.
      const Decoded strict = reference(input);
      if (strict.state == State::end) REQUIRE(strict == expected);
    }
  }
}

TEST_CASE(
    "SMTP-01 data decoder, bare LF normalized: what others have taken for an end is a line of content") {
  const struct {
    std::string_view in, out;
  } rows[] = {
      {"a\n.\nb\r\n.\r\n", "a\r\n\r\nb\r\n"},
      {"a\n.\r\nb\r\n.\r\n", "a\r\n\r\nb\r\n"},
      {"a\r\n.\nb\r\n.\r\n", "a\r\n\r\nb\r\n"},
      {"a\n\n.\r\nb\r\n.\r\n", "a\r\n\r\n\r\nb\r\n"},
      {".\n.\r\n.\r\n", "\r\n\r\n"},
      {"a\n..b\n.c\n\r\n.\r\n", "a\r\n.b\r\nc\r\n\r\n"},  // as smtplib sends bytes
  };
  for (const auto& row : rows) {
    CAPTURE(row.in);
    const Decoded decoded = decode(row.in, SIZE_MAX, nullptr, BareNewline::normalize);
    CHECK(decoded.state == State::end);
    CHECK(decoded.content == row.out);
    CHECK(decoded.consumed == row.in.size());
  }
  for (const std::string_view cr : {"a\r.\r\n.\r\n", "a\r\n.\r.\r\n", "a\r\r\n.\r\n", "\r.\r"}) {
    CAPTURE(cr);
    CHECK(decode(cr, SIZE_MAX, nullptr, BareNewline::normalize).state == State::bare_cr);
  }
}

TEST_CASE("SMTP-01 data decoder, counted: no dot means anything, and line ends are what they are in DATA") {
  const auto counted = [](std::string_view in, BareNewline bare, std::size_t slice) {
    DataDecoder decoder(bare, DataDecoder::Framing::counted);
    Decoded decoded = decode(in, slice, &decoder);
    if (decoded.state == State::more) decoded.state = decoder.finish(decoded.content);
    return decoded;
  };
  for (const std::string& in : all_strings(alphabet, 6)) {
    std::string lines;
    bool bare_cr = false, bare_lf = false;
    for (std::size_t i = 0; i < in.size(); ++i) {
      const bool crlf = in[i] == '\n' && i > 0 && in[i - 1] == '\r';
      bare_lf = bare_lf || (in[i] == '\n' && !crlf);
      if (in[i] == '\n' && !crlf) lines += '\r';
      lines += in[i];
      if (in[i] == '\r' && (i + 1 == in.size() || in[i + 1] != '\n')) bare_cr = true;
    }
    if (!lines.empty() && !lines.ends_with('\n')) lines += "\r\n";
    CAPTURE(in);
    for (const std::size_t slice : {std::size_t(1), std::size_t(SIZE_MAX)}) {
      const Decoded strict = counted(in, BareNewline::reject, slice);
      const Decoded granted = counted(in, BareNewline::normalize, slice);
      REQUIRE((strict.state == State::end) == (!bare_cr && !bare_lf));
      REQUIRE((granted.state == State::end) == !bare_cr);
      if (strict.state == State::end)
        REQUIRE(strict.content == in + (lines.size() > in.size() ? "\r\n" : ""));
      if (granted.state == State::end) REQUIRE(granted.content == lines);
    }
  }
}

TEST_CASE("data decoder: the longest line and 8-bit octets of the header, in every slicing") {
  const std::string head = "Subject: caf\xc3\xa9\r\n";
  const struct {
    std::string in;
    std::uint64_t longest;
    bool eight_bit_header;
  } rows[] = {
      {".\r\n", 0, false},
      {"\r\n.\r\n", 0, false},
      {head + "\r\nx\r\n.\r\n", 14, true},
      {head + ".\r\n", 14, true},
      {"A: b\r\n\r\ncaf\xc3\xa9\r\n.\r\n", 5, false},
      {"A: b\n\ncaf\xc3\xa9\r\n.\r\n", 5, false},
      {"\r\ncaf\xc3\xa9\r\n.\r\n", 5, false},
      {"A: b\n.\ncaf\xc3\xa9\r\n.\r\n", 5, false},  // the dot's line is empty
      {"..\xff\r\n\r\n.\r\n", 2, true},
      {std::string(998, 'x') + "\r\n..\r\n.\r\n", 998, false},
      {std::string(998, 'x') + "\r\n.." + std::string(998, 'y') + "\r\n.\r\n", 999, false},
  };
  for (const auto& row : rows) {
    CAPTURE(row.in);
    for (const std::size_t slice : {std::size_t(1), std::size_t(2), std::size_t(7), std::size_t(SIZE_MAX)}) {
      DataDecoder decoder(BareNewline::normalize);
      CHECK(decode(row.in, slice, &decoder).state == State::end);
      CHECK(decoder.longest_line() == row.longest);
      CHECK(decoder.eight_bit_header() == row.eight_bit_header);
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
