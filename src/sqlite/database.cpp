// SPDX-License-Identifier: Apache-2.0
#include "sqlite/database.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "base/durable_file.hpp"
#include "base/log.hpp"
#include "sqlite/aside.hpp"
#include "sqlite/mapping_guard.hpp"

namespace sealpost::sqlite {

// SQLite's own timeout could not be cut short by another thread.
struct Database::Patience {
  static constexpr std::chrono::milliseconds step{10};

  explicit Patience(std::chrono::milliseconds in_a_hurry_) : in_a_hurry(in_a_hurry_) {}
  // sqlite3_busy_handler: 0 gives up. `asked`: how often for this lock.
  static int wait(void* self, int asked) noexcept {
    auto& patience = *static_cast<Patience*>(self);
    const Clock::time_point now = Clock::now();
    if (asked == 0) patience.begun = now;
    const auto limit = patience.hurried ? std::min(patience.limit, patience.in_a_hurry) : patience.limit;
    if (now - patience.begun >= limit) return 0;
    std::this_thread::sleep_for(step);
    return 1;
  }

  const std::chrono::milliseconds in_a_hurry;
  std::chrono::milliseconds limit{};
  Clock::time_point begun{};
  std::atomic<bool> hurried = false;
};

namespace {

std::string last_part(const std::string& path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

Database::Database(Settings settings, Health* health)
    : settings_(std::move(settings)),
      name_(last_part(settings_.path)),
      health_(health),
      patience_(std::make_unique<Patience>(settings_.busy_at_open)) {}
Database::~Database() { close(); }
Database::Database(Database&&) noexcept = default;
Database& Database::operator=(Database&&) noexcept = default;

Expected<void> Database::open() {
  close();
  trouble_ = Trouble::none;
  result_ = 0;
  auto ready = connect();
  if (!ready && trouble_ == Trouble::damage && settings_.begin_anew) ready = begin_anew(ready.error());
  if (!ready) {
    fell_over(ready.error());
    return ready;
  }
  trouble_ = Trouble::none;
  ++generation_;
  return {};
}

Expected<void> Database::connect() {
  struct stat status {};
  // data_dir is the relay's own, so a link there is somebody's mistake and not followed (T-51).
  if (::lstat(settings_.path.c_str(), &status) == 0 && S_ISLNK(status.st_mode)) {
    trouble_ = Trouble::reopen;
    result_ = SQLITE_CANTOPEN;
    return Error(Errc::io, name_ + ": is a symbolic link");
  }
  // SQLite would take a file without octets for a new one, and delete the log that still holds its rows.
  struct stat log {};
  if (::stat(settings_.path.c_str(), &status) == 0 && status.st_size == 0 && S_ISREG(status.st_mode) &&
      ::stat((settings_.path + "-wal").c_str(), &log) == 0 && log.st_size > 0) {
    trouble_ = Trouble::damage;
    result_ = SQLITE_CORRUPT;
    return Error(Errc::damaged, name_ + ": the file has no octets, but its log has some");
  }
  if (!settings_.when_missing.empty() && is_absent(settings_.path)) {
    trouble_ = Trouble::reopen;
    result_ = SQLITE_CANTOPEN;
    return Error(Errc::not_found, name_ + ": " + settings_.path + " is not there");
  }
  guard_mappings();
  mappings_lost_ = lost_mappings();
  sqlite3* raw = nullptr;
  const int make = settings_.when_missing.empty() ? SQLITE_OPEN_CREATE : 0;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | make;
  const int opened = sqlite3_open_v2(settings_.path.c_str(), &raw, flags, settings_.vfs);
  connection_.reset(raw);
  if (raw != nullptr) sqlite3_extended_result_codes(raw, 1);
  auto ready = opened == SQLITE_OK ? prepare() : Expected<void>(failure("opening"));
  if (ready && ::stat(settings_.path.c_str(), &status) == 0)
    identity_ =
        Identity{static_cast<std::uint64_t>(status.st_dev), static_cast<std::uint64_t>(status.st_ino)};
  if (!ready) close();
  return ready;
}

Expected<void> Database::prepare() {
  patience_->limit = settings_.busy_at_open;
  sqlite3_busy_handler(connection_.get(), &Patience::wait, patience_.get());
  const auto version = number("PRAGMA user_version");
  if (!version) return version.error();
  if (*version > settings_.newest)
    return Error(Errc::newer, settings_.path + " was made by a newer sealpost: it has schema " +
                                  std::to_string(*version) + ", this version knows up to " +
                                  std::to_string(settings_.newest) + "; it was left untouched");
  if (auto ready = settings_.prepare(*this, static_cast<int>(*version)); !ready) return ready;
  patience_->limit = settings_.busy;
  return {};
}

void Database::hurry() noexcept { patience_->hurried = true; }

// Nothing is written into a file that is not believed: what its log holds stays beside it, to be read by whoever opens
// it next.
void Database::close() {
  if (connection_) static_cast<void>(index_holds());
  if (connection_ && trouble_ >= Trouble::reopen)
    sqlite3_db_config(connection_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  connection_.reset();
}

bool Database::index_holds() noexcept {
  if (lost_mappings() == mappings_lost_) return true;
  if (trouble_ < Trouble::reopen) {
    trouble_ = Trouble::reopen;
    result_ = SQLITE_IOERR_SHMMAP;
  }
  return false;
}

Error Database::failure(const std::string& what) {
  if (!connection_) return not_open();
  if (!index_holds())
    return Error(Errc::io, name_ + ": " + what + ": its -shm file was cut short while in use");
  const int result = sqlite3_extended_errcode(connection_.get());
  const Trouble trouble = trouble_of(result);
  if (trouble >= trouble_) {
    trouble_ = trouble;
    result_ = result;
  }
  return Error(code_of(trouble, result), name_ + ": " + what + ": " + sqlite3_errmsg(connection_.get()));
}

Error Database::not_open() const {
  return Error(Errc::unavailable, name_ + " is not open; 'sealpost status' says why");
}

Expected<Statement> Database::statement(const char* sql) {
  if (!connection_) return not_open();
  sqlite3_stmt* raw = nullptr;
  if (sqlite3_prepare_v2(connection_.get(), sql, -1, &raw, nullptr) != SQLITE_OK) return failure("preparing");
  return Statement(*this, StatementPtr(raw));
}

Expected<void> Database::run(const char* sql) {
  if (!connection_) return not_open();
  if (sqlite3_exec(connection_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) return failure("writing");
  return {};
}

Expected<std::int64_t> Database::number(const char* sql) {
  auto query = statement(sql);
  if (!query) return query.error();
  auto row = query->row();
  if (!row) return row.error();
  return *row ? query->number(0) : 0;
}

Expected<void> Database::in_transaction(const std::function<Expected<void>()>& work) {
  if (!connection_) return not_open();  // said when it was closed
  Expected<void> done = run("BEGIN IMMEDIATE");
  if (done) {
    done = work();
    if (done && !index_holds()) done = failure("committing");
    if (done) done = run("COMMIT");
    if (!done && connection_) sqlite3_exec(connection_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
  }
  if (done) {
    well();
  } else if (trouble_ > Trouble::refused) {
    raise(done.error());
  }
  return done;
}

std::int64_t Database::changed() const noexcept {
  return connection_ ? sqlite3_changes64(connection_.get()) : 0;
}

void Database::fell_over(const Error& error) {
  raise(error);
  close();
  put_off();
}

void Database::put_off() {
  gap_ = std::min(std::max(gap_ * 2, settings_.first_retry), settings_.longest_retry);
  next_try_ = Clock::now() + gap_;
}

void Database::raise(const Error& error) {
  raised_ = true;
  std::string what = error.detail + "; until it is back, " + settings_.meanwhile;
  std::string how;
  if (error.code == Errc::newer)
    how = "go back to the release that made it, or move it away";
  else if (error.code == Errc::not_found && !settings_.when_missing.empty())
    how = settings_.when_missing;
  else if (error.code == Errc::damaged && !settings_.begin_anew)
    how = "put a good copy of " + settings_.path +
          " in its place, from a backup; it was left untouched, and is taken up again by itself";
  else
    how = remedy(result_, settings_.path) + "; it is taken up again by itself";
  if (health_ != nullptr)
    health_->raise(cause(), std::move(what), std::move(how));
  else
    log::error("database_trouble", {{"what", what}, {"do", how}});
}

void Database::well() {
  gap_ = {};
  if (!raised_) return;
  raised_ = false;
  if (health_ != nullptr) health_->clear(cause());
}

Expected<void> use_write_ahead_log(Database& database) {
  return database.run("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA mmap_size=0;");
}

}  // namespace sealpost::sqlite
