// SPDX-License-Identifier: Apache-2.0
//
// Every call of the file system fails once in its turn, at opening and at writing: nothing but damage moves the file, and
// it is taken up again by itself.
#include "sqlite/database.hpp"

#include <doctest.h>

#include <thread>

#include "../sts/scratch_directory.hpp"
#include "failing_vfs.hpp"
#include "sqlite/aside.hpp"

using namespace sealpost;
using namespace sealpost::sqlite;
using sealpost::sqlite::test::FailingVfs;
using sealpost::test::ScratchDirectory;
using namespace std::chrono_literals;

namespace {

Expected<void> prepare(Database& file, int version) {
  if (auto set = use_write_ahead_log(file); !set) return set;
  if (version == 1) return {};
  return file.in_transaction([&] { return file.run("CREATE TABLE t (n INTEGER); PRAGMA user_version=1"); });
}

Settings settings_for(const std::string& path) {
  Settings settings;
  settings.path = path;
  settings.meanwhile = "numbers are kept in memory";
  settings.lost = "numbers";
  settings.prepare = prepare;
  settings.busy = settings.busy_at_open = 0ms;
  settings.first_retry = settings.longest_retry = 0ms;
  settings.vfs = FailingVfs::name();
  return settings;
}

Expected<void> add(Database& file) {
  return file.in_transaction([&] { return file.run("INSERT INTO t VALUES(1)"); });
}
std::int64_t count(Database& file) {
  const auto number = file.number("SELECT count(*) FROM t");
  REQUIRE(number);
  return *number;
}

const std::pair<const char*, int> shortages[] = {
    {"FULL", SQLITE_FULL},
    {"BUSY", SQLITE_BUSY},
    {"IOERR_READ", SQLITE_IOERR_READ},
    {"IOERR_WRITE", SQLITE_IOERR_WRITE},
    {"IOERR_FSYNC", SQLITE_IOERR_FSYNC},
    {"CANTOPEN", SQLITE_CANTOPEN},
    {"READONLY", SQLITE_READONLY},
    {"PERM", SQLITE_PERM},
    {"NOMEM", SQLITE_NOMEM},
    {"LOCKED", SQLITE_LOCKED},
    {"IOERR_SHMSIZE", SQLITE_IOERR_SHMSIZE},
};
const std::pair<const char*, int> damages[] = {{"CORRUPT", SQLITE_CORRUPT}, {"NOTADB", SQLITE_NOTADB}};

struct Cleared {
  ~Cleared() { FailingVfs::clear(); }
};

void make_with_one_row(const std::string& path) {
  Database file(settings_for(path));
  REQUIRE(file.open());
  REQUIRE(add(file));
}

}  // namespace

TEST_CASE("D-23 T-55 only CORRUPT and NOTADB are damage") {
  for (const auto& shortage : shortages) {
    const std::string name = shortage.first;
    const int result = shortage.second;
    CAPTURE(name);
    CHECK(trouble_of(result) > Trouble::refused);
    CHECK(trouble_of(result) < Trouble::damage);
  }
  for (const auto& [name, result] : damages) CHECK(trouble_of(result) == Trouble::damage);
  for (const int result : {SQLITE_CORRUPT_INDEX, SQLITE_CORRUPT_VTAB})
    CHECK(trouble_of(result) == Trouble::damage);
  for (const int result :
       {SQLITE_CONSTRAINT, SQLITE_ERROR, SQLITE_MISMATCH, SQLITE_TOOBIG, SQLITE_CONSTRAINT_TRIGGER})
    CHECK(trouble_of(result) == Trouble::refused);
}

