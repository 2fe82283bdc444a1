// SPDX-License-Identifier: Apache-2.0
//
// OAUTHBEARER and XOAUTH2: what is heard, and who is let in by a token.
#include "auth/bearer.hpp"

#include "office.hpp"
#include "token_issuer.hpp"

using namespace sealpost;
using namespace sealpost::auth;
using namespace sealpost::auth::test;

namespace {

std::string oauthbearer(const std::string& token, const std::string& as = {}) {
  return "n," + (as.empty() ? "" : "a=" + as) + ",\001host=mail.example.org\001port=587\001auth=Bearer " +
         token + "\001\001";
}
std::string xoauth2(const std::string& token, const std::string& as) {
  return "user=" + as + "\001auth=Bearer " + token + "\001\001";
}

struct TokenOffice {
  explicit TokenOffice(BrakeSettings brakes = no_brakes()) : office(brakes, settings()) {
    User listed = some_user("otto@example.org", "secret");
    listed.senders = {"@example.org"};
    REQUIRE(office.store().add(listed));
    office.add("gone@example.org", "secret");
    REQUIRE(office.store().set_disabled("gone@example.org", true, SystemTime{}));
  }
  AccountsSettings settings() {
    auto rules = std::make_shared<OutsideRules>();
    rules->tokens = token_rules(key_set({issuer.jwk("one")}));
    AccountsSettings settings;
    settings.outside = rules;
    return settings;
  }
  std::string token(const std::string& account) { return issuer.token(good_claims(account)); }
  // How it ends, with the answer to a challenge that tells of the failure.
  Step ends(std::string_view mechanism, const std::string& message) {
    const auto exchange = office.begin(mechanism);
    REQUIRE(exchange);
    const Step step = office.say(*exchange, message);
    if (step.kind != Kind::challenge) return step;
    failure = step.text;
    Step end = office.say(*exchange, "\001");
    CHECK(office.say(*exchange, "\001").kind == Kind::malformed);
    return end;
  }
  TokenIssuer issuer{TokenAlgorithm::es256};
  Office office;
  std::string failure;
};

}  // namespace

TEST_CASE("OAUTHBEARER is a GS2 header and pairs, one of them the token (RFC 7628 §3.1)") {
  const std::string tail = "\001auth=Bearer vF9d.-_~+/x==\001\001";
  for (const auto& [said, name] :
       {std::pair<std::string, std::string>{"n,a=user@example.com," + tail, "user@example.com"},
        {"n,," + tail, ""},
        {"y,," + tail, ""},
        {"n,a=a=2Cb=3Dc," + tail, "a,b=c"},
        {"n,a=\xc3\xa9," + tail, "\xc3\xa9"},
        {"n,,\001host=server.example.com\001port=143\001auth=bearer vF9d.-_~+/x==\001\001", ""}}) {
    const std::string& message = said;
    CAPTURE(message);
    const auto heard = parse_oauthbearer(message);
    REQUIRE(heard);
    CHECK(heard->authorization == name);
    CHECK(heard->token.view() == "vF9d.-_~+/x==");
  }
  for (const std::string& message : {std::string(),
                                     std::string("n,,"),
                                     std::string("n,,\001"),
                                     std::string("n,,\001\001"),
                                     "p=tls-exporter,," + tail,
                                     "F,n,," + tail,
                                     "n," + tail,
                                     "n,b=x," + tail,
                                     "n,a=," + tail,
                                     "n,a=a=2cb," + tail,
                                     "n,a=a=," + tail,
                                     "n,a=\xff," + tail,
                                     ",," + tail,
                                     std::string("n,,\001auth=Bearer x\001"),
                                     std::string("n,,\001auth=Bearer x"),
                                     std::string("n,,auth=Bearer x\001\001"),
                                     std::string("n,,\001auth=Basic x\001\001"),
                                     std::string("n,,\001auth=Bearer\001\001"),
                                     std::string("n,,\001auth=Bearer \001\001"),
                                     std::string("n,,\001auth=Bearer x y\001\001"),
                                     std::string("n,,\001auth=Bearer x=y\001\001"),
                                     std::string("n,,\001auth=Bearer x\001auth=Bearer y\001\001"),
                                     std::string("n,,\001auth=Bearer x\001\001\001"),
                                     std::string("n,,\001auth=Bearer x\001\001more"),
                                     std::string("n,,\001h0st=x\001auth=Bearer x\001\001"),
                                     std::string("n,,\001=x\001auth=Bearer x\001\001"),
                                     std::string("n,,\001host\001auth=Bearer x\001\001")}) {
    CAPTURE(message);
    CHECK_FALSE(parse_oauthbearer(message));
  }
}

TEST_CASE("XOAUTH2 is a user and a token") {
  const auto heard = parse_xoauth2("user=anna@example.org\001auth=Bearer ya29.x\001\001");
  REQUIRE(heard);
  CHECK(heard->authorization == "anna@example.org");
  CHECK(heard->token.view() == "ya29.x");
  for (const char* message : {"", "user=", "user=anna", "user=\001auth=Bearer x\001\001",
                              "user=anna\001auth=Bearer x\001", "user=anna\001auth=Bearer \001\001",
                              "user=anna\001auth=Bearer x\001\001\001", "user=anna\001x=y\001\001",
                              "auth=Bearer x\001user=anna\001\001", "user=\xff\001auth=Bearer x\001\001"}) {
    CAPTURE(message);
    CHECK_FALSE(parse_xoauth2(message));
  }
}

