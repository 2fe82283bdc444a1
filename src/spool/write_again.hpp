// SPDX-License-Identifier: Apache-2.0
//
// What a start has read may be in memory only: the process died between writing and syncing, or a sync failed, after
// which pages count as clean without being on the disk and a later sync that succeeds proves nothing (D-07). A
// start frees segments because of what it read (D-18), so it makes that durable first.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "sealpost/expected.hpp"
#include "spool/disk.hpp"

namespace sealpost::spool {

// Writes `octets` to the front of the file and syncs it. They are what was read and believed, not read once more: a
// clean page may leave memory at any time, and then the disk's older content comes back. The pages that begin at
// `unreadable`, in order, are left alone: `octets` holds zeros there, and they may be readable the next time.
Expected<void> write_again(Disk& disk, const std::string& path, std::string_view octets,
                           std::span<const std::size_t> unreadable);

}  // namespace sealpost::spool