TEST_CASE("D-23 T-55 a shortage at the n-th call of opening: no rename, said, and taken up by itself") {
  const Cleared cleared;
  for (const auto& shortage : shortages) {
    const std::string name = shortage.first;
    const int result = shortage.second;
    for (int nth = 1;; ++nth) {
      CAPTURE(name);
      CAPTURE(nth);
      const ScratchDirectory dir;
      const std::string path = dir.file("t.db");
      make_with_one_row(path);
      Health health;
      Database file(settings_for(path), &health);
      FailingVfs::fail_from(nth, result);
      const auto opened = file.open();
      const bool reached = FailingVfs::calls() >= nth;
      CHECK(dir.count("t.db.damaged") == 0);
      if (!opened) {
        CHECK_FALSE(file.is_open());
        CHECK_FALSE(health.well());
        CHECK_FALSE(file.statement("SELECT 1"));
        CHECK_FALSE(add(file));
      }
      FailingVfs::clear();
      CHECK(file.tend());
      CHECK(add(file));
      CHECK(count(file) == 2);
      CHECK(health.well());
      if (!reached) break;
    }
  }
}

TEST_CASE("D-23 T-55 a shortage at the n-th call of a write: nothing renamed, the same rows afterwards") {
  const Cleared cleared;
  for (const bool once : {false, true}) {
    for (const auto& shortage : shortages) {
      const std::string name = shortage.first;
      const int result = shortage.second;
      for (int nth = 1;; ++nth) {
        CAPTURE(name);
        CAPTURE(nth);
        CAPTURE(once);
        const ScratchDirectory dir;
        Health health;
        Database file(settings_for(dir.file("t.db")), &health);
        REQUIRE(file.open());
        REQUIRE(add(file));
        FailingVfs::fail_from(nth, result, once);
        const bool added = static_cast<bool>(add(file));
        const bool reached = FailingVfs::calls() >= nth;
        if (!added) CHECK_FALSE(health.well());
        FailingVfs::clear();
        CHECK(file.tend());
        CHECK(health.well());  // it was tried whether it can be written again
        CHECK(count(file) == (added ? 2 : 1));
        CHECK(add(file));
        CHECK(dir.count("t.db.damaged") == 0);
        if (!reached) break;
      }
    }
  }
}

TEST_CASE("D-23 T-55 damage at the n-th call: set aside whole, begun anew, said") {
  const Cleared cleared;
  for (const auto& damage : damages) {
    const std::string name = damage.first;
    const int result = damage.second;
    for (int nth = 1;; ++nth) {
      CAPTURE(name);
      CAPTURE(nth);
      const ScratchDirectory dir;
      const std::string path = dir.file("t.db");
      make_with_one_row(path);
      Health health;
      Database file(settings_for(path), &health);
      FailingVfs::fail_from(nth, result, true);
      const auto opened = file.open();
      const bool reached = FailingVfs::calls() >= nth;
      FailingVfs::clear();
      file.tend();
      REQUIRE(file.is_open());
      if (reached && count(file) == 0) {
        CHECK(dir.count("t.db.damaged-") >= 1);
        CHECK_FALSE(health.well());
      }
      CHECK(add(file));
      if (!reached) break;
    }
  }
}

TEST_CASE("D-23 set aside: never over an earlier one, and with the log that belongs to it") {
  const ScratchDirectory dir;
  const std::string path = dir.file("t.db");
  std::vector<std::string> names;
  for (int i = 0; i < 5; ++i) {
    dir.write("t.db", "file " + std::to_string(i));
    dir.write("t.db-wal", "log " + std::to_string(i));
    dir.write("t.db-shm", "map");
    const auto aside = set_aside(path);
    REQUIRE(aside);
    names.push_back(*aside);
    CHECK(dir.count("t.db") == static_cast<std::size_t>(3 * (i + 1)));
  }
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::string name = names[i].substr(names[i].rfind('/') + 1);
    CHECK(dir.read(name) == "file " + std::to_string(i));
    CHECK(dir.read(name + "-wal") == "log " + std::to_string(i));
  }
}

