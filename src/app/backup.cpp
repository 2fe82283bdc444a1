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

#include "app/backup_check.hpp"
#include "app/data_dir_lock.hpp"
#include "app/file_pieces.hpp"
#include "app/restore.hpp"
#include "base/as_owner.hpp"
#include "base/durable_file.hpp"
#include "base/handles.hpp"
#include "base/version.hpp"
#include "sqlite/handles.hpp"

namespace sealpost::app {
namespace {

namespace fs = std::filesystem;
constexpr int busy_milliseconds = 50;
constexpr int most_waits = 1200;  // a minute of them

// What SQLite keeps beside a database; a copy through SQLite has it inside.
bool is_beside_a_database(std::string_view name) {
  return name.ends_with(".db-wal") || name.ends_with(".db-shm") || name.ends_with(".db-journal");
}

class Backup {
 public:
  Backup(std::string from, std::string to) : from_(std::move(from)), to_(std::move(to)) {}

  Expected<BackedUp> run(WithMail with_mail) {
    if (::stat(from_.c_str(), &owner_) != 0) return io_error("data_dir " + from_, errno);
    const auto held = hold();
    if (!held) return held.error();
    if (auto made = make_directory(to_); !made) return made.error();
    const auto names = names_of(from_);
    if (!names) return names.error();
    for (const std::string& name : *names)
      if (name.ends_with(".db") && !is_of_restores(name))
        if (auto copied = copy_database(from_ + "/" + name, to_ + "/" + name); !copied) return copied.error();
    for (const std::string& name : *names)
      if (name != "spool" && !name.ends_with(".db") && !is_of_restores(name) && !is_of_the_disk(name))
        if (auto copied = copy(from_ + "/" + name, to_ + "/" + name); !copied) return copied.error();
    auto spool =
        with_mail == WithMail::yes ? copy(from_ + "/spool", to_ + "/spool") : make_directory(to_ + "/spool");
    if (!spool) return spool.error();
    if (auto listed = write_list(with_mail); !listed) return listed.error();
    if (auto given = give_away(); !given) return given.error();
    const FileDescriptor directory(::open(to_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory || ::syncfs(directory.get()) != 0) return io_error(to_, errno);
    return done_;
  }

 private:
  // No restore moves names while they are copied, and what one was cut off in is neither the old nor the new.
  Expected<FileDescriptor> hold() const {
    const AsOwner eyes(owner_);
    auto held = lock_data_dir(from_, NamesAre::used);
    if (held && is_restore_cut_off(from_))
      return Error(Errc::exists,
                   "a restore into " + from_ +
                       " was cut off; end it first, with the start of the relay or with 'sealpost restore'");
    return held;
  }

  // Of numbered segments the oldest comes first.
  Expected<std::vector<std::string>> names_of(const std::string& directory) const {
    const AsOwner eyes(owner_);
    return names_in(directory);
  }

  // What `restore` knows it by to be whole.
  Expected<void> write_list(WithMail with_mail) const {
    auto files = digests_of(to_);
    if (!files) return files.error();
    BackupList list;
    list.made = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
    list.by = version();
    list.with_mail = with_mail == WithMail::yes;
    list.files = std::move(*files);
    return write_backup_list(to_, list);
  }

  static Expected<void> make_directory(const std::string& path) {
    if (::mkdir(path.c_str(), 0700) != 0) return io_error(path, errno);
    return {};
  }

  // At the very end: until then nobody but us can change what is copied already.
  Expected<void> give_away() const {
    if (::geteuid() != 0) return {};
    std::error_code failure;
    std::vector<std::string> paths;
    for (fs::recursive_directory_iterator entry(to_, failure), end; !failure && entry != end;
         entry.increment(failure))
      paths.push_back(entry->path().string());
    if (failure) return Error(Errc::io, to_ + ": " + failure.message());
    std::reverse(paths.begin(), paths.end());  // a directory after what is in it
    paths.push_back(to_);
    for (const std::string& path : paths)
      if (::lchown(path.c_str(), owner_.st_uid, owner_.st_gid) != 0) return io_error(path, errno);
    return {};
  }

  // A file, or a directory with all in it; sockets and links are passed over. What is gone meanwhile had been replaced.
  Expected<void> copy(const std::string& from, const std::string& to) {
    struct stat status {};
    {
      const AsOwner eyes(owner_);
      if (::lstat(from.c_str(), &status) != 0)
        return errno == ENOENT ? Expected<void>() : io_error(from, errno);
    }
    if (S_ISREG(status.st_mode)) return is_beside_a_database(from) ? Expected<void>() : copy_file(from, to);
    if (!S_ISDIR(status.st_mode)) return {};
    if (auto made = make_directory(to); !made) return made;
    std::set<std::string> seen;
    for (bool more = true; more;) {  // until nothing new has come while the rest was copied
      more = false;
      const auto names = names_of(from);
      if (!names) return names.error();
      for (const std::string& name : *names) {
        if (!seen.insert(name).second) continue;
        more = true;
        if (auto copied = copy(from + "/" + name, to + "/" + name); !copied) return copied;
      }
    }
    return {};
  }

  FileDescriptor open_source(const std::string& path) const {
    const AsOwner eyes(owner_);
    return open_to_read(path);
  }

  Expected<void> copy_file(const std::string& from, const std::string& to) {
    const FileDescriptor source = open_source(from);
    if (!source) return errno == ENOENT ? Expected<void>() : io_error(from, errno);
    const auto copied = copy_octets(source, from, to);
    if (!copied) return copied.error();
    done_.octets += *copied;
    ++done_.files;
    return {};
  }

  // All of it in one step: it is read as of one moment, and a log of changes (WAL) lets others write meanwhile. In steps
  // it would begin anew after each change.
  Expected<void> copy_database(const std::string& from, const std::string& to) {
    struct stat status {};
    if (::lstat(from.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return {};  // gone, or a link
    sqlite3 *opened = nullptr, *made = nullptr;
    const int read =
        sqlite3_open_v2(from.c_str(), &opened, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOFOLLOW, nullptr);
    const sqlite::ConnectionPtr source(opened);
    const int write = sqlite3_open_v2(to.c_str(), &made, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
    const sqlite::ConnectionPtr target(made);
    if (read != SQLITE_OK) return Error(Errc::io, from + ": " + sqlite3_errmsg(source.get()));
    if (write != SQLITE_OK) return Error(Errc::io, to + ": " + sqlite3_errmsg(target.get()));
    sqlite3_backup* backup = sqlite3_backup_init(target.get(), "main", source.get(), "main");
    if (backup == nullptr) return Error(Errc::io, to + ": " + sqlite3_errmsg(target.get()));
    int step = SQLITE_OK;
    for (int waits = 0; waits < most_waits; ++waits) {
      step = sqlite3_backup_step(backup, -1);
      if (step != SQLITE_BUSY && step != SQLITE_LOCKED) break;
      sqlite3_sleep(busy_milliseconds);
    }
    sqlite3_backup_finish(backup);
    if (step != SQLITE_DONE) return Error(Errc::io, from + ": " + sqlite3_errstr(step));
    ++done_.databases;
    std::error_code none;
    done_.octets += fs::file_size(to, none);
    return {};
  }

  const std::string from_, to_;
  struct stat owner_ {};
  BackedUp done_;
};

// Is `path` the directory, or below it?
bool is_within(const fs::path& path, const fs::path& directory) {
  const auto [end, unused] = std::mismatch(directory.begin(), directory.end(), path.begin(), path.end());
  return end == directory.end();
}

}  // namespace

Expected<BackedUp> back_up(const std::string& data_dir, const std::string& target, WithMail with_mail) {
  std::error_code failure;
  const fs::path data = fs::canonical(data_dir, failure);
  if (failure) return Error(Errc::io, "data_dir " + data_dir + ": " + failure.message());
  fs::path place = fs::absolute(target).lexically_normal();
  if (!place.has_filename()) place = place.parent_path();  // "copies/today/"
  const fs::path above = fs::canonical(place.parent_path(), failure);
  if (failure) return Error(Errc::io, place.parent_path().string() + ": " + failure.message());
  const std::string path = (above / place.filename()).string();
  if (is_within(path, data))
    return Error(Errc::exists,
                 path + " is in the data directory itself; name a place outside, on another disk at best");
  const std::string unfinished = path + ".unfinished";
  if (fs::exists(fs::symlink_status(path, failure)))
    return Error(Errc::exists, path + " is there already; name a directory that is not, it will be made");
  fs::remove_all(unfinished, failure);  // of a backup that was broken off
  ::umask(0077);
  auto done = Backup(data.string(), unfinished).run(with_mail);
  if (done && ::rename(unfinished.c_str(), path.c_str()) != 0) done = io_error(path, errno);
  if (!done) fs::remove_all(unfinished, failure);
  return done;
}

}  // namespace sealpost::app
