// SPDX-License-Identifier: Apache-2.0
//
// Accounts whose passwords a Dovecot looks at: who is let in, as whom, and what happens when it does not answer.
#include "fake_dovecot.hpp"
#include "office.hpp"

using namespace sealpost;
using namespace sealpost::auth;
using namespace sealpost::auth::test;

namespace {

using Mood = FakeDovecot::Mood;

struct MailHouse {
  explicit MailHouse(BrakeSettings brakes = no_brakes(), Unlisted unlisted = {})
      : office(brakes, settings(unlisted)) {
    dovecot.passwords["anna"] = {"secret", "anna@example.org"};
    dovecot.passwords["otto"] = {"secret", "otto"};
    dovecot.passwords["gone"] = {"secret", "gone"};
    User listed = some_user("otto", "of users.db");
    listed.senders = {"otto@example.org"};
    listed.limits = Limits(10, 20);
    REQUIRE(office.store().add(listed));
    office.add("gone", "of users.db");
    REQUIRE(office.store().set_disabled("gone", true, SystemTime{}));
  }
  ~MailHouse() { dovecot.scope.reset(); }
  MailHouse(const MailHouse&) = delete;
  MailHouse& operator=(const MailHouse&) = delete;
  AccountsSettings settings(const Unlisted& unlisted) {
    auto rules = std::make_shared<OutsideRules>();
    rules->unlisted = unlisted;
    AccountsSettings settings;
    settings.outside = rules;
    settings.dovecot = dovecot.settings();
    return settings;
  }
  Step plain(const std::string& name, const std::string& password, const std::string& as = {}) {
    return office.plain(name, password, as);
  }
  FakeDovecot dovecot;
  Office office;
};

}  // namespace

TEST_CASE("T-05 with a Dovecot there are PLAIN and LOGIN, and nothing that it could not answer") {
  MailHouse house;
  using Names = std::vector<std::string_view>;
  CHECK(house.office.accounts->mechanisms(house.office.channel) == Names{"PLAIN", "LOGIN"});
  house.office.channel.certified_user = "otto";
  CHECK(house.office.accounts->mechanisms(house.office.channel) == Names{"EXTERNAL", "PLAIN", "LOGIN"});
  CHECK(house.office.say(*house.office.begin("EXTERNAL"), "").kind == Kind::accepted);
  CHECK(house.office.begin("SCRAM-SHA-256") == nullptr);
  house.office.channel.encrypted = false;
  CHECK(house.office.accounts->mechanisms(house.office.channel).empty());
}

TEST_CASE("who Dovecot lets in is whom it names, with what users.db or auth.unlisted allows (T-60)") {
  MailHouse house;
  const Step unlisted = house.plain("anna", "secret");
  REQUIRE(unlisted.kind == Kind::accepted);
  CHECK(unlisted.account->name == "anna@example.org");
  CHECK(unlisted.account->senders == std::vector<std::string>{"anna@example.org"});
  CHECK(unlisted.name == "anna");
  const Step listed = house.office.login("Otto", "secret");
  CHECK(listed.kind == Kind::refused);  // Dovecot's names are its own: it knows no Otto
  const Step row = house.office.login("otto", "secret");
  REQUIRE(row.kind == Kind::accepted);
  CHECK(row.account->senders == std::vector<std::string>{"otto@example.org"});
  CHECK(row.account->messages_per_hour == 10);
  CHECK(row.account->recipients_per_hour == 20);
  CHECK(house.office.hashes == 0);
  // users.db holds another password for him, which is nobody's any more.
  CHECK(house.plain("otto", "of users.db").kind == Kind::refused);
  CHECK(house.plain("gone", "secret").kind == Kind::refused);
  CHECK(house.plain("anna", "secret", "otto").kind == Kind::refused);
  CHECK(house.plain("anna", "secret", "anna").kind == Kind::accepted);
  CHECK(house.dovecot.connections == 1);
  for (int i = 0; i < 10; ++i) CHECK(house.office.accounts->take_message(*row.account, 1));
  CHECK_FALSE(house.office.accounts->take_message(*row.account, 1));
}

