// SPDX-License-Identifier: Apache-2.0
//
// What a backup copies and what it refuses. Beside a running relay: tests/functional/test_backup.py.
#include "app/backup.hpp"

#include <doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "../config/scratch_files.hpp"
#include "sqlite/handles.hpp"

using namespace sealpost;
using namespace sealpost::app;
namespace fs = std::filesystem;

namespace {

void make_database(const std::string& path) {
  sqlite3* opened = nullptr;
  REQUIRE(sqlite3_open(path.c_str(), &opened) == SQLITE_OK);
  const sqlite::ConnectionPtr database(opened);
  REQUIRE(sqlite3_exec(opened, "CREATE TABLE t (x); INSERT INTO t VALUES (1)", nullptr, nullptr, nullptr) ==
          SQLITE_OK);
}

// A data directory, and a place beside it.
struct BackupWorld {
  BackupWorld() {
    fs::create_directories(data + "/spool/journal");
    std::ofstream(data + "/clock") << "now";
    std::ofstream(data + "/spool/journal/1.seg") << "mail";
    make_database(data + "/sts.db");
  }
  Directory directory;
  const std::string data = directory.path() + "/data", copy = directory.path() + "/copy";
};

}  // namespace

TEST_CASE("D-27 a backup has databases and files, and mail when it is asked for") {
  for (const WithMail with_mail : {WithMail::no, WithMail::yes}) {
    const BackupWorld world;
    const auto done = back_up(world.data, world.copy + "/", with_mail);  // as a shell completes it
    REQUIRE(done);
    CHECK(done->databases == 1);
    CHECK(done->files == (with_mail == WithMail::yes ? 2 : 1));
    CHECK(fs::exists(world.copy + "/clock"));
    CHECK(fs::exists(world.copy + "/spool"));
    CHECK(fs::exists(world.copy + "/spool/journal/1.seg") == (with_mail == WithMail::yes));
    CHECK_FALSE(back_up(world.data, world.copy, with_mail));  // it is there
  }
}

TEST_CASE("a backup inside the data directory is refused, and nothing is made") {
  const BackupWorld world;
  fs::create_directory_symlink(world.data, world.copy);
  for (const std::string& place :
       {world.data + "/copy", world.data, world.copy + "/copy", world.data + "/spool/x"}) {
    CAPTURE(place);
    CHECK_FALSE(back_up(world.data, place, WithMail::yes));
  }
  for (const auto& entry : fs::recursive_directory_iterator(world.data))
    CHECK(entry.path().string().find("unfinished") == std::string::npos);
}

TEST_CASE("T-53 links in the data directory are not followed") {
  const BackupWorld world;
  make_database(world.directory.path() + "/other.db");
  std::ofstream(world.directory.path() + "/secret") << "secret";
  fs::create_symlink(world.directory.path() + "/other.db", world.data + "/linked.db");
  fs::create_symlink(world.directory.path() + "/secret", world.data + "/linked");
  const auto done = back_up(world.data, world.copy, WithMail::yes);
  REQUIRE(done);
  CHECK(done->databases == 1);
  CHECK_FALSE(fs::exists(fs::symlink_status(world.copy + "/linked.db")));
  CHECK_FALSE(fs::exists(fs::symlink_status(world.copy + "/linked")));
}

TEST_CASE("what cannot be read is an error, not an empty backup") {
  const BackupWorld world;
  CHECK_FALSE(back_up(world.data + "/nowhere", world.copy, WithMail::no));
  CHECK_FALSE(back_up(world.data + "/clock", world.copy, WithMail::no));  // no directory
  CHECK_FALSE(fs::exists(world.copy));
  CHECK_FALSE(fs::exists(world.copy + ".unfinished"));
}
