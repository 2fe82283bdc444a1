// SPDX-License-Identifier: Apache-2.0
//
// `spool check`: what a start would find wrong with a spool, found by the very code of a start, on a disk that takes no
// changes. Nothing is written, renamed or synced.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "spool/recovery.hpp"
#include "spool/stored_message.hpp"

namespace sealpost::spool {

struct Inspection {
  std::uint64_t messages = 0;  // not finished
  std::uint64_t records = 0, segments = 0;
  std::uint64_t damaged = 0;
  std::vector<Damage> damages;
  std::vector<std::string> set_aside;
  std::string marks;
};

// Errors as of recover().
Expected<Inspection> inspect(Disk& disk, std::uint32_t segment_size);
// What is not finished, as a start would find it, in order of arrival.
Expected<std::vector<StoredMessagePtr>> unfinished(Disk& disk, std::uint32_t segment_size);

}  // namespace sealpost::spool
