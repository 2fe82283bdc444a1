// SPDX-License-Identifier: Apache-2.0
#include "spool/posix_disk.hpp"

#include <doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "../temporary_directory.hpp"

using namespace sealpost;
using namespace sealpost::spool;
namespace fs = std::filesystem;

TEST_CASE("T-51: the spool directory is made private, and one that is not is refused") {
  const TemporaryDirectory base;
  const std::string path = base.path() + "/spool";
  { REQUIRE(open_posix_disk(path)); }
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0700);
  for (const mode_t mode : {0701u, 0710u, 0750u, 0770u, 0707u, 0777u}) {
    ::chmod(path.c_str(), mode);
    const auto opened = open_posix_disk(path);
    REQUIRE_FALSE(opened);
    CHECK(opened.error().code == Errc::refused);
    CHECK(opened.error().detail.find("chmod 700") != std::string::npos);
  }
  ::chmod(path.c_str(), 0700);
  CHECK(open_posix_disk(path));
}

TEST_CASE("T-51: a spool directory of another user is refused") {
  if (::geteuid() != 0) return;  // only root can make one
  const TemporaryDirectory base;
  const std::string path = base.path() + "/spool";
  fs::create_directory(path);
  ::chmod(path.c_str(), 0700);
  REQUIRE(::chown(path.c_str(), 1, 1) == 0);
  CHECK(open_posix_disk(path).error().code == Errc::refused);
}

TEST_CASE("T-51: a link in place of the spool directory is refused, and so is a file") {
  const TemporaryDirectory base;
  fs::create_directory(base.path() + "/elsewhere");
  ::chmod((base.path() + "/elsewhere").c_str(), 0700);
  fs::create_directory_symlink(base.path() + "/elsewhere", base.path() + "/spool");
  CHECK(open_posix_disk(base.path() + "/spool").error().code == Errc::refused);
  std::ofstream(base.path() + "/file") << "x";
  CHECK(open_posix_disk(base.path() + "/file").error().code == Errc::refused);
  CHECK(open_posix_disk(base.path() + "/no/such/parent").error().code == Errc::not_found);
}

TEST_CASE("D-21: one process at a time") {
  const TemporaryDirectory base;
  const std::string path = base.path() + "/spool";
  auto first = open_posix_disk(path);
  REQUIRE(first);
  const auto second = open_posix_disk(path);
  REQUIRE_FALSE(second);
  CHECK(second.error().code == Errc::exists);
  CHECK(second.error().detail.find("pid " + std::to_string(::getpid())) != std::string::npos);
  const auto check = open_posix_disk_to_read(path);
  REQUIRE_FALSE(check);
  CHECK(check.error().detail.find("pid " + std::to_string(::getpid())) != std::string::npos);
  first->reset();
  CHECK(open_posix_disk(path));
}

TEST_CASE("D-21: network and user-space file systems are refused, local ones are not") {
  struct Row {
    const char* name;
    std::int64_t type;
    bool remote;
  };
  const Row rows[] = {{"nfs", 0x6969, true},
                      {"smb", 0x517B, true},
                      {"smb2", 0xFE534D42, true},
                      {"cifs", 0xFF534D42, true},
                      {"cifs, sign-extended", static_cast<std::int32_t>(0xFF534D42), true},
                      {"9p", 0x01021997, true},
                      {"ceph", 0x00C36400, true},
                      {"fuse", 0x65735546, true},
                      {"afs", 0x5346414F, true},
                      {"lustre", 0x0BD00BD0, true},
                      {"ext4", 0xEF53, false},
                      {"xfs", 0x58465342, false},
                      {"btrfs", 0x9123683E, false},
                      {"zfs", 0x2FC12FC1, false},
                      {"overlay", 0x794C7630, false},
                      {"tmpfs", 0x01021994, false}};
  for (const Row& row : rows) CHECK_MESSAGE(is_remote_file_system(row.type) == row.remote, row.name);
}

TEST_CASE("T-51: planted names are not followed, opened or written") {
  const TemporaryDirectory base;
  const std::string path = base.path() + "/spool";
  auto disk = open_posix_disk(path);
  REQUIRE(disk);
  REQUIRE((*disk)->make_directory("journal") == 0);
  const std::string target = base.path() + "/victim";
  std::ofstream(target) << "precious";
  ::chmod(target.c_str(), 0600);
  const auto error_of = [&](const std::string& name) {
    return (*disk)->open(name, Disk::Access::write).error;
  };

  fs::create_symlink(target, path + "/journal/link");
  CHECK(error_of("journal/link") == -ELOOP);
  fs::create_hard_link(target, path + "/journal/hard");
  CHECK(error_of("journal/hard") == -EPERM);
  std::ofstream(path + "/journal/open") << "x";
  ::chmod((path + "/journal/open").c_str(), 0640);
  CHECK(error_of("journal/open") == -EPERM);
  REQUIRE(::mkfifo((path + "/journal/pipe").c_str(), 0600) == 0);
  CHECK(error_of("journal/pipe") == -EPERM);
  fs::create_directory(path + "/journal/directory");
  CHECK((*disk)->open("journal/directory", Disk::Access::read).error == -EPERM);
  CHECK((*disk)->open("journal/link", Disk::Access::create).error == -EEXIST);
  std::string kept;
  std::getline(std::ifstream(target), kept);
  CHECK(kept == "precious");
}