TEST_CASE("T-60 accounts without a row: refused, as their own address, or as anybody, and limited") {
  Unlisted rule;
  rule.limits = Limits(1, 0);
  rule.may = Unlisted::May::nothing;
  {
    MailHouse house(no_brakes(), rule);
    CHECK(house.plain("anna", "secret").kind == Kind::refused);
    CHECK(house.plain("otto", "secret").kind == Kind::accepted);
  }
  rule.may = Unlisted::May::anybody;
  {
    MailHouse house(no_brakes(), rule);
    house.dovecot.passwords["max"] = {"secret", "max"};
    const Step step = house.plain("max", "secret");
    REQUIRE(step.kind == Kind::accepted);
    CHECK(step.account->senders.empty());
    CHECK(house.office.accounts->take_message(*step.account, 1));
    CHECK_FALSE(house.office.accounts->take_message(*step.account, 1));
  }
  MailHouse house;
  for (const char* account : {"max", "@example.org", "a@b@c", "bad\001name"}) {
    CAPTURE(account);
    house.dovecot.passwords["max"] = {"secret", account};
    CHECK(house.plain("max", "secret").kind == Kind::refused);
  }
}

TEST_CASE("T-60 a row that comes, changes or goes counts for open sessions of Dovecot's accounts too") {
  MailHouse house;
  const Step step = house.plain("anna", "secret");
  REQUIRE(step.kind == Kind::accepted);
  const auto takes = [&] {
    house.office.loop.advance(2s);
    house.office.accounts->take_message(*step.account, 0);  // looks again
    return house.office.accounts->take_message(*step.account, 1);
  };
  CHECK(takes());
  house.office.add("anna@example.org", "nobody's");
  CHECK_FALSE(takes());
  REQUIRE(house.office.store().remove("anna@example.org"));
  CHECK(takes());
  auto rules = std::make_shared<OutsideRules>();
  rules->unlisted.may = Unlisted::May::nothing;
  house.office.accounts->use(rules);
  CHECK_FALSE(takes());
  CHECK(house.plain("anna", "secret").kind == Kind::refused);
}

TEST_CASE("T-31 guesses at Dovecot's accounts are braked: of 10,000 it hears few, and others log in") {
  MailHouse house{BrakeSettings()};
  for (int i = 0; i < 10'000; ++i) {
    const Kind kind = house.plain("anna", "wrong").kind;
    CHECK((kind == Kind::refused || kind == Kind::too_many));
    house.office.loop.advance(1s);
  }
  CHECK(house.dovecot.requests.size() < 40);  // in near three hours
  house.office.channel.client = *IpAddress::parse("198.51.100.1");
  CHECK(house.plain("otto", "secret").kind == Kind::accepted);
}

TEST_CASE("T-32 an unknown name, a wrong password, a disabled account: one answer, one question, one time") {
  MailHouse house;
  CHECK(house.plain("anna", "wrong").kind == Kind::refused);  // what a no takes is known from here on
  const std::pair<const char*, const char*> tries[] = {
      {"nobody", "secret"}, {"anna", "wrong"}, {"gone", "secret"}, {"gone", "wrong"}, {"bad\x01name", "x"}};
  for (const auto& one : tries) {
    CAPTURE(one.first);
    house.dovecot.requests.clear();
    const SteadyTime before = house.office.loop.now();
    const Step step = house.plain(one.first, one.second);
    CHECK(step.kind == Kind::refused);
    CHECK(step.text.empty());
    CHECK(house.dovecot.requests.size() == 1);
    // Half a second and more: the second failure of a pair, of whoever it is.
    const Duration took = house.office.loop.now() - before;
    CHECK((took == 2s || took == 2500ms || took == 3s));
  }
}

TEST_CASE("T-33 no step and no trouble says the password") {
  MailHouse house;
  std::vector<Step> steps = {house.plain("anna", "canary-4711")};
  for (const Mood mood : {Mood::temporary, Mood::leaves, Mood::refuses, Mood::silent}) {
    house.dovecot.mood = mood;
    steps.push_back(house.plain("anna", "canary-4711"));
    for (const Health::Trouble& trouble : house.office.health.list())
      CHECK((trouble.what + trouble.how).find("canary") == std::string::npos);
  }
  for (const Step& step : steps)
    for (const std::string& said : {step.why, step.text, step.name})
      CHECK(said.find("canary") == std::string::npos);
}

