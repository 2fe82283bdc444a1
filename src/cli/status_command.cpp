// SPDX-License-Identifier: Apache-2.0
//
// sealpost status | check
#include <sysexits.h>

#include <iostream>

#include "app/config.hpp"
#include "cli/command_line.hpp"

namespace sealpost::cli {
namespace {

void show_tree(const Json& value, const std::string& indent) {
  for (const auto& [key, entry] : value.items()) {
    if (entry.is_object()) {
      std::cout << indent << key << ":\n";
      show_tree(entry, indent + "  ");
    } else if (entry.is_array()) {
      std::cout << indent << key << ":";
      if (entry.empty()) std::cout << " none";
      std::cout << '\n';
      for (const Json& item : entry)
        std::cout << indent << "  - " << (item.is_string() ? item.get<std::string>() : item.dump()) << '\n';
    } else {
      std::cout << indent << key << ": " << (entry.is_string() ? entry.get<std::string>() : entry.dump())
                << '\n';
    }
  }
}

int check(const CommandLine& line) {
  const std::string file = line.config_file();
  app::LoadResult result = app::load_config(file);
  const app::Findings materials = app::check_materials(result.config);
  result.findings.insert(result.findings.end(), materials.begin(), materials.end());
  if (line.json) {
    Json findings = Json::array();
    for (const auto& finding : result.findings) {
      findings.push_back({{"kind", finding.kind == app::Finding::Kind::error ? "error" : "warning"},
                          {"file", finding.file},
                          {"line", finding.line},
                          {"key", finding.key},
                          {"message", finding.message}});
    }
    std::cout << Json{{"ok", result.ok()}, {"findings", findings}}.dump(2) << '\n';
  } else {
    for (const auto& finding : result.findings) std::cerr << finding.to_string() << '\n';
    if (result.ok()) {
      std::cout << "ok: " << result.config.source << ", " << result.config.listeners.size()
                << " listener(s), " << result.config.partners.size() << " partner rule(s), "
                << result.config.routes.size() << " route(s)\n";
    }
  }
  return result.ok() ? EX_OK : EX_CONFIG;
}

}  // namespace

void add_status_command(CLI::App& app, CommandLine& line) {
  CLI::App* status = app.add_subcommand("status", "Is the relay well, and what has it done since its start");
  status->callback([&line] {
    line.work = [&line] {
      return ask_and_show(line, "status", Json::object(), [](const Json& answer) { show_tree(answer, ""); });
    };
  });
}

void add_check_command(CLI::App& app, CommandLine& line) {
  CLI::App* command = app.add_subcommand(
      "check", "Read the configuration and the partner files; say everything that is wrong");
  command->callback([&line] { line.work = [&line] { return check(line); }; });
}

}  // namespace sealpost::cli
