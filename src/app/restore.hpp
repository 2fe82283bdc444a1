// SPDX-License-Identifier: Apache-2.0
//
// A backup put in the place of what a data directory holds (docs/operating.md, Backup). ADR 41.
//
// Everything is copied and checked beside the old first, in data_dir/restore.new. Renaming that to restore.ready is the one step
// that decides: before it everything is as it was, after it the rest is moving names, which whoever comes next does to the
// end: `restore` itself, another `restore`, or the next start. All of it under a lock that whoever uses data_dir holds too
// (data_dir_lock.hpp), and no name is ever moved over another.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "app/backup_check.hpp"
#include "base/handles.hpp"
#include "sealpost/expected.hpp"

namespace sealpost::app {

enum class FormerQueue : std::uint8_t {
  refuse,     // when there is mail in it
  keep,       // it stays the queue; that of the backup is not taken
  set_aside,  // beside the rest of what was there
};

struct RestoreWish {
  RestoreWish() = default;
  std::string backup, data_dir;
  bool replace = false;  // what data_dir holds now is kept beside the new; without it that is refused
  FormerQueue queue = FormerQueue::refuse;
  std::string user;  // whose data_dir is made when there is none; empty: who asks
  SystemTime now{};
  std::function<void(const char* step)> before_step;  // of those that change something on disk; for tests
};

enum class QueueNow : std::uint8_t {
  of_backup,
  former,
  empty,  // the backup has none; or the former was to be kept, and there was none
};

struct Restored {
  CheckedBackup backup;
  std::string kept_in;  // where what was there before is now; empty: there was nothing
  QueueNow queue = QueueNow::empty;
  std::optional<std::uint64_t> former_messages;  // not finished in it; none: it could not be read
};

struct RestoreFailure : Error {
  RestoreFailure(Error error) : Error(std::move(error)) {}  // NOLINT: implicit
  // The decisive step was done, by this restore or by one before it: not as it was. The detail says what is where and what to do.
  bool decided = false;
};

// Errc::exists: data_dir is in use, or holds something and the wish does not say what becomes of it; the detail says what is
// there. Others as of check_backup(). After an error everything is as it was, but where it says otherwise.
Expected<Restored, RestoreFailure> restore(const RestoreWish& wish);

// To be called before anything in data_dir is opened, by whoever will use it: no restore begins while it lives, and one that
// was cut off after its decisive step has been ended. A start waits a little for who is at it.
struct HeldDataDir {
  FileDescriptor lock;
  bool restored = false;  // one had been cut off
};
// Errc::exists: a restore is under way. Other errors name what is in the way; nothing in data_dir may be used until it is gone.
Expected<HeldDataDir> hold_data_dir(const std::string& data_dir, Duration patience = std::chrono::seconds(10),
                                    const std::function<void(const char* step)>& before_step = {});
// One was, and what is in data_dir is partly the old and partly the new.
bool is_restore_cut_off(const std::string& data_dir) noexcept;
// Names in a data directory that belong to restores, not to the relay.
bool is_of_restores(const std::string& name) noexcept;
// And those that belong to the file system.
bool is_of_the_disk(const std::string& name) noexcept;

}  // namespace sealpost::app
