// SPDX-License-Identifier: Apache-2.0
//
// A small operator's life with a partner file: edits, accidents, reloads, crashes, damage to the record, one seed each, and
// the question after every step whether the partner's floor still stands. With faults that can be planted between the
// parts, so that a campaign can show that each would be found.
#pragma once

#include <array>
#include <string>
#include <string_view>

namespace sealpost::app::test {

enum class RulePlant : unsigned char {
  none,
  empty_file_is_no_rules,     // what a broken file still yields is taken
  reload_weaker_silently,     // a reload puts in force what the files say
  start_weaker_silently,      // a start does
  unreadable_record_is_none,  // a record that cannot be read is a first start
  record_after_use,           // rules are in force before they are written down
  mutate_in_place,            // a reload changes the rules that an attempt began with
};
constexpr std::array rule_plants{RulePlant::empty_file_is_no_rules, RulePlant::reload_weaker_silently,
                                 RulePlant::start_weaker_silently,  RulePlant::unreadable_record_is_none,
                                 RulePlant::record_after_use,       RulePlant::mutate_in_place};
std::string_view name_of(RulePlant plant) noexcept;

// Empty: every demand held. Else the step at which one was lowered, in words.
std::string rule_trial(RulePlant plant, unsigned seed);

}  // namespace sealpost::app::test
