// SPDX-License-Identifier: Apache-2.0
#include "cli/command_line.hpp"

#include <unistd.h>

#include <cerrno>
#include <iostream>

#include "cli/control_client.hpp"
#include "cli/screen.hpp"
#include "cli/terminal.hpp"
#include "config/config.hpp"
#include "partner/load_config.hpp"

namespace sealpost::cli {

std::string CommandLine::config_file() const {
  constexpr const char* folder = "/etc/sealpost";
  if (!config.empty()) return config;
  // Where the folder is, the file is meant to be: the defaults do not take the place of one that was lost.
  return ::access(folder, F_OK) == 0 || errno != ENOENT ? std::string(folder) + "/sealpost.toml" : "";
}

std::string CommandLine::data_dir() const { return app::load_config(config_file()).config.data_dir; }

std::string CommandLine::socket_path() const {
  if (!socket.empty()) return socket;
  const app::LoadResult loaded = app::load_config(config_file());
  if (!loaded.config.control_socket.empty()) return loaded.config.control_socket;
  for (const app::Finding& finding : loaded.findings)
    if (!json && finding.kind == app::Finding::Kind::error)
      std::cerr << folded(finding.to_string(), "", terminal_width(STDERR_FILENO));
  return {};
}

int CommandLine::print(const Json& answer) const {
  std::cout << answer.dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
  return 0;
}

int CommandLine::fail(const ControlError& error) const {
  if (json) {
    std::cerr << to_json(error).dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
  } else {
    const std::size_t width = terminal_width(STDERR_FILENO);
    std::cerr << folded("sealpost: " + error.message, "", width);
    if (!error.remedy.empty()) std::cerr << folded(error.remedy, "  ", width);
  }
  return error.exit_code;
}

int ask_and_show(const CommandLine& line, const std::string& name, const Json& arguments,
                 const std::function<void(const Json&)>& show,
                 const std::function<int(const Json&)>& exit_code) {
  const auto answer = ask_relay(line.socket_path(), name, arguments);
  if (!answer) return line.fail(answer.error());
  if (line.json) {
    line.print(*answer);
  } else {
    const Screen screen;
    show(*answer);
  }
  return exit_code ? exit_code(*answer) : 0;
}

}  // namespace sealpost::cli
