// SPDX-License-Identifier: Apache-2.0
#include "auth/accounts.hpp"

#include <doctest.h>
#include <sqlite3.h>

#include "../sts/scratch_directory.hpp"
#include "event/run.hpp"
#include "event/sim_loop.hpp"
#include "scram_client.hpp"
#include "some_users.hpp"

using namespace sealpost;
using namespace sealpost::auth;
using namespace std::chrono_literals;
using sealpost::test::ScramClient;
using sealpost::test::ScratchDirectory;
using sealpost::test::some_user;
using Kind = Step::Kind;

namespace {

// Does the work at once, and counts it; or has no room.
class CountingPool final : public event::BlockingPool {
 public:
  CountingPool(int& count, bool& full) : count_(count), full_(full) {}
  bool submit(std::function<void()> work) override {
    if (full_) return false;
    ++count_;
    if (held) {
      kept.push_back(std::move(work));
      return true;
    }
    work();
    if (then) std::exchange(then, nullptr)();
    return true;
  }
  std::function<void()> then;               // once
  bool held = false;                        // from now on
  std::vector<std::function<void()>> kept;  // never done

 private:
  int& count_;
  bool& full_;
};

struct Office {
  explicit Office(BrakeSettings brakes = {}) {
    AccountsSettings settings;
    settings.brakes = brakes;
    settings.reading = std::make_unique<CountingPool>(reads, reading_full);
    auto pool = std::make_unique<CountingPool>(hashes, hashing_full);
    hashing = pool.get();
    settings.hashing = std::move(pool);
    settings.hashing_threads = 2;
    settings.most_waiting = 8;
    settings.kept_back = 4;
    settings.now = [this] { return loop.now(); };
    accounts = std::make_unique<Accounts>(dir.path(), &health, std::move(settings));
    channel.client = IpAddress::parse("192.0.2.1").value();
    channel.encrypted = true;
    channel.tls_exporter = "exporter";
    channel.tls_server_end_point = "end point";
  }
  UserStore& store() {
    if (!writing) {
      writing.emplace(dir.path(), Access::write);
      REQUIRE(writing->open());
    }
    return *writing;
  }
  void add(std::string name, std::string_view password) {
    REQUIRE(store().add(some_user(std::move(name), password)));
  }
  std::unique_ptr<Exchange> begin(std::string_view mechanism) {
    return accounts->begin(loop, mechanism, channel);
  }
  Step say(Exchange& exchange, std::string_view message) {
    return event::run_until_done(loop, exchange.step(std::string(message)));
  }
  Step plain(const std::string& name, const std::string& password, const std::string& as = {}) {
    return say(*begin("PLAIN"), as + '\0' + name + '\0' + password);
  }
  Step login(const std::string& name, const std::string& password) {
    const auto exchange = begin("LOGIN");
    CHECK(say(*exchange, "").text == "Username:");
    CHECK(say(*exchange, name).text == "Password:");
    return say(*exchange, password);
  }
  Step scram(ScramClient& client, std::string_view mechanism = "SCRAM-SHA-256") {
    const auto exchange = begin(mechanism);
    const Step first = say(*exchange, client.first());
    if (first.kind != Kind::challenge) return first;
    return say(*exchange, client.final(first.text));
  }

  ScratchDirectory dir;
  Health health;
  event::SimLoop loop;
  int reads = 0, hashes = 0;
  bool reading_full = false, hashing_full = false;
  CountingPool* hashing = nullptr;
  std::optional<UserStore> writing;
  Channel channel;
  std::unique_ptr<Accounts> accounts;
};

BrakeSettings no_brakes() {
  BrakeSettings brakes;
  brakes.free_of_pair = brakes.free_of_network = brakes.free_of_name = 1'000'000;
  return brakes;
}

}  // namespace

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

