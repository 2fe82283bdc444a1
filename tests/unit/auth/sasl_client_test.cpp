// SPDX-License-Identifier: Apache-2.0
#include "auth/sasl_client.hpp"

#include <doctest.h>

using namespace sealpost;
using namespace sealpost::auth;

namespace {

struct Client {
  Client() { account.user = "relay"; }
  std::unique_ptr<SaslClient> choose(std::vector<std::string> offered, std::string token = {}) {
    offer.mechanisms = std::move(offered);
    return choose_mechanism(account, std::move(token), offer);
  }
  std::string chosen(std::vector<std::string> offered, std::string token = {}) {
    const auto client = choose(std::move(offered), std::move(token));
    return client ? std::string(client->mechanism()) : "none";
  }
  ClientAccount account;
  SaslOffer offer;
};

const std::vector<std::string> all{
    "LOGIN", "PLAIN", "CRAM-MD5", "XOAUTH2", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "OAUTHBEARER"};

// Our client against our server: what each says to the other.
Expected<std::string> scram_talk(Client& client, const ScramBinding& server_binding,
                                 std::string_view password) {
  const auto sasl = client.choose({client.offer.mechanisms});
  REQUIRE(sasl);
  ScramServer server(server_binding, "servernonce");
  if (auto heard = server.hear_first(*sasl->first()); !heard) return heard.error();
  const ScramKeys keys = scram_keys(Secret(password), "salt-of-16-octet", 4096);
  auto proof = sasl->answer(server.challenge(keys));
  if (!proof) return proof.error();
  CHECK_FALSE(sasl->finished());
  auto last = server.hear_final(*proof, keys);
  if (!last) return last.error();
  auto done = sasl->answer(*last);
  if (done) CHECK(sasl->finished());
  return done;
}

}  // namespace

TEST_CASE("X9 the strongest mechanism is used for which there is all it takes") {
  Client client;
  client.account.password = Secret("secret");
  CHECK(client.chosen(all) == "SCRAM-SHA-256");
  client.offer.binding.tls_exporter = "bound";
  CHECK(client.chosen(all) == "SCRAM-SHA-256-PLUS");
  CHECK(client.chosen({"LOGIN", "PLAIN"}) == "PLAIN");
  CHECK(client.chosen({"LOGIN"}) == "LOGIN");
  CHECK(client.chosen({"CRAM-MD5", "XOAUTH2"}) == "none");
  CHECK(client.chosen({}) == "none");
  client.account.mechanisms = {"PLAIN"};
  CHECK(client.chosen(all) == "PLAIN");
  Client bearer;
  CHECK(bearer.chosen(all) == "none");
  CHECK(bearer.chosen(all, "token") == "OAUTHBEARER");
  CHECK(bearer.chosen({"XOAUTH2", "PLAIN"}, "token") == "XOAUTH2");
}

TEST_CASE("X8 PLAIN and LOGIN say what they have to, and no more") {
  Client client;
  client.account.password = Secret("secret");
  const auto plain = client.choose({"PLAIN"});
  CHECK(*plain->first() == std::string("\0relay\0secret", 13));
  CHECK_FALSE(plain->answer("more?"));
  const auto login = client.choose({"LOGIN"});
  CHECK_FALSE(login->first());
  CHECK_FALSE(login->finished());
  CHECK(*login->answer("Username:") == "relay");
  CHECK(*login->answer("Password:") == "secret");
  CHECK(login->finished());
  CHECK_FALSE(login->answer("more?"));
}

TEST_CASE("XOAUTH2 and OAUTHBEARER carry the token, and answer an error (RFC 7628 §3.2.3)") {
  Client client;
  client.account.user = "a,b=c";
  client.offer.host = "smtp.example";
  client.offer.port = 587;
  const auto x = client.choose({"XOAUTH2"}, "ya29.token");
  CHECK(*x->first() == "user=a,b=c\1auth=Bearer ya29.token\1\1");
  CHECK(*x->answer("{\"status\":\"400\"}") == "");
  const auto standard = client.choose({"OAUTHBEARER"}, "ya29.token");
  CHECK(*standard->first() == "n,a=a=2Cb=3Dc,\1host=smtp.example\1port=587\1auth=Bearer ya29.token\1\1");
  CHECK(*standard->answer("{}") == "\1");
}

TEST_CASE("X9 SCRAM proves both to each other (RFC 5802 §3), bound to the channel where it can be") {
  Client client;
  client.account.password = Secret("secret");
  client.offer.mechanisms = {"SCRAM-SHA-256"};
  CHECK(scram_talk(client, ScramBinding(), "secret"));
  CHECK_FALSE(scram_talk(client, ScramBinding(), "other"));
  ScramBinding binding;
  binding.plus = true;
  binding.tls_exporter = "the channel";
  client.offer.mechanisms = {"SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"};
  client.offer.binding.tls_exporter = "the channel";
  CHECK(scram_talk(client, binding, "secret"));
  client.offer.binding.tls_exporter = "another channel";
  CHECK_FALSE(scram_talk(client, binding, "secret"));
  client.offer.binding = ScramBinding();
  client.offer.binding.tls_server_end_point = "the certificate";
  binding = ScramBinding();
  binding.plus = true;
  binding.tls_server_end_point = "the certificate";
  CHECK(scram_talk(client, binding, "secret"));
  // -PLUS was taken out of the offer on the way: the server hears that we could.
  client.offer.mechanisms = {"SCRAM-SHA-256"};
  binding.plus = false;
  CHECK_FALSE(scram_talk(client, binding, "secret"));
}

TEST_CASE("T-31 SCRAM: a server that is none is told nothing, and asks for no work without end") {
  const auto answers = [](const std::string& challenge) {
    Client client;
    client.account.password = Secret("secret");
    const auto sasl = client.choose({"SCRAM-SHA-256"});
    const std::string first = *sasl->first();
    const std::string nonce = first.substr(first.find("r=") + 2);
    std::string whole = challenge;
    if (const auto at = whole.find("NONCE"); at != std::string::npos) whole.replace(at, 5, nonce);
    return sasl->answer(whole).has_value();
  };
  CHECK(answers("r=NONCEx,s=c2FsdA==,i=4096"));
  for (const char* bad : {"", "r=NONCE,s=c2FsdA==,i=4096", "r=xNONCE,s=c2FsdA==,i=4096", "r=NONCEx,s=,i=4096",
                          "r=NONCEx,s=!,i=4096", "r=NONCEx,s=c2FsdA==,i=4095", "r=NONCEx,s=c2FsdA==,i=600001",
                          "r=NONCEx,s=c2FsdA==,i=99999999999999999999",
                          "r=NONCEx,s=c2FsdA==", "m=x,r=NONCEx,s=c2FsdA==,i=4096"}) {
    CAPTURE(bad);
    CHECK_FALSE(answers(bad));
  }
  Client client;
  client.account.password = Secret("secret");
  const auto sasl = client.choose({"SCRAM-SHA-256"});
  const std::string first = *sasl->first();
  REQUIRE(sasl->answer("r=" + first.substr(first.find("r=") + 2) + "x,s=c2FsdA==,i=4096"));
  CHECK(sasl->answer("v=AAAA").error().code == Errc::refused);
  CHECK_FALSE(sasl->finished());
}
