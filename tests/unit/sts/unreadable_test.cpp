// SPDX-License-Identifier: Apache-2.0
//
// Unreadable is not absent (D-24): what answers when a file of the cache cannot be read, and what is done when none does.
#include <doctest.h>
#include <sys/resource.h>

#include <csignal>

#include "sts_world.hpp"

using namespace sealpost;
using namespace sealpost::sts;
using namespace sealpost::sts::test;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

const char* const database_parts[] = {"sts.db", "sts.db-wal", "sts.db-shm"};

// The relay is stopped, both files hold a policy that enforces, and its host is gone for good.
struct Blocked : World {
  Blocked() {
    publish("1", policy_text("enforce", week));
    CHECK(enforced());
    no_record();
    no_policy_host();
    stop();
  }
  void stop() {
    service.reset();
    cache.reset();
  }
  void start() {
    restart();
    service->start();
    loop.advance(1s);
  }
  void remove_database() {
    for (const char* part : database_parts) directory.remove(part);
  }
  // What cannot be read whoever asks, root too: a directory in its place.
  void bar(const char* name) {
    directory.remove(name);
    fs::create_directory(directory.file(name));
  }
  void unbar(const char* name) { fs::remove(directory.file(name)); }
  Kind kind(const std::string& domain = "b.test") { return ask_and_settle(domain).kind; }
};

}  // namespace

TEST_CASE("D-24 T-55 sts.db cannot be read: the copy answers, and it is said") {
  Blocked world;
  world.remove_database();
  world.bar("sts.db");
  world.restart();
  CHECK(world.enforced());
  CHECK_FALSE(world.health.well());
  CHECK(world.kind("other.test") == Kind::none);  // the copy is whole: absent is absent
  // What is fetched meanwhile is kept, and found when the file is back.
  world.publish("2", policy_text("enforce", week, "mx.c.test"), "c.test");
  CHECK(world.enforced("c.test"));
  world.unbar("sts.db");
  CHECK(world.kind("another.test") == Kind::none);  // the cache is asked
  CHECK(world.enforced("c.test"));
  CHECK(world.kind() == Kind::policy);
  world.stop();
  fs::remove(world.directory.file("sts-policies.log"));  // then the rows alone must hold both
  world.restart();
  CHECK(world.enforced("c.test"));
  CHECK(world.enforced());
}

TEST_CASE(
    "D-24 T-55 the copy cannot be read: sts.db answers, takes what is new, and the copy is taken up again") {
  Blocked world;
  world.bar("sts-policies.log");
  world.restart();
  CHECK(world.enforced());
  CHECK_FALSE(world.health.well());
  CHECK(world.kind("other.test") == Kind::none);
  world.publish("2", policy_text("enforce", week, "mx.c.test"), "c.test");
  CHECK(world.enforced("c.test"));
  world.unbar("sts-policies.log");
  CHECK(world.kind("another.test") == Kind::none);
  CHECK(world.health.well());
  world.stop();
  world.remove_database();
  world.restart();
  CHECK(world.enforced("c.test"));
  CHECK(world.enforced());
}

TEST_CASE(
    "D-24 T-12 neither can be read: mail waits, a policy that can be fetched rules, and the wait is "
    "bounded") {
  Blocked world;
  world.remove_database();
  world.bar("sts.db");
  world.bar("sts-policies.log");
  world.start();
  CHECK(world.kind() == Kind::unknown);
  CHECK(world.kind("other.test") == Kind::unknown);
  CHECK(world.recheck().kind == Kind::unknown);
  CHECK_FALSE(world.health.well());
  world.publish("3", policy_text("enforce", week));
  world.loop.advance(6min);  // a failed fetch is tried again
  CHECK(world.kind() == Kind::policy);
  CHECK(world.kind("other.test") == Kind::unknown);
  world.record("9", "other.test");  // a record, and no policy to be had
  world.loop.advance(2h);
  CHECK(world.kind("third.test") == Kind::none);  // nothing published for an hour: as on first contact
  CHECK(world.kind("other.test") == Kind::unknown);
  world.loop.advance(23h);
  CHECK(world.kind("other.test") == Kind::fetch_failed);
}

TEST_CASE(
    "D-24 T-12 DNSSEC vouches that nothing is published any more: what may be cached holds all the same") {
  Blocked world;
  world.remove_database();
  world.bar("sts.db");
  world.bar("sts-policies.log");
  world.table.put("_mta-sts.b.test", dns::RrType::txt, dns::Status::no_data).dnssec = dns::Dnssec::secure;
  world.restart();
  CHECK(world.kind() == Kind::unknown);
}