TEST_CASE("D-23 what the write-ahead log of a damaged file holds stays readable") {
  const ScratchDirectory dir;
  const std::string path = dir.file("t.db");
  std::string wal, file_octets;
  {
    Database file(settings_for(path));
    REQUIRE(file.open());
    REQUIRE(add(file));
    wal = dir.read("t.db-wal");  // as after a kill
    file_octets = dir.read("t.db");
  }
  REQUIRE(wal.size() > 0);
  dir.write("t.db",
            std::string(4096, 'x') + file_octets.substr(std::min<std::size_t>(4096, file_octets.size())));
  dir.write("t.db-wal", wal.substr(0, 20));  // and a log that replaces nothing of it
  Database file(settings_for(path));
  REQUIRE(file.open());
  CHECK(dir.count("t.db.damaged-") >= 2);  // the file and its log
}

TEST_CASE("D-23 T-55 deleted while in use: brought back with everything in it") {
  const ScratchDirectory dir;
  for (const bool log_too : {true, false}) {
    CAPTURE(log_too);
    Health health;
    Database file(settings_for(dir.file("t.db")), &health);
    REQUIRE(file.open());
    const auto before = count(file);
    REQUIRE(add(file));
    dir.remove("t.db");
    if (log_too) {
      dir.remove("t.db-wal");
      dir.remove("t.db-shm");
    }
    CHECK(file.tend());
    CHECK(count(file) == before + 1);
    REQUIRE(add(file));
    Database other(settings_for(dir.file("t.db")));
    REQUIRE(other.open());
    CHECK(count(other) == before + 2);
  }
}

TEST_CASE("T-55 replaced while in use: by a good one, which is taken; by nonsense, which is put aside") {
  const ScratchDirectory dir;
  make_with_one_row(dir.file("other.db"));
  Database file(settings_for(dir.file("t.db")));
  REQUIRE(file.open());
  for (int i = 0; i < 3; ++i) REQUIRE(add(file));
  std::filesystem::rename(dir.file("other.db"), dir.file("t.db"));
  CHECK(file.tend());
  CHECK(count(file) == 1);
  dir.write("nonsense", std::string(8192, 'x'));
  std::filesystem::rename(dir.file("nonsense"), dir.file("t.db"));
  CHECK(file.tend());
  CHECK(count(file) == 1);  // what is open still holds it
  REQUIRE(add(file));
  Database other(settings_for(dir.file("t.db")));
  REQUIRE(other.open());
  CHECK(count(other) == 2);
}

TEST_CASE("D-26 a newer file is refused and left as it is") {
  const ScratchDirectory dir;
  {
    Database file(settings_for(dir.file("t.db")));
    REQUIRE(file.open());
    REQUIRE(file.run("PRAGMA user_version=9"));
  }
  const std::string before = dir.read("t.db");
  Database file(settings_for(dir.file("t.db")));
  const auto refused = file.open();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Errc::newer);
  CHECK(dir.read("t.db") == before);
  CHECK(dir.count("t.db.damaged") == 0);
}

TEST_CASE("D-23 T-55 near the end nobody's lock is waited for, not even in a wait that has begun") {
  const ScratchDirectory dir;
  make_with_one_row(dir.file("t.db"));
  Settings patient = settings_for(dir.file("t.db"));
  patient.busy = 24h;
  Database file(patient);
  REQUIRE(file.open());
  Database backup(settings_for(dir.file("t.db")));
  REQUIRE(backup.open());
  REQUIRE(backup.run("BEGIN IMMEDIATE"));
  bool added = true;
  std::thread writer([&] { added = static_cast<bool>(add(file)); });
  file.hurry();
  writer.join();
  CHECK_FALSE(added);
  CHECK_FALSE(add(file));
  REQUIRE(backup.run("ROLLBACK"));
  CHECK(add(file));
}

