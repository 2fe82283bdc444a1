// SPDX-License-Identifier: Apache-2.0
//
// [auth]: who vouches for accounts, and what is no way to say it.
#include <doctest.h>

#include "app/intake_setup.hpp"
#include "config/config.hpp"
#include "load_text.hpp"

using namespace sealpost;
using namespace sealpost::app;

namespace {

// With a listener for submission, whose files are there.
LoadResult with_submission(const Directory& directory, const std::string& auth) {
  const std::string certificate = directory.file("cert.pem", "x", 0644), key = directory.file("key.pem", "x");
  return load_config(directory.file(
      "sealpost.toml", "hostname = \"relay.example.net\"\n[tls]\ncertificate = \"" + certificate +
                           "\"\nkey = \"" + key +
                           "\"\n[[listener]]\naddress = \"127.0.0.1:587\"\nmode = \"submission\"\n" + auth));
}

}  // namespace

TEST_CASE("a Dovecot is asked over a socket of this machine, and what its accounts may is said beside it") {
  const Directory directory;
  const LoadResult by_path = with_submission(directory,
                                             "[auth]\nunlisted = \"anybody\"\nmessages = 7\nrecipients = "
                                             "9\n[auth.dovecot]\nsocket = \"/run/dovecot/sealpost\"\n");
  CHECK(findings(by_path).empty());
  const AuthConfig& auth = by_path.config.auth;
  CHECK(auth.dovecot_path == "/run/dovecot/sealpost");
  CHECK(auth.dovecot_timeout == std::chrono::seconds(20));
  CHECK(auth.unlisted.may == auth::Unlisted::May::anybody);
  CHECK(auth.unlisted.limits.messages_per_hour == 7);
  CHECK(auth.unlisted.limits.recipients_per_hour == 9);
  const auth::AccountsSettings settings = accounts_settings(auth);
  REQUIRE(settings.dovecot);
  CHECK(settings.dovecot->where == "/run/dovecot/sealpost");
  CHECK(settings.outside->unlisted.limits.messages_per_hour == 7);

  const LoadResult by_port =
      with_submission(directory, "[auth.dovecot]\nsocket = \"inet:[::1]:12345\"\ntimeout = \"3s\"\n");
  CHECK(findings(by_port).empty());
  REQUIRE(by_port.config.auth.dovecot_endpoint);
  CHECK(by_port.config.auth.dovecot_endpoint->to_string() == "[::1]:12345");
  CHECK(by_port.config.auth.unlisted.may == auth::Unlisted::May::own_address);
  CHECK_FALSE(accounts_settings(with_submission(directory, "").config.auth).dovecot);
}

TEST_CASE("a Dovecot on another machine, one without a socket, and words that say nothing") {
  const Directory directory;
  const auto first = [&](const std::string& text) {
    const auto found = findings(with_submission(directory, text));
    REQUIRE(found.size() == 1);
    return found.front();
  };
  CHECK(first("[auth.dovecot]\nsocket = \"inet:192.0.2.1:12345\"\n").find("never go there in clear") !=
        std::string::npos);
  for (const char* socket :
       {"run/dovecot", "", "inet:localhost:12345", "inet:127.0.0.1", "inet:127.0.0.1:0"}) {
    CAPTURE(socket);
    CHECK(first("[auth.dovecot]\nsocket = \"" + std::string(socket) + "\"\n")
              .find(" error auth.dovecot.socket: ") != std::string::npos);
  }
  CHECK(first("[auth.dovecot]\nsocket = \"/" + std::string(107, 'x') + "\"\n").find("is no socket") !=
        std::string::npos);
  CHECK(first("[auth.dovecot]\ntimeout = \"3s\"\n").find("auth.dovecot.socket") != std::string::npos);
  CHECK(first("[auth.dovecot]\nsocket = \"/s\"\ntimeout = \"2m\"\n").find("from 1s to 60s") !=
        std::string::npos);
  CHECK(first("[auth]\nmessages = 3\n").find(" warning auth.messages: says nothing") != std::string::npos);
  const LoadResult relay_only = load("hostname = \"a.example\"\n[auth.dovecot]\nsocket = \"/s\"\n");
  REQUIRE(findings(relay_only).size() == 1);
  CHECK(findings(relay_only).front().find(" warning auth.dovecot: says nothing") != std::string::npos);
}

TEST_CASE("an issuer of tokens: who, for whom, and keys that can be used") {
  const Directory directory;
  const std::string good =
      R"({"keys":[{"kty":"OKP","crv":"Ed25519","kid":"one","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]})";
  const auto oauth = [&](const std::string& keys, const std::string& rest) {
    const std::string path = directory.file("keys.json", keys, 0644);
    return with_submission(directory, "[auth.oauth]\nkeys = \"" + path + "\"\n" + rest);
  };
  const std::string whom = "issuer = \"https://login.example\"\naudience = [\"sealpost\", \"mail\"]\n";
  const LoadResult whole = oauth(good, whom + "account = \"upn\"\nscope = \"smtp.send\"\n");
  CHECK(findings(whole).empty());
  REQUIRE(whole.config.auth.tokens);
  const auth::TokenRules& rules = *whole.config.auth.tokens;
  CHECK(rules.issuer == "https://login.example");
  CHECK(rules.audiences == std::vector<std::string>{"sealpost", "mail"});
  CHECK(rules.account_claim == "upn");
  CHECK(rules.scope == "smtp.send");
  CHECK(rules.keys->all().size() == 1);
  CHECK(outside_rules(whole.config.auth)->tokens == whole.config.auth.tokens);
  CHECK(oauth(good, whom).config.auth.tokens->account_claim == "email");

  const auto first = [&](const LoadResult& result) {
    const auto found = findings(result);
    REQUIRE_FALSE(found.empty());
    return found.front();
  };
  CHECK(first(oauth("{}", whom)).find("is no JWK set") != std::string::npos);
  CHECK(first(oauth(good, "audience = \"x\"\n")).find("auth.oauth.issuer") != std::string::npos);
  CHECK(first(oauth(good, "issuer = \"x\"\n")).find("auth.oauth.audience") != std::string::npos);
  CHECK(first(oauth(good, "issuer = \"x\"\naudience = []\n")).find("auth.oauth.audience") !=
        std::string::npos);
  CHECK(first(oauth(good, whom + "scope = \"a b\"\n")).find("auth.oauth.scope") != std::string::npos);
  CHECK(first(with_submission(directory, "[auth.oauth]\n" + whom)).find("auth.oauth.keys") !=
        std::string::npos);
}

TEST_CASE("T-52 what accounts elsewhere may is taken over by a reload; where Dovecot is, at a start") {
  WrittenValues before, after;
  before["auth.messages"] = "1";
  after["auth.messages"] = "2";
  after["auth.unlisted"] = "\"refused\"";
  after["auth.dovecot.socket"] = "\"/s\"";
  CHECK(keys_taken_over(before, after) == std::vector<std::string>{"auth.messages", "auth.unlisted"});
  CHECK(keys_for_restart(before, after) == std::vector<std::string>{"auth.dovecot.socket"});
}