TEST_CASE("D-24 neither could be read, then one can: what it holds rules at once") {
  Blocked world;
  const std::string copy = world.directory.read("sts-policies.log");
  world.remove_database();
  world.bar("sts.db");
  world.bar("sts-policies.log");
  world.restart();
  CHECK(world.kind() == Kind::unknown);
  world.unbar("sts-policies.log");
  world.directory.write("sts-policies.log", copy);
  CHECK(world.kind() == Kind::policy);
  CHECK(world.kind("other.test") == Kind::none);
}

TEST_CASE(
    "D-24 sts.db deleted and the copy unreadable, cut short or damaged: not known, and a restart does not "
    "forget that") {
  for (const char* what : {"barred", "flipped", "empty", "cut"}) {
    CAPTURE(std::string(what));
    Blocked world;
    world.remove_database();
    std::string copy = world.directory.read("sts-policies.log");
    const std::string kind = what;
    if (kind == "barred") world.bar("sts-policies.log");
    if (kind == "flipped") copy[copy.size() / 2] = static_cast<char>(copy[copy.size() / 2] ^ 1);
    if (kind == "empty") copy.clear();
    if (kind == "cut") copy.resize(copy.size() - 20);
    if (kind != "barred") world.directory.write("sts-policies.log", copy);
    for (int start = 0; start < 2; ++start) {
      world.restart();
      CHECK(world.kind() == Kind::unknown);
      world.stop();
    }
    world.start();
    world.loop.advance(25h);  // long enough: settled, aloud, for good
    CHECK(world.kind() == Kind::none);
  }
}

TEST_CASE("D-24 a first start knows that nothing was known") {
  World world;
  CHECK(world.ask("b.test").kind == Kind::none);
  CHECK(world.health.well());
  world.restart();
  CHECK(world.ask("b.test").kind == Kind::none);
}

TEST_CASE("T-54 D-24 a row that cannot be believed is read from the copy") {
  for (const char* edit :
       {"UPDATE policy SET body = x'00'", "UPDATE policy SET body = CAST('mode: none' AS BLOB)",
        "UPDATE policy SET expires = 0", "UPDATE policy SET fetched = fetched + 1"}) {
    CAPTURE(std::string(edit));
    Blocked world;
    {
      sqlite::ConnectionPtr db;
      sqlite3* raw = nullptr;
      REQUIRE(sqlite3_open(world.directory.file("sts.db").c_str(), &raw) == SQLITE_OK);
      db.reset(raw);
      REQUIRE(sqlite3_exec(raw, edit, nullptr, nullptr, nullptr) == SQLITE_OK);
    }
    world.restart();
    CHECK(world.enforced());
  }
}

TEST_CASE("D-24 T-55 both files deleted while running: nothing is forgotten, and both are written again") {
  World world;
  world.publish("1", policy_text("enforce", week));
  CHECK(world.enforced());
  world.no_record();
  world.no_policy_host();
  for (const char* part : {"sts.db", "sts.db-wal", "sts.db-shm", "sts-policies.log"})
    world.directory.remove(part);
  CHECK(world.ask_and_settle("other.test").kind == Kind::none);
  CHECK(fs::exists(world.directory.file("sts.db")));
  CHECK(fs::exists(world.directory.file("sts-policies.log")));
  world.restart();
  CHECK(world.enforced());
  world.service.reset();
  world.cache.reset();
  for (const char* part : database_parts) world.directory.remove(part);
  world.restart();
  CHECK(world.enforced());
}

TEST_CASE("D-24 a policy that cannot be stored is enforced, said, and stored when the disk takes it") {
  World world;
  CHECK(world.ask("other.test").kind == Kind::none);
  world.publish("1", policy_text("enforce", week));
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, SIG_IGN);
  const rlimit none{16, before.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &none);
  const bool enforced = world.enforced();
  world.service.reset();  // only the cache still knows it
  const auto kept = world.cache->load("b.test");
  ::setrlimit(RLIMIT_FSIZE, &before);
  CHECK(enforced);
  REQUIRE(kept);
  CHECK(kept->has_value());
  CHECK_FALSE(world.health.well());
  CHECK(world.cache->complete());
  world.no_record();
  world.no_policy_host();
  world.restart();
  CHECK(world.enforced());
}
