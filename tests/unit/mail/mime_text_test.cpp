// SPDX-License-Identifier: Apache-2.0
#include "mail/mime_text.hpp"

#include <doctest.h>

#include "base/text.hpp"
#include "mail/header.hpp"

using namespace sealpost;

TEST_CASE("folded fields") {
  CHECK(folded_field("A", "b") == "A: b\r\n");
  CHECK(folded_field("A", "") == "A: \r\n");
  const std::string words =
      "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen";
  CHECK(folded_field("Name", words) ==
        "Name: one two three four five six seven eight nine ten eleven twelve thirteen\r\n fourteen "
        "fifteen\r\n");
  CHECK(unfold(folded_field("Name", words)) == "Name: " + words);
}

TEST_CASE("quoted-printable (RFC 2045 §6.7)") {
  const std::pair<std::string, std::string> rows[] = {
      {"", ""},
      {"a\n", "a\r\n"},
      {"a", "a\r\n"},
      {"a=b \r\n", "a=3Db=20\r\n"},
      {"\t\r\n", "=09\r\n"},
      {"a b\r\n", "a b\r\n"},
      {std::string("\0\xff", 2), "=00=FF\r\n"},
      {std::string(80, 'x'), std::string(75, 'x') + "=\r\nxxxxx\r\n"},
  };
  for (const auto& [plain, encoded] : rows) CHECK(quoted_printable(plain) == encoded);
  for (const auto line : text::split(quoted_printable(std::string(1000, '\xe9')), '\n'))
    CHECK(line.size() <= 77);
}
