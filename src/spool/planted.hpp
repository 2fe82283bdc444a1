// SPDX-License-Identifier: Apache-2.0
//
// Faults of the journal planted on purpose, one at a time, so that its tests are seen to find them. In the relay's own
// build planted() is a constant and nothing of this is left; tests/unit/spool builds the files that ask it once more,
// with the fault of the environment variable SEALPOST_PLANT (tests/unit/spool/meson.build lists the names).
#pragma once

#include <cstdint>

namespace sealpost::spool {

enum class Fault : std::uint8_t {
  write_behind_unproven_tail,
  ignore_gap,
  ignore_missing_segment,
  ignore_clean_mark,
  ignore_torn_tail,
  no_batch_sequence,
  no_copy_of_damage,
  no_write_again,
  skip_sync,
  trust_failed_tail,
  free_segment_too_early,
  shortage_is_fault,
  forget_facts_without_room,
  half_a_group,
};

#ifdef SEALPOST_PLANTED_FAULTS
bool planted(Fault fault) noexcept;
#else
constexpr bool planted(Fault) noexcept { return false; }
#endif

}  // namespace sealpost::spool
