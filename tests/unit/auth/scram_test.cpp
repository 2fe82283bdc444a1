// SPDX-License-Identifier: Apache-2.0
#include "auth/scram.hpp"

#include <doctest.h>

#include "scram_client.hpp"

using namespace sealpost;
using namespace sealpost::auth;
using sealpost::test::ScramClient;

namespace {

ScramKeys keys_of(std::string_view password) {
  return scram_keys(Secret(password), "a salt of 16 oct", least_scram_iterations);
}

ScramBinding binding(bool plus, std::string exporter = {}, std::string end_point = {}) {
  ScramBinding made;
  made.plus = plus;
  made.tls_exporter = std::move(exporter);
  made.tls_server_end_point = std::move(end_point);
  return made;
}

Errc first_refused(ScramBinding with, std::string_view message) {
  ScramServer server(std::move(with), "server");
  const auto heard = server.hear_first(message);
  REQUIRE_FALSE(heard);
  return heard.error().code;
}

}  // namespace

TEST_CASE("SMTP-09 the exchange of RFC 7677 section 3") {
  const auto salt = text::from_base64("W22ZaJ0SNY7soEsUEjb6gQ==");
  REQUIRE(salt);
  const ScramKeys keys = scram_keys(Secret("pencil"), *salt, 4096);
  ScramServer server(binding(false), "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0");
  REQUIRE(server.hear_first("n,,n=user,r=rOprNGfwEbeRWgbNEkqO"));
  CHECK(server.name() == "user");
  CHECK(server.challenge(keys) ==
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
  const auto word = server.hear_final(
      "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
      "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
      keys);
  REQUIRE(word);
  CHECK(*word == "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
}

TEST_CASE("RFC 5802 6: a channel is bound, and another channel is refused") {
  const struct {
    const char* header;
    const char* bound;
    bool plus, accepted;
  } rows[] = {
      {"n,,", "", false, true},
      {"p=tls-exporter,,", "exporter", true, true},
      {"p=tls-server-end-point,,", "end point", true, true},
      {"p=tls-exporter,,", "end point", true, false},  // relayed from another session
      {"p=tls-exporter,,", "", true, false},
      {"p=tls-server-end-point,,", "exporter", true, false},
      {"n,,", "exporter", false, false},
  };
  const ScramKeys keys = keys_of("secret");
  for (const auto& row : rows) {
    CAPTURE(row.header);
    CAPTURE(row.bound);
    ScramServer server(binding(row.plus, "exporter", "end point"), "server");
    ScramClient client;
    client.header = row.header;
    client.bound = row.bound;
    REQUIRE(server.hear_first(client.first()));
    const std::string challenge = server.challenge(keys);
    const auto word = server.hear_final(client.final(challenge), keys);
    CHECK(word.has_value() == row.accepted);
    if (word)
      CHECK(*word == client.expected);
    else
      CHECK(word.error().code == Errc::refused);
  }
}

TEST_CASE("X9 who was told of no -PLUS although it was offered is refused; each flag with its mechanism") {
  CHECK(first_refused(binding(false, "exporter"), "y,,n=anna,r=abc") == Errc::refused);
  CHECK(first_refused(binding(false, "", "end point"), "y,,n=anna,r=abc") == Errc::refused);
  ScramServer none(binding(false), "server");
  CHECK(none.hear_first("y,,n=anna,r=abc"));
  CHECK(first_refused(binding(true, "exporter"), "y,,n=anna,r=abc") == Errc::invalid);
  CHECK(first_refused(binding(true, "exporter"), "n,,n=anna,r=abc") == Errc::invalid);
  CHECK(first_refused(binding(false, "exporter"), "p=tls-exporter,,n=anna,r=abc") == Errc::invalid);
  CHECK(first_refused(binding(true, "exporter"), "p=tls-server-end-point,,n=anna,r=abc") == Errc::refused);
  CHECK(first_refused(binding(true, "exporter"), "p=tls-unique,,n=anna,r=abc") == Errc::refused);
}

TEST_CASE("RFC 5802 7: what is no message is none") {
  for (const char* bad : {"",
                          "n",
                          "n,",
                          "n,,",
                          "n,,n=",
                          "n,,n=anna",
                          "n,,n=anna,",
                          "n,,n=anna,r=",
                          "x,,n=anna,r=abc",
                          "n,b=anna,n=anna,r=abc",
                          "n,a=,n=anna,r=abc",
                          "n,,m=x,n=anna,r=abc",
                          "n,,n=an=na,r=abc",
                          "n,,n=anna=2,r=abc",
                          "n,,n=anna=2c,r=abc",
                          "n,,n=\xff,r=abc",
                          "n,,n=anna,r=a b",
                          "n,,n=anna,r=a\x7f",
                          "n,,r=abc,n=anna",
                          "n,,u=anna,r=abc"}) {
    CAPTURE(bad);
    CHECK(first_refused(binding(false), bad) == Errc::invalid);
  }
  ScramServer escaped(binding(false), "server");
  REQUIRE(escaped.hear_first("n,a=a=2Cb,n=a=3Db=2Cc,r=abc,x=later"));
  CHECK(escaped.name() == "a=b,c");
  CHECK(escaped.authorization() == "a,b");

  const ScramKeys keys = keys_of("secret");
  ScramServer server(binding(false), "server");
  ScramClient client;
  REQUIRE(server.hear_first(client.first()));
  const std::string good = client.final(server.challenge(keys));
  REQUIRE(server.hear_final(good, keys));
  for (const std::string& bad :
       {std::string(), good.substr(0, good.find(",p=")), good.substr(0, good.size() - 8), good + "=",
        "c=biws,r=other,p=" + good.substr(good.find(",p=") + 3), good.substr(7),
        std::string("c=?,r=x,p=y")}) {
    CAPTURE(bad);
    CHECK_FALSE(server.hear_final(bad, keys));
  }
  client.password = "wrong";
  const auto wrong = server.hear_final(client.final(server.challenge(keys)), keys);
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().code == Errc::refused);
}

TEST_CASE("T-32 a name that nobody has gets the same salt each time, and nothing proves it") {
  const ScramKeys first = nobodys_scram_keys("a secret", "nobody"),
                  again = nobodys_scram_keys("a secret", "nobody");
  CHECK(first.salt == again.salt);
  CHECK(first.salt.size() == scram_salt_octets);
  CHECK(first.salt != nobodys_scram_keys("a secret", "somebody").salt);
  CHECK(first.salt != nobodys_scram_keys("another", "nobody").salt);
  CHECK(first.iterations == new_scram_keys(Secret("x")).iterations);
}