TEST_CASE("D-21: a file of ours that chmod has closed to us is opened again; one of somebody else's is not") {
  const TemporaryDirectory base;
  const std::string path = base.path() + "/spool";
  auto disk = open_posix_disk(path);
  REQUIRE(disk);
  REQUIRE((*disk)->make_directory("journal") == 0);
  const std::string file = path + "/journal/closed";
  for (const auto access : {Disk::Access::read, Disk::Access::write}) {
    std::ofstream(file) << "mail";
    ::chmod(file.c_str(), 0);
    CHECK((*disk)->open("journal/closed", access).file);
    ::chmod(file.c_str(), 0600);
  }
  if (::geteuid() != 0) return;
  REQUIRE(::chown(file.c_str(), 65534, 65534) == 0);
  ::chmod(file.c_str(), 0);
  CHECK_FALSE((*disk)->open("journal/closed", Disk::Access::read).file);
}

TEST_CASE("D-21: a file knows when it was deleted, replaced or cut short") {
  const TemporaryDirectory base;
  const std::string path = base.path() + "/spool";
  auto disk = open_posix_disk(path);
  REQUIRE(disk);
  REQUIRE((*disk)->make_directory("journal") == 0);
  const std::string file = path + "/journal/a";
  const auto made = [&] {
    auto opened = (*disk)->open("journal/a", Disk::Access::create);
    REQUIRE(opened.file);
    REQUIRE(opened.file->allocate(1 << 16) == 0);
    CHECK_FALSE(opened.file->detached());
    return std::move(opened.file);
  };
  auto first = made();
  fs::rename(file, path + "/journal/b");  // as a spare that gets its name
  CHECK_FALSE(first->detached());
  CHECK((*disk)->leads_to("journal/b", *first));
  CHECK_FALSE((*disk)->leads_to("journal/a", *first));
  fs::remove(path + "/journal/b");
  CHECK(first->detached());
  auto second = made();
  REQUIRE(::truncate(file.c_str(), 100) == 0);
  CHECK(second->detached());
  std::ofstream(path + "/other") << "x";
  fs::rename(path + "/other", file);
  CHECK(second->detached());

  // A directory that was put in the place of another is the one that is synced.
  REQUIRE((*disk)->sync_directory("journal") == 0);
  fs::remove_all(path + "/journal");
  CHECK((*disk)->sync_directory("journal") == -ENOENT);
  REQUIRE((*disk)->make_directory("journal") == 0);
  CHECK((*disk)->sync_directory("journal") == 0);
}

TEST_CASE("T-51: a journal directory that is a link or open to others is refused") {
  const TemporaryDirectory base;
  const std::string path = base.path() + "/spool";
  auto disk = open_posix_disk(path);
  REQUIRE(disk);
  fs::create_directory(base.path() + "/elsewhere");
  ::chmod((base.path() + "/elsewhere").c_str(), 0700);
  fs::create_directory_symlink(base.path() + "/elsewhere", path + "/journal");
  CHECK((*disk)->make_directory("journal") == -EPERM);
  std::vector<std::string> names;
  CHECK((*disk)->list("journal", names) != 0);
  fs::remove(path + "/journal");
  fs::create_directory(path + "/journal");
  ::chmod((path + "/journal").c_str(), 0755);
  CHECK((*disk)->make_directory("journal") == -EPERM);
}

TEST_CASE("files: made private, written in pieces, read, renamed never over another, listed, removed") {
  const TemporaryDirectory base;
  auto disk = open_posix_disk(base.path() + "/spool");
  REQUIRE(disk);
  REQUIRE((*disk)->make_directory("journal") == 0);
  REQUIRE((*disk)->make_directory("journal") == 0);
  auto opened = (*disk)->open("journal/a", Disk::Access::create);
  REQUIRE(opened.file);
  CHECK(opened.file->allocate(10'000) == 0);
  CHECK(opened.file->size() == 10'000);
  std::vector<std::string> texts(3000, "0123456789");  // more pieces than one call takes
  std::vector<iovec> pieces;
  for (std::string& text : texts) pieces.push_back(iovec{text.data(), text.size()});
  REQUIRE(write_all(*opened.file, 5, pieces));
  CHECK(opened.file->sync_data() == 0);
  std::string read(30'010, '\0');
  CHECK(read_full(*opened.file, 0, read).value() == 30'005);
  CHECK(read.substr(5, 20) == "01234567890123456789");
  std::string cached(10, '\0');
  const auto got = opened.file->read_cached_at(5, cached);
  CHECK((got == 10 || got == -EAGAIN || got == -EOPNOTSUPP));
  CHECK(opened.file->close() == 0);
  struct stat status {};
  REQUIRE(::stat((base.path() + "/spool/journal/a").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
  REQUIRE((*disk)->open("journal/b", Disk::Access::create).file);
  CHECK((*disk)->rename("journal/a", "journal/b") == -EEXIST);
  CHECK((*disk)->rename("journal/a", "journal/c") == 0);
  CHECK((*disk)->sync_directory("journal") == 0);
  std::vector<std::string> names;
  CHECK((*disk)->list("journal", names) == 0);
  std::sort(names.begin(), names.end());
  CHECK(names == std::vector<std::string>{"b", "c"});
  CHECK((*disk)->remove("journal/b") == 0);
  CHECK((*disk)->remove("journal/b") == -ENOENT);
  CHECK((*disk)->open("journal/b", Disk::Access::read).error == -ENOENT);
  Space space;
  CHECK((*disk)->space(space) == 0);
  CHECK(space.total >= space.free);
}
