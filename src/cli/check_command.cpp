// SPDX-License-Identifier: Apache-2.0
//
// sealpost check [--against FILE-OR-DIR]
#include <sysexits.h>

#include <iostream>
#include <memory>

#include "app/config_change.hpp"
#include "app/rules_store.hpp"
#include "cli/command_line.hpp"
#include "keys/key_file.hpp"

namespace sealpost::cli {
namespace {

constexpr int got_weaker = 1;  // no sysexits code says "yes, and the answer is bad"; diff and grep use 1

Json to_json(const app::Findings& findings) {
  Json all = Json::array();
  for (const auto& finding : findings) {
    all.push_back({{"kind", finding.kind == app::Finding::Kind::error ? "error" : "warning"},
                   {"file", finding.file},
                   {"line", finding.line},
                   {"key", finding.key},
                   {"message", finding.message}});
  }
  return all;
}

Json to_json(const policy::FloorChange& change) {
  return {{"weaker", change.weaker}, {"stronger", change.stronger}, {"other", change.other}};
}

Json to_json(const app::ConfigChange& change) {
  Json rules = Json::array();
  for (const policy::RuleChange& rule : change.rules) {
    Json one = to_json(rule.change);
    one["kind"] = policy::name_of(rule.kind);
    one["before"] = rule.before;
    one["after"] = rule.after;
    one["domains"] = rule.domains;
    one["from"] = rule.from ? Json(to_rfc3339(*rule.from)) : Json();
    rules.push_back(std::move(one));
  }
  return {{"weaker", change.weaker()}, {"settings", to_json(change.settings)}, {"rules", std::move(rules)}};
}

void show(const policy::FloorChange& change, const std::string& indent) {
  for (const std::string& text : change.weaker) std::cout << indent << "- weaker: " << text << '\n';
  for (const std::string& text : change.stronger) std::cout << indent << "- stronger: " << text << '\n';
  for (const std::string& text : change.other) std::cout << indent << "- " << text << '\n';
}

void show(const app::ConfigChange& change, const std::string& against) {
  if (change.settings.empty() && change.rules.empty()) {
    std::cout << "Demands the same as " << against << ".\n";
    return;
  }
  std::cout << "Compared with " << against << ":\n";
  if (!change.settings.empty()) std::cout << "for everybody\n";
  show(change.settings, "    ");
  for (const policy::RuleChange& rule : change.rules) {
    std::cout << policy::name_of(rule.kind) << "  " << (rule.after.empty() ? rule.before : rule.after);
    if (!rule.before.empty() && !rule.after.empty() && rule.before != rule.after)
      std::cout << " (was governed by " << rule.before << ")";
    std::cout << ":";
    for (const std::string& domain : rule.domains) std::cout << ' ' << domain;
    if (rule.from) std::cout << ", from " << to_rfc3339(*rule.from);
    std::cout << '\n';
    show(rule.change, "    ");
  }
  std::cout << (change.weaker() ? "Something gets weaker.\n" : "Nothing gets weaker.\n");
}

void print(const app::Findings& findings) {
  for (const auto& finding : findings) std::cerr << finding.to_string() << '\n';
}

// What a start or reload would make of the files beside the rules that were last in force here. Nothing on a first start,
// and nothing of a relay whose data are closed to who asks.
struct InForceHere {
  app::Guarded guarded;
  std::string note;  // why nothing was compared
};

InForceHere compare_with_those_in_force(const app::Config& wanted) {
  using State = app::RulesStore::Found::State;
  InForceHere here;
  const auto now = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
  const app::RulesStore store(wanted.data_dir);
  const auto found = store.load();
  if (found.state == State::known)
    here.guarded = app::guard_rules(&found.rules, wanted, now);
  else if (found.state == State::unreadable)
    here.note = "not compared with the rules in force: " + found.trouble;
  return here;
}

Json to_json(const InForceHere& here) {
  Json changes = Json::array();
  for (const app::RuleNews& news : here.guarded.news)
    changes.push_back({{"subject", news.subject},
                       {"weaker", news.way == app::RuleNews::Way::weaker},
                       {"text", news.text},
                       {"held", news.held},
                       {"approved_by", news.approved_by}});
  return {{"held", here.guarded.holds()}, {"changes", std::move(changes)}, {"note", here.note}};
}

void show(const InForceHere& here) {
  if (!here.note.empty()) std::cout << here.note << '\n';
  for (const app::RuleNews& news : here.guarded.news) {
    if (news.way != app::RuleNews::Way::weaker) continue;
    std::cout << "weaker than in force: " << news.subject << ": " << news.text
              << (news.held ? " - not let in" : " - approved by " + news.approved_by) << '\n';
  }
  if (!here.guarded.holds()) return;
  const auto now = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
  std::cout << "A start or reload keeps the former demand for these. If they are on purpose, write into a "
               "partner file "
               "(for settings into the configuration):\n\n"
            << app::entries_to_write(here.guarded.news, now);
}

int check(const CommandLine& line, const std::string& against) {
  app::LoadResult result = app::load_config(line.config_file());
  const app::Findings materials = app::check_materials(result.config, keys::FileSource());
  result.findings.insert(result.findings.end(), materials.begin(), materials.end());
  bool good = result.ok();
  Json answer;
  std::optional<app::ConfigChange> change;
  if (good && !against.empty()) {
    const auto now = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
    const app::LoadResult before = app::load_for_comparison(against, result.config, now);
    if (before.ok()) {
      change = app::compare_configs(before.config, result.config, now);
      answer["against"] = to_json(*change);
    } else {  // its warnings are not our business, its errors are
      good = false;
      for (const auto& finding : before.findings)
        if (finding.kind == app::Finding::Kind::error) result.findings.push_back(finding);
    }
  }
  InForceHere here;
  if (good) here = compare_with_those_in_force(result.config);
  if (line.json) {
    answer["ok"] = good;
    answer["in_force"] = to_json(here);
    answer["findings"] = to_json(result.findings);
    std::cout << answer.dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
  } else {
    print(result.findings);
    if (good) {
      std::cout << "ok: " << result.config.source << ", " << result.config.listeners.size()
                << " listener(s), " << result.config.partners.size() << " partner rule(s), "
                << result.config.routes.size() << " route(s)\n";
    }
    if (change) show(*change, against);
    show(here);
  }
  if (!good) return EX_CONFIG;
  return here.guarded.holds() || (change && change->weaker()) ? got_weaker : EX_OK;
}

}  // namespace

void add_check_command(CLI::App& app, CommandLine& line) {
  const auto against = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand(
      "check", "Read the configuration and the partner files; say everything that is wrong");
  command->add_option(
      "--against", *against,
      "Also say what this configuration demands more or less than that of FILE-OR-DIR: a "
      "configuration, a partner\n"
      "file or a directory of them. Exit code 1 when anything gets weaker, and when a reload\n"
      "would keep a demand of the rules in force that the files no longer make");
  command->callback([&line, against] { line.work = [&line, against] { return check(line, *against); }; });
}

}  // namespace sealpost::cli
