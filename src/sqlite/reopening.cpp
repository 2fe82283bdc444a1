// SPDX-License-Identifier: Apache-2.0
//
// What happens to a database file behind the relay's back, and how it is taken up again: deleted, replaced, damaged, or
// back after it could not be used.
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/log.hpp"
#include "base/planted.hpp"
#include "sqlite/aside.hpp"
#include "sqlite/database.hpp"

namespace sealpost::sqlite {
namespace {

// A disk that damages whatever is written must not fill up with what was put aside.
constexpr unsigned asides_at_once = 4;
constexpr std::chrono::hours aside_pause{1};
constexpr const char* restored_suffix = ".restored";

}  // namespace

bool Database::tend() {
  if (connection_) static_cast<void>(index_holds());
  if (connection_ && trouble_ == Trouble::damage) {
    const Error damage(Errc::damaged, name_ + ": " + sqlite3_errstr(result_));
    auto fresh = settings_.begin_anew ? begin_anew(damage) : Expected<void>(damage);
    if (fresh)
      ++generation_;
    else
      fell_over(fresh.error());
  } else if (connection_ && trouble_ == Trouble::reopen) {
    close();
    next_try_ = {};
  } else if (connection_) {
    look_at_file();
  }
  if (connection_) trouble_ = Trouble::none;
  if (!connection_ && Clock::now() >= next_try_ && !planted(Plant::never_reopen)) {
    const auto opened = open();  // said there
    if (opened) log::info("database_opened", {{"file", settings_.path}});
  }
  if (connection_ && raised_ && Clock::now() >= next_try_) try_writing();
  return connection_ != nullptr;
}

// It could be opened, but that says nothing about writing. One that is not begun anew is not written in before it is known
// to be sound, all of it: it may be somebody's last copy.
void Database::try_writing() {
  if (!settings_.begin_anew) {
    std::string found = sqlite3_errstr(SQLITE_CORRUPT);
    {
      auto check = statement("PRAGMA quick_check(1)");
      const auto row = check ? check->row() : Expected<bool>(check.error());
      if (!row && trouble_ != Trouble::damage) return put_off();
      if (row && *row) found = check->text(0);
    }
    if (found == "ok") return well();
    trouble_ = Trouble::damage;
    result_ = SQLITE_CORRUPT;
    return fell_over(Error(Errc::damaged, name_ + ": " + found));
  }
  const auto version = number("PRAGMA user_version");
  if (!version) return put_off();
  const std::string again = "PRAGMA user_version=" + std::to_string(*version);
  if (auto done = in_transaction([&] { return run(again.c_str()); }); !done) put_off();
}

void Database::look_at_file() {
  struct stat status {};
  if (::stat(settings_.path.c_str(), &status) != 0) {
    if (errno == ENOENT && Clock::now() >= next_try_) bring_back();
    return;  // anything else says nothing about the file that is open
  }
  const Identity now{static_cast<std::uint64_t>(status.st_dev), static_cast<std::uint64_t>(status.st_ino)};
  if (now != identity_ && Clock::now() >= next_try_) take_over_replacement();
}

// All that the open handle holds, as a file of its own beside the place it belongs to.
Expected<void> Database::copy_out() {
  const std::string restored = settings_.path + restored_suffix;
  std::remove(restored.c_str());
  auto copy = statement("VACUUM INTO ?1");
  if (!copy) return copy.error();
  auto done = copy->bind(1, restored).done();
  if (!done) std::remove(restored.c_str());
  return done;
}

Expected<void> Database::put_in_place() {
  if (std::rename((settings_.path + restored_suffix).c_str(), settings_.path.c_str()) != 0)
    return Error(Errc::io, name_ + ": rename: " + std::strerror(errno));
  log::warning("database_restored",
               {{"file", settings_.path}, {"why", "it was deleted or spoiled while in use"}});
  next_try_ = {};
  return {};
}

// Somebody deleted the file. The open handle still has all of it, so it is written to its place again.
void Database::bring_back() {
  Expected<void> done = copy_out();
  if (done) {
    trouble_ = Trouble::reopen;
    close();
    // A log left behind belongs to the file that is gone: SQLite would take it for the new one's.
    const auto aside = set_aside(settings_.path);
    done = aside ? put_in_place() : Expected<void>(aside.error());
  }
  if (done) return;
  raise(
      Error(done.error().code, "the file was deleted, and cannot be written again: " + done.error().detail));
  put_off();
}

// Another file has its name. If that can be used, it is; else it is as if ours had been deleted. The log in their place is
// ours, and must not be read with theirs.
void Database::take_over_replacement() {
  log::warning("database_replaced", {{"file", settings_.path}, {"why", "another file has taken its place"}});
  if (auto copied = copy_out(); !copied) {
    raise(Error(copied.error().code,
                "the file was replaced, and what it held cannot be kept: " + copied.error().detail));
    return put_off();
  }
  trouble_ = Trouble::reopen;
  close();
  trouble_ = Trouble::none;
  const auto aside = set_aside(settings_.path, Parts::log);
  auto ready = aside ? connect() : Expected<void>(aside.error());
  if (ready) {
    ++generation_;
    std::remove((settings_.path + restored_suffix).c_str());
    return;
  }
  if (trouble_ == Trouble::damage && set_aside(settings_.path)) ready = put_in_place();
  if (!ready) fell_over(ready.error());
}

// D-23: never repaired in place; kept for whoever wants to look. Nothing of it is written on closing (close()).
Expected<void> Database::begin_anew(const Error& damage) {
  const auto now = Clock::now();
  if (asides_ >= asides_at_once && now - last_aside_ < aside_pause)
    return Error(Errc::damaged, damage.detail + "; it was damaged " + std::to_string(asides_) +
                                    " times since the start, so it is left alone for an hour");
  trouble_ = Trouble::damage;
  close();
  const auto aside = set_aside(settings_.path);
  if (!aside) return aside.error();
  ++asides_;
  last_aside_ = now;
  trouble_ = Trouble::none;
  log::error(
      "database_damaged",
      {{"file", settings_.path}, {"why", damage.detail}, {"kept_as", *aside}, {"lost", settings_.lost}});
  auto ready = connect();
  if (!ready) return ready;
  const std::string saved = settings_.salvage ? settings_.salvage(*aside, *this) : std::string();
  if (health_ != nullptr)
    health_->raise("damaged " + name_,
                   damage.detail + "; it is kept as " + *aside +
                       " and was begun anew. Lost: " + settings_.lost + (saved.empty() ? "" : "; " + saved),
                   "look at the disk; this notice ends with a restart");
  return {};
}

}  // namespace sealpost::sqlite
