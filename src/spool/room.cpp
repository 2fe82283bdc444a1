// SPDX-License-Identifier: Apache-2.0
#include "spool/room.hpp"

#include <algorithm>
#include <string>

namespace sealpost::spool {

Expected<void> room_on(Disk& disk, const SpoolOptions& options, std::uint64_t size) {
  Space space;
  if (const int failed = disk.space(space); failed != 0)
    return Error(Errc::unavailable, disk_error(failed, "cannot tell the free space").detail);
  const std::uint64_t needed = std::max({2 * size, space.total / 100 * options.floor_percent, options.floor});
  if (space.free < needed)
    return Error(Errc::no_space, std::to_string(space.free >> 20) + " MiB free, " +
                                     std::to_string(needed >> 20) + " MiB needed");
  if (space.inodes != 0 && space.free_inodes < options.floor_inodes)
    return Error(Errc::no_space, std::to_string(space.free_inodes) + " free inodes");
  return {};
}

}  // namespace sealpost::spool
