// SPDX-License-Identifier: Apache-2.0
//
// Which fault is planted: SEALPOST_PLANT names it, none when it is not set.
#include "spool/planted.hpp"

#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace sealpost::spool {
namespace {

struct FaultName {
  const char* name;
  Fault fault;
};
constexpr FaultName names[] = {{"write-behind-unproven-tail", Fault::write_behind_unproven_tail},
                               {"ignore-gap", Fault::ignore_gap},
                               {"ignore-missing-segment", Fault::ignore_missing_segment},
                               {"ignore-clean-mark", Fault::ignore_clean_mark},
                               {"ignore-torn-tail", Fault::ignore_torn_tail},
                               {"no-batch-sequence", Fault::no_batch_sequence},
                               {"no-copy-of-damage", Fault::no_copy_of_damage},
                               {"no-write-again", Fault::no_write_again},
                               {"skip-sync", Fault::skip_sync},
                               {"trust-failed-tail", Fault::trust_failed_tail},
                               {"free-segment-too-early", Fault::free_segment_too_early},
                               {"shortage-is-fault", Fault::shortage_is_fault},
                               {"forget-facts-without-room", Fault::forget_facts_without_room},
                               {"half-a-group", Fault::half_a_group}};

const FaultName* chosen() noexcept {
  const char* text = std::getenv("SEALPOST_PLANT");
  if (text == nullptr || *text == '\0') return nullptr;
  for (const FaultName& one : names)
    if (std::string_view(text) == one.name) return &one;
  std::fprintf(stderr, "SEALPOST_PLANT=%s: no such fault\n", text);
  std::_Exit(0);  // what is expected to fail must not do so for this
}

}  // namespace

bool planted(Fault fault) noexcept {
  static const FaultName* const one = chosen();
  return one != nullptr && one->fault == fault;
}

}  // namespace sealpost::spool
