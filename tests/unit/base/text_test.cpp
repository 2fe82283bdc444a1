// SPDX-License-Identifier: Apache-2.0
#include "base/text.hpp"

#include <doctest.h>

#include "base/digest.hpp"
#include "base/random.hpp"

using namespace sealpost;
using namespace std::string_literals;
using namespace std::string_view_literals;

TEST_CASE("ASCII case") {
  CHECK(text::lower("MiXeD-09_\xC3\x84") == "mixed-09_\xC3\x84");
  CHECK(text::iequals("StartTLS", "STARTTLS"));
  CHECK_FALSE(text::iequals("STARTTLS", "STARTTLSX"));
  CHECK_FALSE(text::iequals("@", "`"));  // apart by 0x20 only, not letters
  CHECK(text::istarts_with("EHLO there", "ehlo"));
  CHECK_FALSE(text::istarts_with("EH", "ehlo"));
  CHECK(text::istarts_with("x", ""));
}

TEST_CASE("trim and split") {
  CHECK(text::trim(" \ta b\t ") == "a b");
  CHECK(text::trim("  ").empty());
  CHECK(text::trim("").empty());
  CHECK(text::trim("xxaxx", "x") == "a");
  CHECK(text::split("a,,b", ',') == std::vector<std::string_view>{"a", "", "b"});
  CHECK(text::split("", ',') == std::vector<std::string_view>{""});
  CHECK(text::split("a,", ',') == std::vector<std::string_view>{"a", ""});
}

TEST_CASE("numbers are digits and fit") {
  CHECK(text::parse_u64("0") == 0u);
  CHECK(text::parse_u64("007") == 7u);
  CHECK(text::parse_u64("18446744073709551615") == 18446744073709551615ULL);
  for (const auto bad :
       {"", "-1", "+1", " 1", "1 ", "0x1", "1e3", "18446744073709551616", "99999999999999999999"}) {
    CAPTURE(bad);
    CHECK_FALSE(text::parse_u64(bad).has_value());
  }
}

TEST_CASE("hex") {
  const std::vector<std::uint8_t> bytes = {0x00, 0x0f, 0xa0, 0xff};
  CHECK(text::hex(bytes) == "000fa0ff");
  CHECK(text::from_hex("000Fa0fF") == bytes);
  CHECK(text::from_hex("")->empty());
  for (const auto bad : {"0", "0g", "0x", " 00", "000"}) CHECK_FALSE(text::from_hex(bad).has_value());
}

TEST_CASE("base64 (RFC 4648 §10) is strict") {
  const std::pair<const char*, const char*> rows[] = {{"", ""},
                                                      {"f", "Zg=="},
                                                      {"fo", "Zm8="},
                                                      {"foo", "Zm9v"},
                                                      {"foob", "Zm9vYg=="},
                                                      {"fooba", "Zm9vYmE="},
                                                      {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, encoded] : rows) {
    CHECK(text::base64(plain) == encoded);
    CHECK(text::from_base64(encoded) == plain);
  }
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  CHECK(text::from_base64(text::base64(all)) == all);
  for (const auto bad : {"Z", "Zg", "Zg=", "Zg===", "=", "====", "Zm=v", "Zh==", "Zm9=", "Zm9v\n", "Zm 9",
                         "Zm-_", "Zg==Zg=="}) {
    CAPTURE(bad);
    CHECK_FALSE(text::from_base64(bad).has_value());
  }
}

TEST_CASE("T-48 remote text for people stays printable and bounded") {
  CHECK(text::printable("550 no\r\nsuch\tuser") == "550 no\\x0d\\x0asuch\\x09user");
  CHECK(text::printable("\x1b[31m\xe2\x80\xa8\x7f\0x"sv) == "\\x1b[31m\\xe2\\x80\\xa8\\x7f\\x00x");
  CHECK(text::printable("abcdef", 6) == "abcdef");
  CHECK(text::printable("abcdefg", 6) == "abc...");
  CHECK(text::printable("ab\r\rx", 8) == "ab...");  // an escape is never cut in the middle
  for (std::size_t most = 0; most < 12; ++most)
    CHECK(text::printable(std::string(100, '\r'), most).size() <= most);
}

TEST_CASE("UTF-8 is well-formed or it is not (RFC 3629)") {
  for (const auto good :
       {""sv, "ascii"sv, "\xc3\xa9"sv, "\xe2\x82\xac"sv, "\xf0\x9f\x93\xa7"sv, "\xf4\x8f\xbf\xbf"sv, "\0"sv})
    CHECK(text::is_utf8(good));
  for (const auto bad : {"\x80"sv, "\xc3"sv, "\xc0\x80"sv, "\xc1\xbf"sv, "\xe0\x9f\xbf"sv, "\xed\xa0\x80"sv,
                         "\xf0\x8f\xbf\xbf"sv, "\xf4\x90\x80\x80"sv, "\xf5\x80\x80\x80"sv, "\xff"sv,
                         "\xe2\x82"sv, "a\xc3(z"sv}) {
    CAPTURE(text::printable(bad));
    CHECK_FALSE(text::is_utf8(bad));
  }
}

TEST_CASE("SHA-256 (FIPS 180-4 example)") {
  CHECK(sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sha256_hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST_CASE("random numbers stay below their bound and can come from a seed") {
  for (int i = 0; i < 1000; ++i) CHECK(random_below(7) < 7);
  CHECK(random_below(1) == 0);
  use_random_source([](std::span<std::uint8_t> into) {
    for (auto& byte : into) byte = 9;
  });
  std::uint8_t bytes[3] = {};
  random_bytes(bytes);
  use_random_source(nullptr);
  CHECK(bytes[0] == 9);
  CHECK(bytes[2] == 9);
}
