// SPDX-License-Identifier: Apache-2.0
//
// The spool directory on a real file system: private to us (T-51), on a local disk, and used by one process
// at a time (D-21). Files in it are opened without following links and are ours alone, or not opened at all.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "sealpost/expected.hpp"
#include "spool/disk.hpp"

namespace sealpost::spool {

// Makes the directory (not its parents) when it is missing, checks it, and locks it for the life of the
// object. Errc::refused: not ours, open to others, a link, or on a network file system; Errc::exists: another
// process has it. detail says what to do.
Expected<std::unique_ptr<Disk>> open_posix_disk(const std::string& directory);

// To look only: takes a directory of whatever owner, makes nothing, and shares its lock with others who look. Errc::exists:
// a relay uses it.
Expected<std::unique_ptr<Disk>> open_posix_disk_to_read(const std::string& directory);

// By the type statfs(2) gives: one where a sync does not mean what we need it to mean, or where two machines could both
// believe they hold the lock (D-21).
bool is_remote_file_system(std::int64_t type) noexcept;

}  // namespace sealpost::spool
