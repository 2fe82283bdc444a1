// SPDX-License-Identifier: Apache-2.0
//
// What a restore takes, what it refuses, and that it is never half done. Beside a running relay: tests/functional/test_restore.py.
#include "app/restore.hpp"

#include <doctest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include "../config/scratch_files.hpp"
#include "app/backup.hpp"
#include "app/backup_check.hpp"
#include "sqlite/handles.hpp"

using namespace sealpost;
using namespace sealpost::app;
namespace fs = std::filesystem;

namespace {

void in_database(const std::string& path, const std::string& sql) {
  sqlite3* opened = nullptr;
  REQUIRE(sqlite3_open(path.c_str(), &opened) == SQLITE_OK);
  const sqlite::ConnectionPtr database(opened);
  REQUIRE(sqlite3_exec(opened, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
}

void write(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

// Every file below, with what is in it; what belongs to restores left out.
std::map<std::string, std::string> contents(const std::string& directory) {
  std::map<std::string, std::string> all;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    const std::string path = fs::relative(entry.path(), directory).string();
    if (is_of_restores(path.substr(0, path.find('/'))) || !entry.is_regular_file()) continue;
    std::ostringstream text;
    text << std::ifstream(entry.path()).rdbuf();
    all[path] = text.str();
  }
  return all;
}

// A backup of a data directory, and that directory as it went on afterwards.
struct RestoreWorld {
  RestoreWorld() {
    fs::create_directories(data + "/spool");
    write(data + "/clock", "2026-01-01T00:00:00Z\n");
    in_database(data + "/sts.db", "CREATE TABLE t (x); INSERT INTO t VALUES ('then'); PRAGMA user_version=1");
    REQUIRE(back_up(data, backup, WithMail::no));
    write(data + "/clock", "2026-01-02T00:00:00Z\n");
    write(data + "/tlsrpt.db.v2", "later");
    in_database(data + "/sts.db", "INSERT INTO t VALUES ('now')");
  }
  RestoreWish wish() const {
    RestoreWish wish;
    wish.backup = backup;
    wish.data_dir = data;
    wish.now = SystemTime(std::chrono::seconds(1'767'500'000));
    wish.replace = true;
    return wish;
  }
  std::map<std::string, std::string> wanted() const {
    auto all = contents(backup);
    all.erase(backup_list_name);
    return all;
  }
  Directory directory;
  const std::string data = directory.path() + "/data", backup = directory.path() + "/backup";
};

Errc refused(const RestoreWorld& world) {
  const auto before = contents(world.data);
  const auto done = restore(world.wish());
  REQUIRE_FALSE(done);
  CHECK(contents(world.data) == before);
  CHECK_FALSE(fs::exists(world.data + "/restore.new"));
  return done.error().code;
}

}  // namespace

TEST_CASE("D-27 a restore puts the backup in place and keeps what was there") {
  const RestoreWorld world;
  const auto before = contents(world.data);
  const auto done = restore(world.wish());
  REQUIRE(done);
  CHECK(contents(world.data) == world.wanted());
  CHECK(contents(done->kept_in) == before);
  CHECK(done->backup.list->by.size() > 0);
  CHECK_FALSE(fs::exists(world.data + "/restore.new"));
  // And back again, from where it was kept.
  RestoreWish back = world.wish();
  back.backup = done->kept_in;
  back.now += std::chrono::seconds(60);
  REQUIRE(restore(back));
  CHECK(contents(world.data) == before);
}

TEST_CASE("a restore into an empty place, or one that is not there, needs no word") {
  const RestoreWorld world;
  RestoreWish wish = world.wish();
  wish.replace = false;
  for (const bool there : {false, true}) {
    wish.data_dir = world.directory.path() + (there ? "/empty" : "/none");
    if (there) fs::create_directories(wish.data_dir + "/spool");
    const auto done = restore(wish);
    REQUIRE(done);
    CHECK(done->kept_in.empty());
    CHECK(contents(wish.data_dir) == world.wanted());
    CHECK(fs::exists(wish.data_dir + "/spool"));
  }
}

TEST_CASE("what is there already goes only when that was said, and the refusal says how old it is") {
  const RestoreWorld world;
  RestoreWish wish = world.wish();
  wish.replace = false;
  const auto before = contents(world.data);
  const auto done = restore(wish);
  REQUIRE_FALSE(done);
  CHECK(done.error().code == Errc::exists);
  CHECK(done.error().detail.find("2026-01-02T00:00:00Z, later than the backup (2026-01-01T00:00:00Z)") !=
        std::string::npos);
  CHECK(contents(world.data) == before);
  wish.replace = true;
  wish.backup = world.data;
  CHECK(restore(wish).error().code == Errc::invalid);
}

TEST_CASE("a backup that is not whole is refused before anything is touched") {
  SUBCASE("a file is missing") {
    const RestoreWorld world;
    fs::remove(world.backup + "/clock");
    CHECK(refused(world) == Errc::damaged);
  }
  SUBCASE("a file was changed") {
    const RestoreWorld world;
    write(world.backup + "/clock", "2026-01-01T00:00:01Z\n");
    CHECK(refused(world) == Errc::damaged);
  }
  SUBCASE("a file was added") {
    const RestoreWorld world;
    write(world.backup + "/users.db", "");
    CHECK(refused(world) == Errc::damaged);
  }
  SUBCASE("its list is cut short") {
    const RestoreWorld world;
    fs::resize_file(world.backup + "/" + backup_list_name, 20);
    CHECK(refused(world) == Errc::damaged);
  }
  SUBCASE("made by hand, with a damaged database") {
    const RestoreWorld world;
    fs::remove(world.backup + "/" + backup_list_name);
    write(world.backup + "/sts.db", "SQLite format 3" + std::string(5000, 'x'));
    CHECK(refused(world) == Errc::damaged);
  }
  SUBCASE("made by hand, of a database in use") {
    const RestoreWorld world;
    fs::remove(world.backup + "/" + backup_list_name);
    write(world.backup + "/sts.db-wal", "x");
    CHECK(refused(world) == Errc::invalid);
  }
  SUBCASE("something else") {
    const RestoreWorld world;
    fs::remove_all(world.backup);
    CHECK(refused(world) == Errc::not_found);
    fs::create_directories(world.backup);
    CHECK(refused(world) == Errc::invalid);
  }
}

TEST_CASE("D-26 a backup of a newer sealpost is named and nothing is written") {
  for (const char* name : {"sts.db", "tlsrpt.db", "evidence.db", "users.db"}) {
    CAPTURE(name);
    const RestoreWorld world;
    fs::remove(world.backup + "/" + backup_list_name);
    in_database(world.backup + "/" + name, "CREATE TABLE IF NOT EXISTS t (x); PRAGMA user_version=99");
    CHECK(refused(world) == Errc::newer);
    const auto error = restore(world.wish()).error();
    CHECK(error.detail.find(std::string(name) + " was made by a newer sealpost: it has schema 99") !=
          std::string::npos);
  }
  const RestoreWorld world;
  write(world.backup + "/" + backup_list_name, "{\"format\": 2}");
  CHECK(refused(world) == Errc::newer);
}

TEST_CASE("T-53 links in a backup are not followed") {
  const RestoreWorld world;
  fs::remove(world.backup + "/" + backup_list_name);
  write(world.directory.path() + "/secret", "secret");
  fs::create_symlink(world.directory.path() + "/secret", world.backup + "/linked");
  REQUIRE(restore(world.wish()));
  CHECK_FALSE(fs::exists(fs::symlink_status(world.data + "/linked")));
}

TEST_CASE("D-27 a restore that is killed anywhere leaves the old or, after the next start, the new") {
  bool completed = false;
  int decided_at = -1;
  for (int step = 0; !completed; ++step) {
    REQUIRE(step < 60);
    CAPTURE(step);
    const RestoreWorld world;
    const auto before = contents(world.data);
    const pid_t child = ::fork();
    if (child == 0) {
      RestoreWish wish = world.wish();
      int steps = 0;
      wish.before_step = [&](const char*) {
        if (steps++ == step) ::_exit(9);
      };
      ::_exit(restore(wish) ? 0 : 1);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFEXITED(status));
    REQUIRE(WEXITSTATUS(status) != 1);
    completed = WEXITSTATUS(status) == 0;
    const bool decided = fs::exists(world.data + "/restore.ready");
    // Killed again while it is ended, at each of its steps; then ended.
    for (int again = 0; decided && again < 10; ++again) {
      const pid_t other = ::fork();
      if (other == 0) {
        int steps = 0;
        const auto kill = [&](const char*) {
          if (steps++ == 1) ::_exit(9);
        };
        ::_exit(hold_data_dir(world.data, {}, kill) ? 0 : 1);
      }
      REQUIRE(::waitpid(other, &status, 0) == other);
      REQUIRE(WEXITSTATUS(status) != 1);
    }
    REQUIRE(hold_data_dir(world.data));
    if (decided && decided_at < 0) decided_at = step;
    if (decided || completed) {
      CHECK(contents(world.data) == world.wanted());
    } else {
      CHECK(contents(world.data) == before);
      REQUIRE(restore(world.wish()));  // and what was left behind is in nobody's way
      CHECK(contents(world.data) == world.wanted());
    }
  }
  CHECK(decided_at > 0);
}

// As a start did it before: looked for a restore that was cut off, then took the spool's lock. Without a spool there was
// nothing that a restore would have seen.
TEST_CASE(
    "D-21 a relay that starts while a restore is at work is kept out, also where there is no spool to lock") {
  const RestoreWorld world;
  fs::remove_all(world.data + "/spool");
  fs::remove_all(world.backup + "/spool");
  fs::remove(world.backup + "/" + backup_list_name);
  RestoreWish wish = world.wish();
  int steps = 0;
  wish.before_step = [&](const char* step) {
    CAPTURE(step);
    ++steps;
    const auto start = hold_data_dir(world.data, {});
    REQUIRE_FALSE(start);
    CHECK(start.error().code == Errc::exists);
    CHECK(start.error().detail.find("restore into it is under way") != std::string::npos);
  };
  REQUIRE(restore(wish));
  CHECK(steps > 4);
  CHECK(hold_data_dir(world.data, {}));
}

TEST_CASE("D-21 nothing is restored over a relay that has begun, also where its spool is gone") {
  const RestoreWorld world;
  fs::remove_all(world.data + "/spool");
  const auto start = hold_data_dir(world.data);
  REQUIRE(start);
  CHECK(hold_data_dir(world.data, {}));  // the spool tells relays apart
  CHECK(refused(world) == Errc::exists);
  CHECK(restore(world.wish()).error().detail.find("is in use") != std::string::npos);
  CHECK_FALSE(restore(world.wish()).error().decided);
}

TEST_CASE("a backup and a restore keep each other out, and half of a restore is not backed up") {
  const RestoreWorld world;
  RestoreWish wish = world.wish();
  bool seen = false;
  wish.before_step = [&](const char* step) {
    seen = true;
    CAPTURE(step);
    const auto copy = back_up(world.data, world.directory.path() + "/other", WithMail::no);
    REQUIRE_FALSE(copy);
    CHECK(copy.error().code == Errc::exists);
  };
  REQUIRE(restore(wish));
  CHECK(seen);
  fs::create_directories(world.data + "/restore.ready");
  const auto copy = back_up(world.data, world.directory.path() + "/other", WithMail::no);
  REQUIRE_FALSE(copy);
  CHECK(copy.error().detail.find("was cut off") != std::string::npos);
}

TEST_CASE("--keep-queue never takes the queue of the backup, whether there is one here or not") {
  RestoreWorld world;
  write(world.data + "/spool/mine", "mine");
  fs::remove(world.backup + "/" + backup_list_name);
  write(world.backup + "/spool/theirs", "theirs");
  RestoreWish wish = world.wish();
  wish.queue = FormerQueue::keep;
  SUBCASE("there is one") {
    const auto done = restore(wish);
    REQUIRE(done);
    CHECK(done->queue == QueueNow::former);
    CHECK(fs::exists(world.data + "/spool/mine"));
  }
  SUBCASE("there is one, and the backup has none") {
    fs::remove_all(world.backup + "/spool");
    const auto done = restore(wish);
    REQUIRE(done);
    CHECK(done->queue == QueueNow::former);
    CHECK(fs::exists(world.data + "/spool/mine"));
  }
  SUBCASE("there is none") {
    fs::remove_all(world.data + "/spool");
    const auto done = restore(wish);
    REQUIRE(done);
    CHECK(done->queue == QueueNow::empty);
    CHECK(fs::is_empty(world.data + "/spool"));
  }
  CHECK_FALSE(fs::exists(world.data + "/spool/theirs"));
}

TEST_CASE("D-27 nothing is moved over another name, and a restore that stops half way says what is where") {
  const RestoreWorld world;
  const auto before = contents(world.data);
  RestoreWish wish = world.wish();
  wish.before_step = [&](const char* step) {
    if (std::string(step) == "put in place" && !fs::exists(world.data + "/sts.db"))
      write(world.data + "/sts.db", "made meanwhile");
  };
  const auto done = restore(wish);
  REQUIRE_FALSE(done);
  CHECK(done.error().decided);
  for (const char* words :
       {"is decided and could not be finished", "/sts.db is in the way of", "Still in", "Nothing is lost"}) {
    CAPTURE(words);
    CHECK(done.error().detail.find(words) != std::string::npos);
  }
  std::ostringstream made;
  made << std::ifstream(world.data + "/sts.db").rdbuf();
  CHECK(made.str() == "made meanwhile");
  CHECK_FALSE(hold_data_dir(world.data, {}));  // a start says the same, and takes nothing of it
  fs::remove(world.data + "/sts.db");
  const auto held = hold_data_dir(world.data, {});
  REQUIRE(held);
  CHECK(held->restored);
  CHECK(contents(world.data) == world.wanted());
  for (const auto& entry : fs::directory_iterator(world.data))
    if (entry.path().filename().string().starts_with("before-restore-"))
      CHECK(contents(entry.path().string()) == before);
}

TEST_CASE(
    "a directory that may not be written to, or a file with a mark, is found out before anything is moved") {
  if (::geteuid() != 0) {
    MESSAGE("skipped: changing owners takes root");
    return;
  }
  const RestoreWorld world;
  fs::create_directories(world.data + "/rules-in-force");
  constexpr uid_t nobody = 65534;
  for (const std::string& path : {world.directory.path(), world.data, world.data + "/spool"})
    REQUIRE(::chown(path.c_str(), nobody, nobody) == 0);
  CHECK(refused(world) == Errc::invalid);
  CHECK(restore(world.wish())
            .error()
            .detail.find("rules-in-force is a directory that uid 65534 may not write to") !=
        std::string::npos);
  REQUIRE(::chown((world.data + "/rules-in-force").c_str(), nobody, nobody) == 0);
  CHECK(restore(world.wish()));
}

TEST_CASE("D-27 what became something else while it was copied leaves nothing of the old among the new") {
  const RestoreWorld world;
  write(world.data + "/extra", "old");
  write(world.backup + "/extra", "new");
  RestoreWish wish = world.wish();
  wish.before_step = [&](const char* step) {
    if (std::string(step) != "stage") return;
    fs::remove(world.backup + "/extra");
    fs::create_symlink("/nowhere", world.backup + "/extra");
  };
  SUBCASE("a copy made by hand") {
    fs::remove(world.backup + "/" + backup_list_name);
    const auto done = restore(wish);
    REQUIRE(done);
    CHECK_FALSE(fs::exists(world.data + "/extra"));
    CHECK(fs::exists(done->kept_in + "/extra"));
  }
  SUBCASE("a backup that lists it") {
    BackupList list;
    list.by = "test";
    list.files = digests_of(world.backup).value();
    REQUIRE(write_backup_list(world.backup, list));
    const auto before = contents(world.data);
    const auto done = restore(wish);
    REQUIRE_FALSE(done);
    CHECK(done.error().detail.find("/extra went away while it was copied") != std::string::npos);
    CHECK(contents(world.data) == before);
  }
}

TEST_CASE("what the file system keeps in a directory is nobody's data") {
  const RestoreWorld world;
  fs::create_directories(world.data + "/lost+found");
  write(world.data + "/lost+found/x", "x");
  const std::string other = world.directory.path() + "/other";
  REQUIRE(back_up(world.data, other, WithMail::no));
  CHECK_FALSE(fs::exists(other + "/lost+found"));
  fs::remove(world.backup + "/" + backup_list_name);
  fs::create_directories(world.backup + "/lost+found");
  REQUIRE(restore(world.wish()));
  CHECK(fs::exists(world.data + "/lost+found/x"));
}

TEST_CASE("what cannot be moved aside is found out before anything is touched") {
  if (::geteuid() != 0 || ::unshare(CLONE_NEWNS) != 0 ||
      ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    MESSAGE("skipped: mounting takes root");
    return;
  }
  const RestoreWorld world;
  REQUIRE(::mount("none", (world.data + "/spool").c_str(), "tmpfs", 0, nullptr) == 0);
  CHECK(refused(world) == Errc::invalid);
  RestoreWish keep = world.wish();
  keep.queue = FormerQueue::keep;
  const auto done = restore(keep);
  CHECK(done);
  CHECK(::umount((world.data + "/spool").c_str()) == 0);
}
