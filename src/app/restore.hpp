// SPDX-License-Identifier: Apache-2.0
//
// A backup put in the place of what a data directory holds (docs/operating.md, Backup). ADR 41.
//
// Everything is copied and checked beside the old first, in data_dir/restore.new. Renaming that to restore.ready is the one step
// that decides: before it everything is as it was, after it the rest is moving names, which whoever comes next does to the
// end: `restore` itself, another `restore`, or the next start.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "app/backup_check.hpp"
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

struct Restored {
  CheckedBackup backup;
  std::string kept_in;      // where what was there before is now; empty: there was nothing
  bool queue_kept = false;  // the queue is the former one
  std::optional<std::uint64_t> former_messages;  // not finished in it; none: it could not be read
};

// Errc::exists: a relay runs, or data_dir holds something and the wish does not say what becomes of it; the detail says what is
// there. Others as of check_backup(). After an error everything is as it was.
Expected<Restored> restore(const RestoreWish& wish);

// Ends a restore that was cut off after the decisive step. To be called before anything in data_dir is opened. True: there
// was one. An error names what is in the way; nothing of it may be used until it is gone.
Expected<bool> finish_restore(const std::string& data_dir,
                              const std::function<void(const char* step)>& before_step = {});
// Names in a data directory that belong to restores, not to the relay.
bool is_of_restores(const std::string& name) noexcept;

}  // namespace sealpost::app