TEST_CASE(
    "a Dovecot that is down, slow, leaves or talks nonsense: 454 within the limit, and nobody is let in") {
  MailHouse house{BrakeSettings()};
  for (int round = 0; round < 10; ++round)  // none of it counts as a failure of who logs in
    for (const Mood mood : {Mood::refuses, Mood::silent, Mood::leaves, Mood::temporary}) {
      house.dovecot.mood = mood;
      const SteadyTime before = house.office.loop.now();
      CHECK(house.plain("anna", "secret").kind == Kind::unavailable);
      CHECK(house.office.loop.now() - before <= 20s);
      CHECK_FALSE(house.office.health.well());
    }
  house.dovecot.mood = Mood::well;
  for (const char* said : {"CONT\tID\t", "OK\tID", "OK\t77\tuser=anna", "OK\tx\tuser=anna", "FAIL\tID\ttemp",
                           "FAIL\tID\tcode=mech_invalid", "OK\tID\tuser="}) {
    CAPTURE(said);
    house.dovecot.next = said;
    CHECK(house.plain("anna", "secret").kind == Kind::unavailable);
  }
  house.dovecot.next = "NEWS\tnobody knows this\nOK\tID\tuser=anna@example.org";
  CHECK(house.plain("anna", "secret").kind == Kind::accepted);
  CHECK(house.office.health.well());
}

TEST_CASE("a Dovecot of another kind is none") {
  for (const char* greeting :
       {"VERSION\t2\t0\nMECH\tPLAIN\nDONE\n", "MECH\tPLAIN\nDONE\n", "VERSION\t1\t1\nMECH\tCRAM-MD5\nDONE\n",
        "220 mail.example.org ESMTP\r\n", "VERSION\t1\t1\nMECH\tPLAIN\n"}) {
    CAPTURE(greeting);
    MailHouse house;
    house.dovecot.greeting = greeting;
    CHECK(house.plain("anna", "secret").kind == Kind::unavailable);
  }
}

TEST_CASE("connections to Dovecot are kept, and one that ended while nobody looked costs nobody his login") {
  MailHouse house;
  for (int i = 0; i < 20; ++i) CHECK(house.plain("anna", "secret").kind == Kind::accepted);
  CHECK(house.dovecot.connections == 1);
  for (const auto& wire : house.dovecot.wires) wire->cut();  // restarted
  CHECK(house.plain("anna", "secret").kind == Kind::accepted);
  CHECK(house.dovecot.connections == 2);
  house.dovecot.scope.reset();  // ended in good order
  CHECK(house.plain("anna", "secret").kind == Kind::accepted);
  CHECK(house.dovecot.connections == 3);
  // Given up in the middle: its connection is not used again, for its answer may still come.
  {
    std::vector<Kind> endings;
    const auto exchange = house.office.begin("PLAIN");
    event::TaskScope scope(house.office.loop);
    scope.spawn(speak(*exchange, std::string("\0anna\0wrong", 11), endings));
    house.office.loop.advance(1s);
  }
  CHECK(house.plain("anna", "secret").kind == Kind::accepted);
  CHECK(house.dovecot.connections == 4);
  // Dovecot's processes of before a reload serve who is connected to them.
  house.office.loop.advance(9s);
  CHECK(house.plain("anna", "secret").kind == Kind::accepted);
  CHECK(house.dovecot.connections == 4);
  house.office.loop.advance(2s);
  CHECK(house.plain("anna", "secret").kind == Kind::accepted);
  CHECK(house.dovecot.connections == 5);
}

TEST_CASE("T-31 strangers do not take all places that Dovecot has for questions") {
  MailHouse house;
  CHECK(house.plain("anna", "secret").kind == Kind::accepted);
  house.dovecot.mood = Mood::silent;
  std::vector<std::unique_ptr<Exchange>> exchanges;
  std::vector<Kind> endings;
  event::TaskScope scope(house.office.loop);
  for (int i = 0; i < 200; ++i) {
    house.office.channel.client = IpAddress::v4({10, 0, static_cast<std::uint8_t>(i), 1});
    exchanges.push_back(house.office.begin("PLAIN"));
    scope.spawn(speak(*exchanges.back(), std::string("\0nobody\0wrong", 13), endings));
  }
  house.office.loop.settle();
  house.office.loop.advance(1s);
  CHECK(house.dovecot.requests.size() == 1 + 96);
  CHECK(endings == std::vector<Kind>(104, Kind::unavailable));
  house.dovecot.mood = Mood::well;
  house.office.channel.client = *IpAddress::parse("192.0.2.1");
  CHECK(house.plain("anna", "secret").kind == Kind::accepted);
  scope.cancel();
}
