// SPDX-License-Identifier: Apache-2.0
//
// sealpost status [--check]
#include <iostream>
#include <memory>

#include "cli/command_line.hpp"
#include "cli/terminal.hpp"

namespace sealpost::cli {
namespace {

std::string shown_text(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

void show_tree(const Json& value, const std::string& indent) {
  const std::size_t width = terminal_width();
  for (const auto& [key, entry] : value.items()) {
    if (entry.is_object()) {
      std::cout << indent << key << ":\n";
      show_tree(entry, indent + "  ");
    } else if (entry.is_array()) {
      std::cout << indent << key << ":" << (entry.empty() ? " none" : "") << '\n';
      for (const Json& item : entry) {
        if (item.is_object())
          show_tree(item, indent + "  ");
        else
          std::cout << folded("- " + shown_text(item), indent + "  ", width);
      }
    } else {
      std::cout << folded(key + ": " + shown_text(entry), indent, width);
    }
  }
}

// The verdict, and what it rests on.
void show_verdict(const Json& verdict) {
  const std::size_t width = terminal_width();
  std::cout << folded(verdict.at("text").get<std::string>(), "", width);
  for (const Json& problem : verdict.at("problems")) {
    std::cout << folded("- " + problem.at("what").get<std::string>(), "  ", width);
    const std::string remedy = problem.at("remedy").get<std::string>();
    if (!remedy.empty()) std::cout << folded("what to do: " + remedy, "    ", width);
  }
}

void show_status(const Json& answer) {
  show_verdict(answer.at("verdict"));
  std::cout << '\n';
  Json rest = answer;
  rest.erase("verdict");
  rest.erase("troubles");                                          // among its problems
  if (rest.contains("last_day")) rest["last_day"].erase("steps");  // for pictures
  show_tree(rest, "");
}

// As monitoring wants it: 0 well, 1 somebody should look, 2 the relay itself is not well.
int grade_of(const Json& answer) {
  const std::string grade = answer.at("verdict").at("grade").get<std::string>();
  return grade == "well" ? 0 : grade == "attention" ? 1 : 2;
}

}  // namespace

void add_status_command(CLI::App& app, CommandLine& line) {
  const auto check = std::make_shared<bool>(false);
  CLI::App* status =
      app.add_subcommand("status", "Is the relay well, in words; and what it has done since its start");
  status->add_flag("--check", *check,
                   "The verdict alone, for monitoring. Exit code 0: well; 1: somebody should look;\n"
                   "2: the relay itself is not well; 69: none answers");
  status->callback([&line, check] {
    line.work = [&line, check] {
      if (!*check) return ask_and_show(line, "status", Json::object(), show_status);
      return ask_and_show(
          line, "status", Json::object(), [](const Json& answer) { show_verdict(answer.at("verdict")); },
          grade_of);
    };
  });
}

}  // namespace sealpost::cli