TEST_CASE("SMTP-09 all mechanisms let the right password in, and say who it is") {
  Office office;
  User anna = some_user("anna", "secret");
  anna.senders = {"anna@example.org"};
  anna.limits = Limits(10, 20);
  REQUIRE(office.store().add(anna));
  ScramClient client, bound;
  bound.header = "p=tls-exporter,,";
  bound.bound = "exporter";
  for (const Step& step :
       {office.plain("Anna", "secret"), office.plain("anna", "secret", "anna"),
        office.login("anna", "secret"), office.scram(client), office.scram(bound, "SCRAM-SHA-256-PLUS")}) {
    REQUIRE(step.kind == Kind::accepted);
    REQUIRE(step.account);
    CHECK(step.account->name == "anna");
    CHECK(step.account->senders == anna.senders);
    CHECK(step.account->messages_per_hour == 10);
    CHECK(step.account->recipients_per_hour == 20);
    CHECK(step.name == "anna");
  }
  ScramClient again;
  CHECK(office.scram(again).text == again.expected);
  CHECK(office.accounts->counters().accepted == 6);
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

TEST_CASE("D-23 accounts that cannot be read: unavailable, for whoever asks, and nobody is let in") {
  Office office(no_brakes());
  ScramClient client;
  const auto all_unavailable = [&] {
    for (const Step& step : {office.plain("anna", "secret"), office.plain("nobody", "x"),
                             office.login("anna", "secret"), office.scram(client)})
      CHECK(step.kind == Kind::unavailable);
    CHECK_FALSE(office.health.well());
    office.loop.advance(10s);
  };
  CHECK_FALSE(office.health.well());  // said at the start, not to the first who logs in
  all_unavailable();                  // missing
  office.add("anna", "secret");
  CHECK(office.plain("anna", "secret").kind == Kind::accepted);
  CHECK(office.plain("nobody", "x").kind == Kind::refused);
  CHECK(office.health.well());
}

TEST_CASE("D-23 a locked file: unavailable; a change that is under way: as of before") {
  Office office(no_brakes());
  office.add("anna", "secret");
  office.writing.reset();
  sqlite3* raw = nullptr;
  REQUIRE(sqlite3_open(office.dir.file("users.db").c_str(), &raw) == SQLITE_OK);
  const sqlite::ConnectionPtr other(raw);
  const auto run = [&](const char* sql) {
    REQUIRE(sqlite3_exec(raw, sql, nullptr, nullptr, nullptr) == SQLITE_OK);
  };
  run("PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE; UPDATE user SET disabled = 0; COMMIT");
  CHECK(office.plain("anna", "secret").kind == Kind::unavailable);
  CHECK(office.plain("nobody", "secret").kind == Kind::unavailable);
  CHECK_FALSE(office.health.well());

  Office changing(no_brakes());
  changing.add("anna", "secret");
  REQUIRE(changing.store().file().run("BEGIN IMMEDIATE; DELETE FROM user"));
  CHECK(changing.plain("anna", "secret").kind == Kind::accepted);
  REQUIRE(changing.store().file().run("COMMIT"));
  CHECK(changing.plain("anna", "secret").kind == Kind::refused);
}

TEST_CASE("D-23 a table that is gone, a row that is spoiled: unavailable") {
  Office office(no_brakes());
  office.add("anna", "secret");
  office.add("otto", "secret");
  CHECK(office.plain("anna", "secret").kind == Kind::accepted);
  REQUIRE(office.store().file().run("UPDATE user SET hash = 'secret' WHERE name = 'anna'"));
  const Step spoiled = office.plain("anna", "secret");
  CHECK(spoiled.kind == Kind::unavailable);
  CHECK(office.plain("otto", "secret").kind == Kind::accepted);
  REQUIRE(office.store().file().run("DROP TABLE user"));
  CHECK(office.plain("otto", "secret").kind == Kind::unavailable);
  CHECK(office.plain("nobody", "secret").kind == Kind::unavailable);
  CHECK_FALSE(office.health.well());
}

TEST_CASE("T-31 no room for another hash: unavailable, and it is no failure; SCRAM needs none") {
  Office office;
  office.add("anna", "secret");
  office.hashing_full = true;
  for (int i = 0; i < 50; ++i) CHECK(office.plain("anna", "secret").kind == Kind::unavailable);
  ScramClient client;
  CHECK(office.scram(client).kind == Kind::accepted);
  office.hashing_full = false;
  CHECK(office.plain("anna", "secret").kind == Kind::accepted);
  office.reading_full = true;
  CHECK(office.plain("anna", "secret").kind == Kind::unavailable);
}

TEST_CASE(
    "T-31 guesses are stopped before the password is looked at, whatever the mechanism; others log in") {
  Office office;
  office.add("anna", "secret");
  office.add("otto", "secret");
  for (int i = 0; i < 5; ++i) CHECK(office.plain("anna", "wrong").kind == Kind::refused);
  office.hashes = office.reads = 0;
  ScramClient client;
  CHECK(office.plain("anna", "secret").kind == Kind::too_many);
  CHECK(office.login("anna", "secret").kind == Kind::too_many);
  CHECK(office.scram(client).kind == Kind::too_many);
  CHECK(office.hashes == 0);
  CHECK(office.reads == 0);
  CHECK(office.plain("otto", "secret").kind == Kind::accepted);
  office.channel.client = IpAddress::parse("198.51.100.1").value();
  CHECK(office.plain("anna", "secret").kind == Kind::accepted);
  office.channel.client = IpAddress::parse("192.0.2.1").value();
  office.loop.advance(40s);
  CHECK(office.plain("anna", "secret").kind == Kind::accepted);
}

TEST_CASE("T-31 SCRAM's proofs are guesses too; a first message alone is none") {
  Office office;
  office.add("anna", "secret");
  for (int i = 0; i < 30; ++i)
    CHECK(office.say(*office.begin("SCRAM-SHA-256"), "n,,n=anna,r=abc").kind == Kind::challenge);
  ScramClient wrong;
  wrong.password = "wrong";
  for (int i = 0; i < 5; ++i) CHECK(office.scram(wrong).kind == Kind::refused);
  ScramClient right;
  CHECK(office.scram(right).kind == Kind::too_many);
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
    event::TaskScope scope(office.loop);
    const auto run = [](Exchange& one, std::string said) -> event::Task<void> {
      const Step step = co_await one.step(std::move(said));
      static_cast<void>(step);
    };
    scope.spawn(run(*given_up, std::string("\0anna\0wrong", 11)));
    office.loop.settle();
  }
  CHECK(office.plain("anna", "secret").kind == Kind::accepted);
}

