// SPDX-License-Identifier: Apache-2.0
//
// [[weaker]]: the dated line by which a file says that a demand gets weaker on purpose. Without one the former demand is
// held, so that a lost line or file lowers nothing (ADR 15; policies/README.md). In partner files for partners, in the
// configuration for settings too.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/toml_reader.hpp"
#include "sealpost/clock.hpp"

namespace sealpost::app {

struct WeakerEntry {
  std::vector<std::string> partners;  // names of the rules that ask less, as they were called before
  std::vector<std::string> settings;  // keys such as "dane.enabled"
  bool removed = false;  // the rules may go altogether: a rule that was lost is told from one that was edited
  SystemTime date{};     // the day of the change, 0:00 UTC
  std::string reason, approved_by;
  std::string file;
  unsigned line = 0;
};

constexpr auto weaker_entry_lasts = std::chrono::hours(8 * 24);  // its day and the seven after it

WeakerEntry read_weaker_entry(TableReader& reader, SystemTime now);

// Does the entry count at `now`? From the day before its date, for those who are ahead of UTC.
bool counts_at(const WeakerEntry& entry, SystemTime now) noexcept;

// The first entry that covers the change of a rule (`gone`: no rule takes its place) or of a setting; null: none.
const WeakerEntry* entry_for_rule(const std::vector<WeakerEntry>& entries, std::string_view rule, bool gone,
                                  SystemTime now) noexcept;
const WeakerEntry* entry_for_setting(const std::vector<WeakerEntry>& entries, std::string_view key,
                                     SystemTime now) noexcept;

// An entry to copy, for `check` and the log.
std::string entry_to_write(const std::vector<std::string>& partners, const std::vector<std::string>& settings,
                           bool removed, SystemTime now);

}  // namespace sealpost::app
