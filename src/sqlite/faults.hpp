// SPDX-License-Identifier: Apache-2.0
//
// Planted faults: each is a mistake that was made once or could be, switched on by a test or a campaign to see that it is
// found. None is ever on in a relay: nothing but tests calls plant().
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>

namespace sealpost::sqlite {

enum class Fault : std::uint8_t {
  none,
  busy_is_damage,        // somebody's lock is taken for a damaged file
  full_is_damage,        // a full disk is taken for a damaged file
  io_is_damage,          // a read error is taken for a damaged file
  overwrite_aside,       // a file set aside takes the place of an earlier one
  forget_wal,            // the write-ahead log is deleted, not moved along
  unreadable_is_absent,  // a policy that cannot be read is taken for one that never was
  no_second_copy,        // sts-policies.log is not read when sts.db cannot be
  drop_when_closed,      // counts are thrown away while the database cannot be written
  never_reopen,          // a database that could not be used is never tried again
};
inline constexpr std::array fault_names{
    "none",       "busy-is-damage",       "full-is-damage", "io-is-damage",     "overwrite-aside",
    "forget-wal", "unreadable-is-absent", "no-second-copy", "drop-when-closed", "never-reopen"};

inline std::atomic<Fault> planted_fault{Fault::none};
inline void plant(Fault fault) noexcept { planted_fault.store(fault, std::memory_order_relaxed); }
inline bool planted(Fault fault) noexcept { return planted_fault.load(std::memory_order_relaxed) == fault; }

}  // namespace sealpost::sqlite
