// SPDX-License-Identifier: Apache-2.0
//
// sealpost reload: as SIGHUP, and what came of it.
#include <iostream>

#include <sysexits.h>

#include "cli/command_line.hpp"
#include "cli/terminal.hpp"

namespace sealpost::cli {
namespace {

void show_list(const Json& answer, const char* key, const std::string& title) {
  if (answer.at(key).empty()) return;
  const std::size_t width = terminal_width();
  std::cout << folded(title, "", width);
  for (const Json& entry : answer.at(key)) std::cout << folded("- " + entry.get<std::string>(), "  ", width);
}

void show_reload(const Json& answer) {
  const std::size_t width = terminal_width();
  const bool reloaded = answer.at("reloaded").get<bool>();
  const std::string config = text_of(answer, "config");
  if (reloaded) {
    const auto partners = answer.at("partners").get<std::size_t>();
    std::cout << folded("reloaded " + config + ": " + std::to_string(partners) +
                            (partners == 1 ? " partner rule" : " partner rules") + " in force",
                        "", width);
    if (answer.at("changed").empty() && answer.at("rules").empty()) std::cout << "nothing has changed\n";
  } else {
    std::cout << folded("not reloaded: " + text_of(answer, "why"), "", width);
    std::cout << folded(text_of(answer, "remedy"), "  ", width);
  }
  show_list(answer, "findings", "found in the files:");
  show_list(answer, "changed", "changed keys:");
  show_list(answer, "rules", "changed rules:");
  show_list(answer, "held",
            "asked for less without saying that it is on purpose, so the former demand stays:");
  show_list(answer, "restart", "waits for a restart:");
}

}  // namespace

void add_reload_command(CLI::App& app, CommandLine& line) {
  CLI::App* reload =
      app.add_subcommand("reload",
                         "Read configuration and rules again, as SIGHUP does, and say what changed and what\n"
                         "waits for a restart. Exit code 78: the files are wrong, and nothing has changed");
  reload->callback([&line] {
    line.work = [&line] {
      return ask_and_show(line, "reload", Json::object(), show_reload, [](const Json& answer) {
        return answer.at("reloaded").get<bool>() ? EX_OK : EX_CONFIG;
      });
    };
  });
}

}  // namespace sealpost::cli
