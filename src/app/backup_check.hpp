// SPDX-License-Identifier: Apache-2.0
//
// What a backup is worth: whole, as it was written, and of no newer format than this program reads. Reads only.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sealpost/clock.hpp"
#include "sealpost/expected.hpp"

namespace sealpost::app {

// What `backup` writes into the copy as its last file, and `restore` holds it against: backup.json.
struct BackupList {
  SystemTime made{};
  std::string by;  // version of the program
  bool with_mail = false;
  std::map<std::string, std::string> files;  // path in the copy, SHA-256 in lower-case hex
};
constexpr const char* backup_list_name = "backup.json";
// Of all files below `directory` but itself. Errors name the file.
Expected<std::map<std::string, std::string>> digests_of(const std::string& directory);
Expected<void> write_backup_list(const std::string& directory, const BackupList& list);

struct CheckedBackup {
  std::optional<BackupList>
      list;  // none: a copy made by hand, of which nobody knows whether a file is missing
  std::vector<std::string> names;  // what it consists of, the list itself left out
  std::vector<std::string> databases;
  bool with_mail = false;
  std::uint64_t messages = 0;       // not finished, in its queue
  std::optional<SystemTime> clock;  // the newest time that it believed
};
// Everything is looked at: files against their digests, databases by SQLite, the journal as a start would read it, the record
// of rules in force. Errc::newer: made by a newer sealpost. Errc::damaged, invalid, not_found, io: names the file, and says what
// would be right.
Expected<CheckedBackup> check_backup(const std::string& directory);

// Before a start touches anything: Errc::newer names the database in `data_dir` that a newer sealpost made (D-26). Those that
// cannot be read are looked at by whoever opens them.
Expected<void> refuse_newer_databases(const std::string& data_dir);

}  // namespace sealpost::app
