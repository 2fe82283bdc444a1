// SPDX-License-Identifier: Apache-2.0
//
// sealpost status
#include <iostream>

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

}  // namespace

void add_status_command(CLI::App& app, CommandLine& line) {
  CLI::App* status = app.add_subcommand("status", "Is the relay well, and what has it done since its start");
  status->callback([&line] {
    line.work = [&line] {
      return ask_and_show(line, "status", Json::object(), [](const Json& answer) { show_tree(answer, ""); });
    };
  });
}

}  // namespace sealpost::cli
