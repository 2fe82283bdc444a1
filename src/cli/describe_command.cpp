// SPDX-License-Identifier: Apache-2.0
//
// sealpost describe (hidden): the commands and their options from the objects that `--help` is printed from, so that the
// manual and the shells' completion (docs/man/generate.py) cannot say anything else.
#include <iostream>

#include "cli/command_line.hpp"

namespace sealpost::cli {
namespace {

bool hidden(const std::string& group) { return group.empty(); }

Json describe(const CLI::Option& option) {
  Json body;
  body["names"] = Json::array();
  for (const std::string& name : option.get_snames()) body["names"].push_back("-" + name);
  for (const std::string& name : option.get_lnames()) body["names"].push_back("--" + name);
  if (option.get_positional()) body["positional"] = option.get_name(true);
  body["description"] = option.get_description();
  if (option.get_items_expected_max() > 0) body["value"] = option.get_type_name();
  if (!option.get_default_str().empty()) body["default"] = option.get_default_str();
  body["required"] = option.get_required();
  body["many"] = option.get_items_expected_max() > 1;
  return body;
}

}  // namespace

Json describe(const CLI::App& app) {
  Json body;
  body["name"] = app.get_name();
  body["description"] = app.get_description();
  const CLI::App* parent = app.get_parent();
  // Commands inherit the text at the end from the one above them.
  if (parent == nullptr || parent->get_footer() != app.get_footer()) body["footer"] = app.get_footer();
  body["options"] = Json::array();
  for (const CLI::Option* option : app.get_options())
    if (!hidden(option->get_group())) body["options"].push_back(describe(*option));
  body["commands"] = Json::array();
  for (const CLI::App* command :
       app.get_subcommands([](const CLI::App* one) { return !hidden(one->get_group()); }))
    body["commands"].push_back(describe(*command));
  return body;
}

void add_describe_command(CLI::App& app, CommandLine& line) {
  app.add_subcommand("describe", "All commands as JSON, for the manual")->group("")->callback([&app, &line] {
    line.work = [&app] {
      std::cout << describe(app).dump(2) << '\n';
      return 0;
    };
  });
}

}  // namespace sealpost::cli
