// SPDX-License-Identifier: Apache-2.0
#include "auth/password.hpp"

#include <doctest.h>

#include "auth/plain.hpp"
#include "auth/sender_pattern.hpp"

using namespace sealpost;
using namespace sealpost::auth;

TEST_CASE("names are UTF-8 without controls, ASCII letters count the same in either case") {
  CHECK(prepared_name("Anna@Example.ORG").value_or("") == "anna@example.org");
  CHECK(prepared_name("Zo\xc3\xab").value_or("") == "zo\xc3\xab");
  CHECK(prepared_name("two words").value_or("") == "two words");
  CHECK(prepared_name(std::string(255, 'a')));
  for (const std::string& bad :
       {std::string(), std::string(256, 'a'), std::string("a\0b", 3), std::string("a\tb"),
        std::string("a\x7f"), std::string("\xc2\x85"), std::string("\xff"), std::string("\xc0\xaf"),
        std::string(" anna"), std::string("anna ")}) {
    CAPTURE(bad);
    CHECK_FALSE(prepared_name(bad));
  }
}

TEST_CASE("T-33 a password is kept as yescrypt with a salt of its own") {
  const auto hash = hash_password(Secret("correct horse"));
  REQUIRE(hash);
  CHECK(hash->starts_with("$y$"));
  CHECK(hash->find("correct") == std::string::npos);
  CHECK(is_fit(*hash));
  CHECK(hash_password(Secret("correct horse")).value_or("") != *hash);
  CHECK(matches(Secret("correct horse"), *hash));
  CHECK_FALSE(matches(Secret("correct horsf"), *hash));
  CHECK_FALSE(matches(Secret(""), *hash));
  CHECK_FALSE(
      matches(Secret(std::string_view("correct horse\0x", 15)), *hash));  // crypt(3) would stop at the NUL
  CHECK_FALSE(matches(Secret(std::string(2000, 'a')), *hash));
  CHECK_FALSE(matches(Secret("correct horse"), nobodys_hash()));
  CHECK_FALSE(matches(Secret("-"), nobodys_hash()));
  for (const char* unfit : {"", "correct horse", "$1$salt$x", "{PLAIN}x", "ab01FAX.bQRSU", "*"}) {
    CAPTURE(unfit);
    CHECK_FALSE(is_fit(unfit));
  }
}

TEST_CASE("which passwords there may be") {
  CHECK(check_password(std::string(511, 'a')));
  CHECK(hash_password(Secret(std::string(511, 'a'))));
  for (const std::string& bad :
       {std::string(), std::string(512, 'a'), std::string("a\nb"), std::string("\xff")}) {
    CHECK_FALSE(check_password(bad));
    CHECK_FALSE(hash_password(Secret(bad)));
  }
  const Secret made = generate_password(), other = generate_password();
  CHECK(made.view().size() == 29);
  CHECK_FALSE(made == other);
  CHECK(check_password(made.view()));
}

TEST_CASE("T-62 a secret is wiped when its owner goes") {
  std::string octets(100, 'x');
  const char* at = octets.data();
  const Secret taken = Secret::taken_from(octets);
  CHECK(octets.empty());
  CHECK(std::string_view(at, 100).find('x') == std::string_view::npos);
  CHECK(taken.view() == std::string(100, 'x'));
}

TEST_CASE("X8 PLAIN is exactly two NULs, UTF-8, a name and a password") {
  const auto plain = parse_plain(std::string_view("\0anna\0secret", 12));
  REQUIRE(plain);
  CHECK(plain->authorization.empty());
  CHECK(plain->name == "anna");
  CHECK(plain->password.view() == "secret");
  const auto acting = parse_plain(std::string_view("otto\0anna\0secret", 16));
  REQUIRE(acting);
  CHECK(acting->authorization == "otto");
  for (const std::string_view bad :
       {std::string_view("", 0), std::string_view("anna", 4), std::string_view("\0anna", 5),
        std::string_view("\0anna\0", 6), std::string_view("\0\0secret", 8), std::string_view("\0a\0b\0c", 6),
        std::string_view("\0a\0\xff", 4)}) {
    const auto heard = parse_plain(bad);
    REQUIRE_FALSE(heard);
    CHECK(heard.error().code == Errc::invalid);
    CHECK(heard.error().detail.find("secret") == std::string::npos);
  }
}

TEST_CASE("T-60 as whom an account may send: addresses and domains, and nothing wider") {
  CHECK(parse_sender_pattern("Anna@Example.ORG").value_or("") == "anna@example.org");
  CHECK(parse_sender_pattern("@Example.ORG").value_or("") == "@example.org");
  CHECK(parse_sender_pattern("@b\xc3\xbc"
                             "cher.example")
            .value_or("") == "@xn--bcher-kva.example");
  for (const char* bad :
       {"", "@", "anna", "*", "@*.example", "anna@", "a b@example.org", "<anna@example.org>"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_sender_pattern(bad));
  }
}
