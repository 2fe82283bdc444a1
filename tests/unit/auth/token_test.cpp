// SPDX-License-Identifier: Apache-2.0
//
// Which tokens are taken, and which key sets.
#include "auth/token.hpp"

#include <doctest.h>

#include "event/sim_loop.hpp"
#include "token_issuer.hpp"

using namespace sealpost;
using namespace sealpost::auth;
using namespace sealpost::auth::test;
using namespace std::chrono_literals;

namespace {

const Believed start(event::SimLoop::default_start);

bool is_account(const TokenVerdict& verdict, const char* account) {
  return verdict.fault == TokenFault::none && verdict.account == account;
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  const std::size_t at = text.find(what);
  REQUIRE(at != text.npos);
  return text.replace(at, what.size(), by);
}

}  // namespace

TEST_CASE("signatures of RFC 7515 §A.3 and RFC 8037 §A.4") {
  const auto es256 = TokenKeys::parse(
      R"({"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]})");
  REQUIRE(es256);
  const std::string text =
      "eyJhbGciOiJFUzI1NiJ9."
      "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
  const auto signature = from_base64url(
      "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q");
  REQUIRE(signature);
  CHECK(is_signed_by(es256->all().front(), text, *signature));
  CHECK_FALSE(is_signed_by(es256->all().front(), text + "x", *signature));
  CHECK_FALSE(is_signed_by(es256->all().front(), text, signature->substr(1)));
  CHECK_FALSE(is_signed_by(es256->all().front(), text, std::string(64, '\0')));

  const auto eddsa = TokenKeys::parse(
      R"({"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]})");
  REQUIRE(eddsa);
  CHECK(is_signed_by(
      eddsa->all().front(), "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
      *from_base64url(
          "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg")));
}

TEST_CASE("a good token names its account, whichever of the three algorithms signed it") {
  for (const TokenAlgorithm algorithm :
       {TokenAlgorithm::rs256, TokenAlgorithm::es256, TokenAlgorithm::eddsa}) {
    const TokenIssuer issuer(algorithm), other(algorithm);
    CAPTURE(issuer.name());
    const auto rules = token_rules(key_set({other.jwk("two"), issuer.jwk("one", ",\"use\":\"sig\"")}));
    REQUIRE(rules->keys);
    const std::string claims = good_claims("Anna@example.org");
    CHECK(is_account(verify_token(issuer.token(claims), *rules, start), "anna@example.org"));
    // Signed by a key that has another name there, or that is not there.
    CHECK(verify_token(other.token(claims), *rules, start).fault == TokenFault::invalid);
    const std::string unnamed = "{\"alg\":\"" + issuer.name() + "\"}";
    CHECK(verify_token(issuer.token(claims, unnamed), *rules, start).fault == TokenFault::invalid);
    const auto alone = token_rules(key_set({issuer.jwk("")}));
    CHECK(is_account(verify_token(issuer.token(claims, unnamed), *alone, start), "anna@example.org"));
    CHECK(verify_token(issuer.token(claims), *alone, start).fault == TokenFault::invalid);  // no such kid
  }
}

TEST_CASE("a token of another issuer, for another audience, without an account or its scope is none") {
  const TokenIssuer issuer(TokenAlgorithm::eddsa);
  const auto rules = token_rules(key_set({issuer.jwk("one")}));
  const std::string good = good_claims();
  struct Case {
    const char* what;
    const char* by;
    TokenFault fault;
  };
  for (const Case& one :
       {Case{"https://login.example", "https://login.example/", TokenFault::invalid},
        Case{"\"iss\"", "\"ISS\"", TokenFault::invalid},
        Case{"\"aud\":\"sealpost\"", "\"aud\":\"other\"", TokenFault::invalid},
        Case{"\"aud\":\"sealpost\"", "\"aud\":[\"other\",\"sealpost\"]", TokenFault::none},
        Case{"\"aud\":\"sealpost\"", "\"aud\":[[\"sealpost\"]]", TokenFault::invalid},
        Case{"\"aud\":\"sealpost\"", "\"aud\":\"sealpost \"", TokenFault::invalid},
        Case{"\"aud\":\"sealpost\",", "", TokenFault::invalid},
        Case{"\"openid smtp.send\"", "\"openid\"", TokenFault::insufficient},
        Case{"\"openid smtp.send\"", "\"openid smtp.sender\"", TokenFault::insufficient},
        Case{"\"scope\":\"openid smtp.send\"", "\"scp\":[\"openid\",\"smtp.send\"]", TokenFault::none},
        Case{"\"anna@example.org\"", "7", TokenFault::invalid},
        Case{"anna@example.org", "", TokenFault::invalid},
        Case{"anna@example.org", "an\\u0000na", TokenFault::invalid},
        Case{"\"email\"", "\"email\":\"otto@example.org\",\"email\"", TokenFault::invalid},
        Case{"\"exp\":1767574800,", "", TokenFault::invalid},
        Case{"1767574800", "\"1767574800\"", TokenFault::invalid},
        Case{"1767574800", "-1", TokenFault::invalid},
        Case{"1767574800", "1767574800.5", TokenFault::none},
        Case{"1767574800", "1e300", TokenFault::invalid},
        Case{"1767571200", "true", TokenFault::invalid}}) {
    CAPTURE(one.by);
    CHECK(verify_token(issuer.token(replaced(good, one.what, one.by)), *rules, start).fault == one.fault);
  }
}

