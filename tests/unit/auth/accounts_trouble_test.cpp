// SPDX-License-Identifier: Apache-2.0
//
// Accounts that cannot be read: nobody is let in, and nobody is told that he is not known.
#include <sqlite3.h>

#include "office.hpp"

using namespace sealpost;
using namespace sealpost::auth;
using namespace sealpost::auth::test;

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
