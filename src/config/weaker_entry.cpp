// SPDX-License-Identifier: Apache-2.0
#include "config/weaker_entry.hpp"

#include <algorithm>

#include "config/checks.hpp"

namespace sealpost::app {
namespace {

constexpr auto day = std::chrono::hours(24);

bool names(const std::vector<std::string>& all, std::string_view one) noexcept {
  return std::find(all.begin(), all.end(), one) != all.end();
}

std::string quoted(const std::vector<std::string>& all) {
  std::string text;
  for (const std::string& one : all) {
    text += text.empty() ? "\"" : ", \"";
    for (const char c : one) text += (c == '"' || c == '\\') ? std::string("\\") + c : std::string(1, c);
    text += '"';
  }
  return "[" + text + "]";
}

}  // namespace

WeakerEntry read_weaker_entry(TableReader& reader, SystemTime now) {
  WeakerEntry entry;
  entry.file = reader.file();
  entry.line = reader.line();
  for (const std::string_view key : {"date", "reason", "approved_by"}) reader.required(key);
  if (auto partners = reader.strings("partners")) entry.partners = std::move(*partners);
  if (auto settings = reader.strings("settings")) entry.settings = std::move(*settings);
  if (entry.partners.empty() && entry.settings.empty())
    reader.error("partners",
                 "names nobody; write partners = [\"name of the rule\"], or settings = [\"dane.enabled\"]");
  if (const auto removed = reader.boolean("removed")) entry.removed = *removed;
  entry.reason = read_words(reader, "reason");
  entry.approved_by = read_words(reader, "approved_by");
  if (const auto date = reader.time("date")) {
    entry.date = std::chrono::floor<std::chrono::days>(*date);
    if (now >= entry.date + weaker_entry_lasts)
      reader.warning("date", "the entry counted until " + to_utc_day(entry.date + weaker_entry_lasts) +
                                 "; it can be removed");
  }
  return entry;
}

bool counts_at(const WeakerEntry& entry, SystemTime now) noexcept {
  return entry.date != SystemTime{} && now >= entry.date - day && now < entry.date + weaker_entry_lasts;
}

const WeakerEntry* entry_for_rule(const std::vector<WeakerEntry>& entries, std::string_view rule, bool gone,
                                  SystemTime now) noexcept {
  const auto found = std::find_if(entries.begin(), entries.end(), [&](const WeakerEntry& entry) {
    return names(entry.partners, rule) && (entry.removed || !gone) && counts_at(entry, now);
  });
  return found == entries.end() ? nullptr : &*found;
}

const WeakerEntry* entry_for_setting(const std::vector<WeakerEntry>& entries, std::string_view key,
                                     SystemTime now) noexcept {
  const auto found = std::find_if(entries.begin(), entries.end(), [&](const WeakerEntry& entry) {
    return names(entry.settings, key) && counts_at(entry, now);
  });
  return found == entries.end() ? nullptr : &*found;
}

std::string entry_to_write(const std::vector<std::string>& partners, const std::vector<std::string>& settings,
                           bool removed, SystemTime now) {
  std::string text = "[[weaker]]\n";
  if (!partners.empty()) text += "partners = " + quoted(partners) + "\n";
  if (!settings.empty()) text += "settings = " + quoted(settings) + "\n";
  if (removed) text += "removed = true\n";
  return text + "date = " + to_utc_day(now) + "\nreason = \"\"\napproved_by = \"\"\n";
}

}  // namespace sealpost::app
