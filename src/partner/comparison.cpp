// SPDX-License-Identifier: Apache-2.0
#include "partner/comparison.hpp"

#include <filesystem>

#include "partner/floor_settings.hpp"
#include "partner/load_config.hpp"
#include "partner/partner_file.hpp"

namespace sealpost::app {
namespace {

// One that is not yet right TOML, too: what is wrong with it is not said as of a configuration.
bool holds_partners(const std::string& path) {
  Findings unused;
  if (const auto table = parse_toml_file(path, unused)) return table->contains("partner");
  const auto file = read_whole_file(path);
  if (!file) return false;
  constexpr std::string_view heading = "[[partner]]";
  return file->text.starts_with(heading) || file->text.find("\n" + std::string(heading)) != std::string::npos;
}

}  // namespace

ConfigChange compare_configs(const Config& before, const Config& after, SystemTime now) {
  return compare_in_force(rules_in_force(before), rules_in_force(after), now);
}

ConfigChange compare_in_force(const RulesInForce& before, const RulesInForce& after, SystemTime now) {
  ConfigChange change;
  for (SettingChange& each :
       compare_settings(before.settings, before.partners, after.settings, after.partners, now)) {
    auto& texts = each.way == SettingChange::Way::weaker     ? change.settings.weaker
                  : each.way == SettingChange::Way::stronger ? change.settings.stronger
                                                             : change.settings.other;
    texts.push_back(each.text + " (" + each.key + ")");
  }
  change.rules = rules::compare_rule_sets(before.partners, after.partners, now, before.settings.minimum,
                                          after.settings.minimum);
  return change;
}

bool is_partner_file(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_directory(path, ignored) || holds_partners(path);
}

LoadResult load_for_comparison(const std::string& path, const Config& other, SystemTime now) {
  std::error_code ignored;
  const bool directory = std::filesystem::is_directory(path, ignored);
  if (!is_partner_file(path)) return load_config(path);
  PartnerFiles files = directory ? read_partner_directory(path, now) : read_partner_file(path, now);
  LoadResult result;
  result.config = other;
  result.config.source = path;
  result.config.partners = std::move(files.rules);
  result.findings = std::move(files.findings);
  return result;
}

}  // namespace sealpost::app