TEST_CASE("T-50 a token counts from nbf to exp, a minute aside, by both readings of a clock in doubt") {
  const TokenIssuer issuer(TokenAlgorithm::eddsa);
  const auto rules = token_rules(key_set({issuer.jwk("one")}));
  const std::string token = issuer.token(good_claims());
  const auto good_at = [&](SystemTime earliest, SystemTime latest) {
    Believed time(earliest);
    time.latest = latest;
    time.in_doubt = earliest != latest;
    return verify_token(token, *rules, time).fault == TokenFault::none;
  };
  const SystemTime begin = event::SimLoop::default_start, end = begin + 1h;
  CHECK(good_at(begin, begin));
  CHECK(good_at(begin - 60s, begin - 60s));
  CHECK_FALSE(good_at(begin - 61s, begin - 61s));
  CHECK(good_at(end + 59s, end + 59s));
  CHECK_FALSE(good_at(end + 60s, end + 60s));
  CHECK_FALSE(good_at(begin, end + 2min));
  CHECK_FALSE(good_at(begin - 2min, begin));
  CHECK(good_at(begin, end));
}

TEST_CASE(
    "a token says not how it is to be verified: none, HMAC, another kind of key, extensions (RFC 8725 "
    "§3.1)") {
  const TokenIssuer issuer(TokenAlgorithm::rs256);
  const TokenIssuer curve(TokenAlgorithm::es256);
  const auto rules = token_rules(key_set({issuer.jwk("one"), curve.jwk("one")}));
  const std::string claims = good_claims();
  CHECK(verify_token(issuer.token(claims), *rules, start).fault == TokenFault::none);
  for (const char* header :
       {R"({"alg":"none","kid":"one"})", R"({"alg":"None"})", R"({"alg":"HS256","kid":"one"})",
        R"({"alg":"ES256","kid":"one"})", R"({"alg":"RS512","kid":"one"})", R"({"alg":"PS256","kid":"one"})",
        R"({"kid":"one"})", R"({"alg":["RS256"],"kid":"one"})",
        R"({"alg":"RS256","kid":"one","crit":["exp"]})", R"({"alg":"RS256","kid":"one","b64":false})",
        R"({"alg":"RS256","kid":""})", R"({"alg":"RS256","kid":7})",
        R"({"alg":"RS256","alg":"RS256","kid":"one"})", R"({"alg":"RS256","kid":"one","typ":"dpop+jwt"})",
        R"({"alg":"RS256","kid":"one","typ":7})", R"(["RS256"])", "x"}) {
    CAPTURE(header);
    CHECK(verify_token(issuer.token(claims, header), *rules, start).fault == TokenFault::invalid);
  }
  for (const char* header :
       {R"({"alg":"RS256","kid":"one","typ":"at+jwt"})", R"({"alg":"RS256","kid":"one","typ":"JWT"})",
        R"({"alg":"RS256","kid":"one","jku":"https://evil.example/keys"})"}) {
    CAPTURE(header);
    CHECK(verify_token(issuer.token(claims, header), *rules, start).fault == TokenFault::none);
  }
  // The public key as a secret: what a verifier that believes the header would take.
  const std::string text = base64url(R"({"alg":"HS256","kid":"one"})") + "." + base64url(claims);
  CHECK(verify_token(text + "." + base64url(std::string(32, 'x')), *rules, start).fault ==
        TokenFault::invalid);

  const std::string token = issuer.token(claims);
  for (const std::string& other :
       {token.substr(0, token.rfind('.') + 1), token.substr(0, token.rfind('.')), token + ".x", token + "=",
        token + "A", "." + token, std::string(".."), std::string(), std::string(8193, 'a')}) {
    CAPTURE(other.size());
    CHECK(verify_token(other, *rules, start).fault == TokenFault::invalid);
  }
}

TEST_CASE("key sets: what is for us, what is passed over, and what spoils the whole") {
  const TokenIssuer issuer(TokenAlgorithm::eddsa), other(TokenAlgorithm::eddsa),
      weak(TokenAlgorithm::rs256, 1024);
  const auto count = [](const std::string& text) {
    const auto keys = TokenKeys::parse(text);
    return keys ? static_cast<int>(keys->all().size()) : -1;
  };
  const std::string good = issuer.jwk("one");
  CHECK(count(key_set({good, other.jwk("two")})) == 2);
  CHECK(count(key_set({good, R"({"kty":"EC","crv":"P-521","x":"AA","y":"AA"})", R"({"kty":"new"})"})) == 1);
  CHECK(count(key_set({good, other.jwk("two", ",\"use\":\"enc\"")})) == 1);
  CHECK(count(key_set({good, other.jwk("two", ",\"alg\":\"RS256\"")})) == 1);
  CHECK(count(key_set({good, other.jwk("two", ",\"alg\":\"Ed25519\"")})) == 2);
  CHECK(count(key_set({good, other.jwk("two", ",\"key_ops\":[\"sign\"]")})) == 1);
  CHECK(count(key_set({good, other.jwk("two", ",\"key_ops\":[\"verify\"]")})) == 2);
  for (const std::string& text :
       {std::string(), std::string("[]"), std::string("{}"), std::string("{\"keys\":{}}"), key_set({}),
        key_set({"7"}), key_set({good, other.jwk("one")}), key_set({good, weak.jwk("two")}),
        key_set({good, R"({"kty":"oct","k":"AAAA"})"}), key_set({good, other.jwk("two", ",\"d\":\"AAAA\"")}),
        key_set({R"({"kty":"OKP","crv":"Ed25519","x":"AAAA"})"}),
        key_set({R"({"kty":"EC","crv":"P-256","x":")" + std::string(43, 'A') + R"(","y":")" +
                 std::string(43, 'A') + "\"}"}),
        key_set({R"({"kty":"RSA","n":"AAAA","e":"AQAB"})"}), key_set(std::vector<std::string>(65, good)),
        std::string(longest_key_set + 1, ' ')}) {
    CAPTURE(text.substr(0, 200));
    CHECK(count(text) == -1);
  }
}
