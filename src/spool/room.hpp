// SPDX-License-Identifier: Apache-2.0
//
// Is there room on the disk for mail of `size` octets (0: unknown)? Errc::no_space says how much is wanted (D-08),
// Errc::unavailable that nobody can tell. Any thread.
#pragma once

#include <cstdint>

#include "sealpost/expected.hpp"
#include "spool/disk.hpp"
#include "spool/options.hpp"

namespace sealpost::spool {

Expected<void> room_on(Disk& disk, const SpoolOptions& options, std::uint64_t size);

}  // namespace sealpost::spool
