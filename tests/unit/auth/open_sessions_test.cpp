// SPDX-License-Identifier: Apache-2.0
//
// What changes of an account mean for sessions and logins that are under way.
#include "office.hpp"

using namespace sealpost;
using namespace sealpost::auth;
using namespace sealpost::auth::test;

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
  changed(false, [&] { REQUIRE(office.store().set_tls("anna", TlsNeed::verify, SystemTime{})); });
  CHECK(office.plain("anna", "secret").account->tls == TlsNeed::verify);
  changed(false, [&] { REQUIRE(office.store().set_tls("anna", TlsNeed::none, SystemTime{})); });
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
