// SPDX-License-Identifier: Apache-2.0
//
// sealpost clock show | believe: whether the relay believes the system's clock, and an operator's word that it may.
#include <iostream>

#include "cli/command_line.hpp"

namespace sealpost::cli {
namespace {

void show_clock(const Json& answer) {
  for (const char* key : {"state", "system", "believed", "off", "even_for", "remedy"})
    if (answer.contains(key)) std::cout << key << ": " << answer.at(key).get<std::string>() << '\n';
}

}  // namespace

void add_clock_commands(CLI::App& app, CommandLine& line) {
  CLI::App* clock = app.add_subcommand("clock", "The time that the relay judges dates by");
  clock->require_subcommand(1);
  const auto add = [&](const char* name, const char* what) {
    clock->add_subcommand(name, what)->callback([&line, name] {
      line.work = [&line, name] {
        return ask_and_show(line, std::string("clock.") + name, Json::object(), show_clock);
      };
    });
  };
  add("show", "Is the system's clock believed, and how far is it off");
  add("believe", "The system's clock is right: judge dates by it from now on, even if that means going back");
}

}  // namespace sealpost::cli
