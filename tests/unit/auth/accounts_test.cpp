// SPDX-License-Identifier: Apache-2.0
//
// Who is let in, by which mechanism, and what is said to whom it is not.
#include "office.hpp"

using namespace sealpost;
using namespace sealpost::auth;
using namespace sealpost::auth::test;

TEST_CASE("T-05 no mechanism without encryption; -PLUS where a channel can be bound") {
  Office office;
  using Names = std::vector<std::string_view>;
  CHECK(office.accounts->mechanisms(office.channel) ==
        Names{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN"});
  office.channel.tls_exporter.clear();
  office.channel.tls_server_end_point.clear();
  CHECK(office.accounts->mechanisms(office.channel) == Names{"SCRAM-SHA-256", "PLAIN", "LOGIN"});
  CHECK(office.begin("SCRAM-SHA-256-PLUS") == nullptr);
  CHECK(office.begin("CRAM-MD5") == nullptr);
  CHECK(office.begin("plain") == nullptr);
  office.channel.encrypted = false;
  CHECK(office.accounts->mechanisms(office.channel).empty());
  CHECK(office.begin("PLAIN") == nullptr);
}

namespace {

User limited_anna() {
  User anna = some_user("anna", "secret");
  anna.senders = {"anna@example.org"};
  anna.limits = Limits(10, 20);
  return anna;
}

void check_is_limited_anna(const Step& step) {
  REQUIRE(step.kind == Kind::accepted);
  REQUIRE(step.account);
  CHECK(step.account->name == "anna");
  CHECK(step.account->senders == limited_anna().senders);
  CHECK(step.account->messages_per_hour == 10);
  CHECK(step.account->recipients_per_hour == 20);
}

}  // namespace

TEST_CASE("SMTP-09 all mechanisms let the right password in, and say who it is") {
  Office office;
  REQUIRE(office.store().add(limited_anna()));
  ScramClient client, bound;
  bound.header = "p=tls-exporter,,";
  bound.bound = "exporter";
  for (const Step& step :
       {office.plain("Anna", "secret"), office.plain("anna", "secret", "anna"),
        office.login("anna", "secret"), office.scram(client), office.scram(bound, "SCRAM-SHA-256-PLUS")}) {
    check_is_limited_anna(step);
    CHECK(step.name == "anna");
  }
  ScramClient again;
  CHECK(office.scram(again).text == again.expected);
  CHECK(office.accounts->counters().accepted == 6);
}

TEST_CASE("EXTERNAL lets in whom the certificate stands for, and nobody else (RFC 4422, appendix A)") {
  Office office;
  REQUIRE(office.store().add(limited_anna()));
  office.add("otto", "secret");
  REQUIRE(office.store().set_disabled("otto", true, SystemTime{}));
  CHECK(office.begin("EXTERNAL") == nullptr);  // not offered, not taken
  office.channel.certified_user = "Anna";
  CHECK(office.accounts->mechanisms(office.channel).front() == "EXTERNAL");
  for (const char* as : {"", "anna", "ANNA"}) {
    const Step step = office.say(*office.begin("EXTERNAL"), as);
    check_is_limited_anna(step);
  }
  CHECK(office.hashes == 0);
  CHECK(office.say(*office.begin("EXTERNAL"), "otto").kind == Kind::refused);
  CHECK(office.say(*office.begin("EXTERNAL"), std::string_view("anna\0", 5)).kind == Kind::malformed);
  CHECK(office.say(*office.begin("EXTERNAL"), "\xff").kind == Kind::malformed);
  const auto twice = office.begin("EXTERNAL");
  CHECK(office.say(*twice, "").kind == Kind::accepted);
  CHECK(office.say(*twice, "").kind == Kind::malformed);
  for (const char* name : {"otto", "nobody"}) {
    office.channel.certified_user = name;
    CHECK(office.say(*office.begin("EXTERNAL"), "").kind == Kind::refused);
  }
  office.channel.certified_user = "anna";
  office.reading_full = true;
  CHECK(office.say(*office.begin("EXTERNAL"), "").kind == Kind::unavailable);
  office.channel.encrypted = false;
  CHECK(office.begin("EXTERNAL") == nullptr);
}

TEST_CASE("LOGIN takes its first response for the name") {
  Office office;
  office.add("anna", "secret");
  const auto exchange = office.begin("LOGIN");
  CHECK_FALSE(exchange->client_first());
  CHECK(office.say(*exchange, "anna").text == "Password:");
  CHECK(office.say(*exchange, "secret").kind == Kind::accepted);
  CHECK(office.say(*exchange, "secret").kind == Kind::malformed);
  CHECK(office.begin("PLAIN")->client_first());
  CHECK(office.begin("SCRAM-SHA-256")->client_first());
}

TEST_CASE("T-32 an unknown name, a wrong password and a disabled account: one text and the same work") {
  Office office(no_brakes());
  office.add("anna", "secret");
  office.add("otto", "secret");
  REQUIRE(office.store().set_disabled("otto", true, SystemTime{}));
  const std::pair<const char*, const char*> tries[] = {
      {"nobody", "secret"}, {"anna", "wrong"}, {"otto", "secret"}, {"otto", "wrong"}, {"bad\x01name", "x"}};
  for (const auto& one : tries) {
    const std::string name = one.first, password = one.second;
    CAPTURE(name);
    office.reads = office.hashes = 0;
    const Step plain = office.plain(name, password), login = office.login(name, password);
    CHECK(office.reads == 2);
    CHECK(office.hashes == 2);
    for (const Step& step : {plain, login}) {
      CHECK(step.kind == Kind::refused);
      CHECK(step.text.empty());
      CHECK(step.account == nullptr);
    }
  }
  CHECK(office.plain("anna", "secret", "otto").kind == Kind::refused);  // may not act for another
  CHECK(office.plain("anna", "secret").kind == Kind::accepted);

  // SCRAM: a challenge for each, and after the proof a refusal.
  for (const char* name : {"nobody", "anna", "otto"}) {
    CAPTURE(name);
    ScramClient client;
    client.name = name;
    client.password = std::string(name) == "otto" ? "secret" : "wrong";
    office.reads = office.hashes = 0;
    const auto exchange = office.begin("SCRAM-SHA-256");
    const Step first = office.say(*exchange, client.first());
    CHECK(first.kind == Kind::challenge);
    const Step last = office.say(*exchange, client.final(first.text));
    CHECK(last.kind == Kind::refused);
    CHECK(last.text.empty());
    CHECK(office.reads == 1);
    CHECK(office.hashes == 0);
  }
  // Asked twice it is the same salt, as it is of a name that exists.
  const auto salt_of = [&](const char* first) {
    const std::string text = office.say(*office.begin("SCRAM-SHA-256"), first).text;
    return text.substr(text.find(",s="));
  };
  CHECK(salt_of("n,,n=nobody,r=abc") == salt_of("n,,n=Nobody,r=def"));
  CHECK(salt_of("n,,n=nobody,r=abc") != salt_of("n,,n=nobody2,r=abc"));
}

TEST_CASE("T-33 no step says the password") {
  Office office(no_brakes());
  office.add("anna", "canary-4711");
  std::vector<Step> steps = {office.plain("anna", "canary-4711x"),
                             office.plain("nobody", "canary-4711"),
                             office.plain("anna", "canary-4711", "otto"),
                             office.login("anna", "canary-4711x"),
                             office.login("anna", "canary-4711\n"),
                             office.say(*office.begin("PLAIN"), "canary-4711"),
                             office.say(*office.begin("PLAIN"), std::string_view("\0\0canary-4711", 13)),
                             office.say(*office.begin("SCRAM-SHA-256"), "canary-4711"),
                             office.say(*office.begin("SCRAM-SHA-256"), "n,,canary-4711")};
  office.hashing_full = true;
  steps.push_back(office.plain("anna", "canary-4711"));
  for (const Step& step : steps) {
    CHECK(step.kind != Kind::accepted);
    CHECK(step.why != "");
    for (const std::string& said : {step.why, step.text, step.name})
      CHECK(said.find("canary") == std::string::npos);
  }
}

TEST_CASE("an exchange says nothing after its end, and one that is given up is gone") {
  Office office;
  office.add("anna", "secret");
  const auto exchange = office.begin("SCRAM-SHA-256");
  CHECK(office.say(*exchange, "nonsense").kind == Kind::malformed);
  CHECK(office.say(*exchange, "n,,n=anna,r=abc").kind == Kind::malformed);
  {
    // While it waits for its pause: the task goes with it.
    for (int i = 0; i < 3; ++i) office.plain("anna", "wrong");
    const auto given_up = office.begin("PLAIN");
    std::vector<Kind> endings;
    event::TaskScope scope(office.loop);
    scope.spawn(speak(*given_up, std::string("\0anna\0wrong", 11), endings));
    office.loop.settle();
  }
  CHECK(office.plain("anna", "secret").kind == Kind::accepted);
}