TEST_CASE("T-31 strangers' guesses do not take all the places for hashes") {
  Office office(no_brakes());
  office.add("anna", "secret");
  CHECK(office.plain("anna", "secret").kind == Kind::accepted);
  std::vector<std::unique_ptr<Exchange>> exchanges;
  std::vector<Kind> endings;
  event::TaskScope scope(office.loop);
  const auto run = [](Exchange& one, std::string said, std::vector<Kind>& ended) -> event::Task<void> {
    const Step step = co_await one.step(std::move(said));
    ended.push_back(step.kind);
  };
  office.hashing->held = true;
  for (int i = 0; i < 20; ++i) {
    office.channel.client = IpAddress::v4({10, 0, 0, static_cast<std::uint8_t>(i)});
    exchanges.push_back(office.begin("PLAIN"));
    scope.spawn(run(*exchanges.back(), std::string("\0anna\0wrong", 11), endings));
  }
  office.loop.settle();
  CHECK(office.hashing->kept.size() == 6);  // of ten
  CHECK(endings == std::vector<Kind>(14, Kind::unavailable));
  office.hashing->held = false;
  CHECK(office.plain("anna", "secret").kind == Kind::unavailable);
  office.channel.client = IpAddress::parse("192.0.2.1").value();
  CHECK(office.plain("anna", "secret").kind == Kind::accepted);
  // A place is free again when its work is done.
  for (const auto& work : office.hashing->kept) work();
  office.hashing->kept.clear();
  office.loop.settle();
  CHECK(endings.size() == 20);
  office.channel.client = IpAddress::parse("198.51.100.1").value();
  CHECK(office.plain("anna", "secret").kind == Kind::accepted);
}

TEST_CASE("T-31 who hangs up because we took so long has not guessed; who does so at once may have") {
  for (const bool slow : {true, false}) {
    Office office;
    office.add("anna", "secret");
    for (int i = 0; i < 5; ++i) {
      office.hashing->held = true;
      const auto exchange = office.begin("PLAIN");
      // What the pool never does is never answered: the step ends with its scope.
      event::TaskScope scope(office.loop);
      const auto run = [](Exchange& one, std::string said) -> event::Task<void> {
        const Step step = co_await one.step(std::move(said));
        static_cast<void>(step);
      };
      scope.spawn(run(*exchange, std::string("\0anna\0secret", 12)));
      office.loop.settle();
      if (slow) office.loop.advance(6s);
    }
    office.hashing->held = false;
    CHECK(office.plain("anna", "secret").kind == (slow ? Kind::accepted : Kind::too_many));
  }
}

TEST_CASE(
    "a change counts with the next login; T-60 a closed account sends no more in sessions that are open") {
  Office office;
  office.add("anna", "secret");
  const Step step = office.plain("anna", "secret");
  REQUIRE(step.kind == Kind::accepted);
  CHECK(office.accounts->take_message(*step.account, 1));
  REQUIRE(office.store().set_limits("anna", Limits(2, 0), SystemTime{}));
  office.loop.advance(2s);
  CHECK(office.accounts->take_message(*step.account, 1));
  CHECK_FALSE(office.accounts->take_message(*step.account, 1));
  REQUIRE(office.store().set_disabled("anna", true, SystemTime{}));
  CHECK(office.plain("anna", "secret").kind == Kind::refused);
  office.loop.advance(2h);
  CHECK_FALSE(office.accounts->take_message(*step.account, 1));
  REQUIRE(office.store().set_disabled("anna", false, SystemTime{}));
  CHECK(office.plain("anna", "secret").kind == Kind::accepted);
  CHECK(office.accounts->take_message(*step.account, 1));
  REQUIRE(office.store().remove("anna"));
  office.loop.advance(2s);
  CHECK_FALSE(office.accounts->take_message(*step.account, 1));
}