TEST_CASE("T-05 tokens are taken inside TLS, where an issuer is named, and by a name in capitals") {
  TokenOffice here;
  using Names = std::vector<std::string_view>;
  CHECK(here.office.accounts->mechanisms(here.office.channel) ==
        Names{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "OAUTHBEARER", "XOAUTH2", "PLAIN", "LOGIN"});
  here.office.accounts->use(std::make_shared<OutsideRules>());
  CHECK(here.office.begin("OAUTHBEARER") == nullptr);
  here.office.channel.encrypted = false;
  CHECK(here.office.begin("XOAUTH2") == nullptr);
}

TEST_CASE("a token lets in whom it names, as users.db or auth.unlisted says (T-60)") {
  TokenOffice here;
  for (const char* as : {"", "anna@example.org", "ANNA@example.org"}) {
    const Step step = here.ends("OAUTHBEARER", oauthbearer(here.token("anna@example.org"), as));
    REQUIRE(step.kind == Kind::accepted);
    CHECK(step.account->name == "anna@example.org");
    CHECK(step.account->senders == std::vector<std::string>{"anna@example.org"});
  }
  const Step listed = here.ends("XOAUTH2", xoauth2(here.token("otto@example.org"), "otto@example.org"));
  REQUIRE(listed.kind == Kind::accepted);
  CHECK(listed.account->senders == std::vector<std::string>{"@example.org"});
  CHECK(here.office.plain("otto@example.org", "secret").kind == Kind::accepted);  // passwords as ever
  CHECK(here.office.accounts->take_message(*listed.account, 1));
  for (const std::string& message :
       {oauthbearer(here.token("gone@example.org")), oauthbearer(here.token("no-address")),
        oauthbearer(here.token("anna@example.org"), "otto@example.org")}) {
    const Step step = here.ends("OAUTHBEARER", message);
    CHECK(step.kind == Kind::refused);
    CHECK(here.failure == R"({"schemes":"bearer","scope":"smtp.send","status":"invalid_token"})");
  }
}

TEST_CASE(
    "a token that is no good: told in JSON, and refused when the client has heard it (RFC 7628 §3.2.2)") {
  TokenOffice here;
  const TokenIssuer stranger(TokenAlgorithm::es256);
  const std::string account = "anna@example.org";
  CHECK(here.ends("OAUTHBEARER", oauthbearer(stranger.token(good_claims()), account)).kind == Kind::refused);
  std::string poor = good_claims();
  poor.replace(poor.find("smtp.send"), 9, "smtp.read");
  CHECK(here.ends("XOAUTH2", xoauth2(here.issuer.token(poor), account)).kind == Kind::refused);
  CHECK(here.failure.find("insufficient_scope") != std::string::npos);
  CHECK(here.ends("OAUTHBEARER", oauthbearer(here.token(account))).kind == Kind::accepted);
  here.office.loop.advance(62min);
  CHECK(here.ends("OAUTHBEARER", oauthbearer(here.token(account))).kind == Kind::refused);
  CHECK(here.ends("OAUTHBEARER", "n,,").kind == Kind::malformed);
  here.office.reading_full = true;
  here.office.loop.shift_wall(-62min);
  CHECK(here.ends("OAUTHBEARER", oauthbearer(here.token(account))).kind == Kind::unavailable);
}

TEST_CASE("T-31 tokens that are no good are braked, by the name they are sent with; good ones log in") {
  TokenOffice here{BrakeSettings()};
  const TokenIssuer stranger(TokenAlgorithm::es256);
  const std::string bad = oauthbearer(stranger.token(good_claims()), "anna@example.org");
  int refused = 0, stopped = 0;
  for (int i = 0; i < 100; ++i) {
    const Kind kind = here.ends("OAUTHBEARER", bad).kind;
    refused += kind == Kind::refused ? 1 : 0;
    stopped += kind == Kind::too_many ? 1 : 0;
  }
  CHECK(refused == 5);
  CHECK(stopped == 95);
  CHECK(here.ends("OAUTHBEARER", oauthbearer(here.token("otto@example.org"))).kind == Kind::accepted);
}

TEST_CASE("T-33 no step says what is in a token") {
  TokenOffice here;
  for (const std::string& message :
       {oauthbearer(here.token("canary@example.org"), "otto@example.org"),
        oauthbearer("canary.canary.canary", "anna"), std::string("n,,\001auth=Canary canary\001\001"),
        oauthbearer("canary")}) {
    const auto exchange = here.office.begin("OAUTHBEARER");
    Step step = here.office.say(*exchange, message);
    const std::string first = step.why + step.text;
    if (step.kind == Kind::challenge) step = here.office.say(*exchange, "");
    CHECK(step.kind != Kind::accepted);
    CHECK((first + step.why + step.text + step.name).find("anary") == std::string::npos);
  }
}