TEST_CASE("T-55 a file of 0 octets with a log beside it is damaged, not new") {
  const ScratchDirectory dir;
  std::string wal;
  {
    Database file(settings_for(dir.file("t.db")));
    REQUIRE(file.open());
    REQUIRE(add(file));
    wal = dir.read("t.db-wal");
  }
  dir.write("t.db", "");
  dir.write("t.db-wal", wal);
  Database file(settings_for(dir.file("t.db")));
  REQUIRE(file.open());
  CHECK(dir.count("t.db.damaged-") >= 2);
}

TEST_CASE("T-55 a directory or a link in its place: said, waited for, taken up") {
  const ScratchDirectory dir;
  Health health;
  Database file(settings_for(dir.file("t.db")), &health);
  std::filesystem::create_directory(dir.file("t.db"));
  CHECK_FALSE(file.open());
  CHECK_FALSE(health.well());
  std::filesystem::remove(dir.file("t.db"));
  dir.write("elsewhere", "");
  std::filesystem::create_symlink(dir.file("elsewhere"), dir.file("t.db"));
  CHECK_FALSE(file.tend());
  CHECK(dir.count("t.db.damaged") == 0);
  std::filesystem::remove(dir.file("t.db"));
  CHECK(file.tend());
  CHECK(add(file));
  CHECK(health.well());
}

// Others may read a database beside the relay, so the index of its log is a file mapped into memory. Without the guard the
// first look at it after this is SIGBUS and the end of the process.
TEST_CASE(
    "T-55 the log's index or the log is cut short while in use: no crash, nothing committed is lost, taken "
    "up again") {
  struct Row {
    const char* part;
    int left;
  };
  for (const Row row :
       {Row{"t.db-shm", 0}, Row{"t.db-shm", 100}, Row{"t.db-shm", 4096}, Row{"t.db-shm", 16384}}) {
    CAPTURE(row.part);
    CAPTURE(row.left);
    const ScratchDirectory dir;
    Health health;
    Database file(settings_for(dir.file("t.db")), &health);
    REQUIRE(file.open());
    for (int i = 0; i < 300; ++i) REQUIRE(add(file));
    std::filesystem::resize_file(dir.file(row.part), static_cast<std::uintmax_t>(row.left));
    std::int64_t expected = 300;
    for (int i = 0; i < 5; ++i) {
      if (add(file)) ++expected;
      CHECK(file.tend());
    }
    CHECK(add(file));
    CHECK(count(file) == expected + 1);
    CHECK(health.well());
    auto check = file.statement("PRAGMA integrity_check");
    REQUIRE(check);
    REQUIRE(check->row());
    CHECK(check->text(0) == "ok");
    CHECK(dir.count("t.db.damaged") == 0);
  }
}

TEST_CASE("T-55 what was read while the log's index was cut short is an error, not an answer") {
  const ScratchDirectory dir;
  Database file(settings_for(dir.file("t.db")));
  REQUIRE(file.open());
  for (int i = 0; i < 300; ++i) REQUIRE(add(file));
  std::filesystem::resize_file(dir.file("t.db-shm"),
                               4096);  // what is left says that there is a log, not where its pages are
  const auto number = file.number("SELECT count(*) FROM t");
  CHECK((!number || *number == 300));
  CHECK(file.tend());
  CHECK(count(file) == 300);
}

TEST_CASE("T-55 the log cut short while in use, or before a start: no crash, and it goes on") {
  for (const int left : {0, 31, 4000, 20000}) {
    CAPTURE(left);
    const ScratchDirectory dir;
    {
      Database file(settings_for(dir.file("t.db")));
      REQUIRE(file.open());
      for (int i = 0; i < 300; ++i) REQUIRE(add(file));
      std::filesystem::resize_file(dir.file("t.db-wal"), static_cast<std::uintmax_t>(left));
      for (int i = 0; i < 5; ++i) {
        static_cast<void>(add(file));
        CHECK(file.tend());
      }
      CHECK(add(file));
    }
    Database again(settings_for(dir.file("t.db")));
    REQUIRE(again.open());
    CHECK(add(again));
  }
}