TEST_CASE(
    "T-60 an account that is closed while a login is under way stays closed, there and in open sessions") {
  Office office(no_brakes());
  office.add("anna", "secret");
  const Step open = office.plain("anna", "secret");
  REQUIRE(open.kind == Kind::accepted);
  const std::function<void()> changes[] = {
      [&] { REQUIRE(office.store().set_disabled("anna", true, SystemTime{})); },
      [&] { REQUIRE(office.store().remove("anna")); },
  };
  const auto open_again = [&] {
    if (!office.store().set_disabled("anna", false, SystemTime{})) office.add("anna", "secret");
  };
  for (const auto& change : changes) {
    office.hashing->then = change;
    CHECK(office.plain("anna", "secret").kind == Kind::refused);
    CHECK_FALSE(office.accounts->take_message(*open.account, 1));
    open_again();

    // SCRAM may take as long as it likes between its steps, while others close the account and know of it.
    const Step again = office.plain("anna", "secret");
    REQUIRE(again.kind == Kind::accepted);
    ScramClient client;
    const auto exchange = office.begin("SCRAM-SHA-256");
    const Step first = office.say(*exchange, client.first());
    change();
    office.loop.advance(2s);
    CHECK_FALSE(office.accounts->take_message(*again.account, 1));
    CHECK(office.say(*exchange, client.final(first.text)).kind == Kind::refused);
    CHECK_FALSE(office.accounts->take_message(*again.account, 1));
    open_again();
  }
}

TEST_CASE("T-60 what is changed while a login is under way holds for it") {
  Office office(no_brakes());
  office.add("anna", "secret");
  office.hashing->then = [&] {
    REQUIRE(office.store().set_limits("anna", Limits(1, 7), SystemTime{}));
    REQUIRE(office.store().set_senders("anna", {"anna@example.org"}, SystemTime{}));
  };
  const Step step = office.plain("anna", "secret");
  REQUIRE(step.kind == Kind::accepted);
  CHECK(step.account->senders == std::vector<std::string>{"anna@example.org"});
  CHECK(step.account->recipients_per_hour == 7);
  CHECK(office.accounts->take_message(*step.account, 1));
  CHECK_FALSE(office.accounts->take_message(*step.account, 1));
  // The old password opens nothing once there is a new one.
  office.hashing->then = [&] {
    const User other = some_user("anna", "other");
    REQUIRE(office.store().set_credentials("anna", other.credentials, SystemTime{}));
  };
  CHECK(office.plain("anna", "secret").kind == Kind::refused);
  // Nor is it let in when that cannot be told.
  office.hashing->then = [&] { office.reading_full = true; };
  CHECK(office.plain("anna", "other").kind == Kind::unavailable);
}

TEST_CASE(
    "T-60 another password, or other senders: sessions that are open send no more; other limits: they do") {
  Office office(no_brakes());
  office.add("anna", "secret");
  const auto changed = [&](bool goes_on, const std::function<void()>& change) {
    const Step step = office.plain("anna", "secret");
    REQUIRE(step.kind == Kind::accepted);
    CHECK(office.accounts->take_message(*step.account, 1));
    change();
    office.loop.advance(2s);
    CHECK(office.accounts->take_message(*step.account, 1) == goes_on);
    const Step again = office.plain("anna", "secret");
    REQUIRE(again.kind == Kind::accepted);
    CHECK(office.accounts->take_message(*again.account, 1));
    CHECK(office.accounts->take_message(*step.account, 1) == goes_on);
  };
  changed(true, [&] { REQUIRE(office.store().set_limits("anna", Limits(100, 0), SystemTime{})); });
  changed(false, [&] {
    User same = some_user("anna", "secret");
    REQUIRE(office.store().set_credentials("anna", same.credentials, SystemTime{}));
  });
  changed(false, [&] { REQUIRE(office.store().set_senders("anna", {"anna@example.org"}, SystemTime{})); });
  changed(false, [&] {
    REQUIRE(office.store().remove("anna"));
    office.add("anna", "secret");
  });
}

TEST_CASE("D-23 T-60 a row that is spoiled closes its account, and keeps no other open") {
  Office office(no_brakes());
  std::vector<AccountPtr> open;
  const std::vector<std::string> names = {"anna", "otto", "ute"};
  for (const std::string& name : names) office.add(name, "secret");
  for (const std::string& name : names) open.push_back(office.plain(name, "secret").account);
  REQUIRE(office.store().file().run("UPDATE user SET hash = 'secret' WHERE name = 'otto'"));
  REQUIRE(office.store().set_disabled("anna", true, SystemTime{}));
  office.loop.advance(2s);
  CHECK_FALSE(office.accounts->take_message(*open[0], 1));
  CHECK_FALSE(office.accounts->take_message(*open[1], 1));
  CHECK(office.accounts->take_message(*open[2], 1));
}
