// SPDX-License-Identifier: Apache-2.0
#include "app/backup.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <set>
#include <string_view>
#include <vector>

#include "base/handles.hpp"
#include "sqlite/handles.hpp"

namespace sealpost::app {
namespace {

namespace fs = std::filesystem;
constexpr int pages_at_once = 1000;  // then the relay may write
constexpr int busy_milliseconds = 50;
constexpr int most_waits = 1200;  // a minute of them

Error failed(const std::string& path, int number) {
  return Error(Errc::io, path + ": " + std::strerror(number));
}

bool ends_with(std::string_view name, std::string_view end) {
  return name.size() >= end.size() && name.substr(name.size() - end.size()) == end;
}
// What SQLite keeps beside a database; a copy through SQLite has it inside.
bool is_beside_a_database(std::string_view name) {
  return ends_with(name, ".db-wal") || ends_with(name, ".db-shm") || ends_with(name, ".db-journal");
}

class Backup {
 public:
  Backup(std::string from, std::string to) : from_(std::move(from)), to_(std::move(to)) {}

  Expected<BackedUp> run(WithMail with_mail) {
    struct stat status {};
    if (::stat(from_.c_str(), &status) != 0) return failed("data_dir " + from_, errno);
    owner_ = status;
    if (auto made = make_directory(to_); !made) return made.error();
    for (const std::string& name : names_in(from_))
      if (ends_with(name, ".db"))
        if (auto copied = copy_database(from_ + "/" + name, to_ + "/" + name); !copied) return copied.error();
    for (const std::string& name : names_in(from_))
      if (name != "spool" && !ends_with(name, ".db"))
        if (auto copied = copy(from_ + "/" + name, to_ + "/" + name); !copied) return copied.error();
    auto spool =
        with_mail == WithMail::yes ? copy(from_ + "/spool", to_ + "/spool") : make_directory(to_ + "/spool");
    if (!spool) return spool.error();
    const FileDescriptor directory(::open(to_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory || ::syncfs(directory.get()) != 0) return failed(to_, errno);
    return done_;
  }

 private:
  static std::vector<std::string> names_in(const std::string& directory) {
    std::vector<std::string> names;
    std::error_code none;
    for (fs::directory_iterator entry(directory, none), end; !none && entry != end; entry.increment(none))
      names.push_back(entry->path().filename().string());
    std::sort(names.begin(), names.end());  // segments are numbered: the oldest first
    return names;
  }

  Expected<void> give_away(const std::string& path) {
    if (::geteuid() == 0 && ::chown(path.c_str(), owner_.st_uid, owner_.st_gid) != 0)
      return failed(path, errno);
    return {};
  }

  Expected<void> make_directory(const std::string& path) {
    if (::mkdir(path.c_str(), 0700) != 0) return failed(path, errno);
    return give_away(path);
  }

  // A file, or a directory with all in it; sockets and links are passed over. What is gone meanwhile had been replaced.
  Expected<void> copy(const std::string& from, const std::string& to) {
    struct stat status {};
    if (::lstat(from.c_str(), &status) != 0) return errno == ENOENT ? Expected<void>() : failed(from, errno);
    if (S_ISREG(status.st_mode)) return is_beside_a_database(from) ? Expected<void>() : copy_file(from, to);
    if (!S_ISDIR(status.st_mode)) return {};
    if (auto made = make_directory(to); !made) return made;
    std::set<std::string> seen;
    for (bool more = true; more;) {  // until nothing new has come while the rest was copied
      more = false;
      for (const std::string& name : names_in(from)) {
        if (!seen.insert(name).second) continue;
        more = true;
        if (auto copied = copy(from + "/" + name, to + "/" + name); !copied) return copied;
      }
    }
    return {};
  }

  Expected<void> copy_file(const std::string& from, const std::string& to) {
    std::error_code failure;
    fs::copy_file(from, to, failure);
    if (failure == std::errc::no_such_file_or_directory) return {};
    if (failure) return Error(Errc::io, from + " to " + to + ": " + failure.message());
    ++done_.files;
    done_.octets += fs::file_size(to, failure);
    return give_away(to);
  }

  Expected<void> copy_database(const std::string& from, const std::string& to) {
    sqlite3 *opened = nullptr, *made = nullptr;
    const int read = sqlite3_open_v2(from.c_str(), &opened, SQLITE_OPEN_READONLY, nullptr);
    const sqlite::ConnectionPtr source(opened);
    const int write = sqlite3_open_v2(to.c_str(), &made, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
    const sqlite::ConnectionPtr target(made);
    if (read != SQLITE_OK) return Error(Errc::io, from + ": " + sqlite3_errmsg(source.get()));
    if (write != SQLITE_OK) return Error(Errc::io, to + ": " + sqlite3_errmsg(target.get()));
    sqlite3_backup* backup = sqlite3_backup_init(target.get(), "main", source.get(), "main");
    if (backup == nullptr) return Error(Errc::io, to + ": " + sqlite3_errmsg(target.get()));
    int waits = 0;
    int step = SQLITE_OK;
    while (step == SQLITE_OK || ((step == SQLITE_BUSY || step == SQLITE_LOCKED) && ++waits < most_waits)) {
      if (step != SQLITE_OK) sqlite3_sleep(busy_milliseconds);
      step = sqlite3_backup_step(backup, pages_at_once);
    }
    sqlite3_backup_finish(backup);
    if (step != SQLITE_DONE) return Error(Errc::io, from + ": " + sqlite3_errstr(step));
    ++done_.databases;
    std::error_code none;
    done_.octets += fs::file_size(to, none);
    return give_away(to);
  }

  const std::string from_, to_;
  struct stat owner_ {};
  BackedUp done_;
};

}  // namespace

Expected<BackedUp> back_up(const std::string& data_dir, const std::string& target, WithMail with_mail) {
  const std::string path = fs::absolute(target).lexically_normal().string();
  const std::string unfinished = path + ".unfinished";
  std::error_code failure;
  if (fs::exists(fs::symlink_status(path, failure)))
    return Error(Errc::exists, path + " is there already; name a directory that is not, it will be made");
  fs::remove_all(unfinished, failure);  // of a backup that was broken off
  ::umask(0077);
  auto done = Backup(data_dir, unfinished).run(with_mail);
  if (done && ::rename(unfinished.c_str(), path.c_str()) != 0) done = failed(path, errno);
  if (!done) fs::remove_all(unfinished, failure);
  return done;
}

}  // namespace sealpost::app
