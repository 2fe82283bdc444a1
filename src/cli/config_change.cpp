// SPDX-License-Identifier: Apache-2.0
#include "cli/config_change.hpp"

#include <iostream>

namespace sealpost::cli {
namespace {

Json axes_of(const rules::FloorChange& change) {
  return {{"weaker", change.weaker}, {"stronger", change.stronger}, {"other", change.other}};
}

void show_axes(const rules::FloorChange& change, const std::string& indent) {
  for (const std::string& text : change.weaker) std::cout << indent << "- weaker: " << text << '\n';
  for (const std::string& text : change.stronger) std::cout << indent << "- stronger: " << text << '\n';
  for (const std::string& text : change.other) std::cout << indent << "- " << text << '\n';
}

}  // namespace

Json change_json(const app::ConfigChange& change) {
  Json rules = Json::array();
  for (const rules::RuleChange& rule : change.rules) {
    Json one = axes_of(rule.change);
    one["kind"] = rules::name_of(rule.kind);
    one["before"] = rule.before;
    one["after"] = rule.after;
    one["domains"] = rule.domains;
    one["from"] = rule.from ? Json(to_rfc3339(*rule.from)) : Json();
    rules.push_back(std::move(one));
  }
  return {{"weaker", change.weaker()}, {"settings", axes_of(change.settings)}, {"rules", std::move(rules)}};
}

void show_change(const app::ConfigChange& change, const std::string& against) {
  if (change.settings.empty() && change.rules.empty()) {
    std::cout << "Demands the same as " << against << ".\n";
    return;
  }
  std::cout << "Compared with " << against << ":\n";
  if (!change.settings.empty()) std::cout << "for everybody\n";
  show_axes(change.settings, "    ");
  for (const rules::RuleChange& rule : change.rules) {
    std::cout << rules::name_of(rule.kind) << "  " << (rule.after.empty() ? rule.before : rule.after);
    if (!rule.before.empty() && !rule.after.empty() && rule.before != rule.after)
      std::cout << " (was governed by " << rule.before << ")";
    std::cout << ":";
    for (const std::string& domain : rule.domains) std::cout << ' ' << domain;
    if (rule.from) std::cout << ", from " << to_rfc3339(*rule.from);
    std::cout << '\n';
    show_axes(rule.change, "    ");
  }
  std::cout << (change.weaker() ? "Something gets weaker.\n" : "Nothing gets weaker.\n");
}

}  // namespace sealpost::cli
