// SPDX-License-Identifier: Apache-2.0
#include "cli/usage.hpp"

#include <string_view>

#include "base/words.hpp"

namespace sealpost::cli {
namespace {

std::string did_you_mean(const std::string& word, const std::vector<std::string>& known) {
  const std::vector<std::string_view> views(known.begin(), known.end());
  const std::string_view meant = text::nearest(word, views);
  return meant.empty() ? "" : "; did you mean '" + std::string(meant) + "'?";
}

const CLI::App* command_of(const CLI::App& app, const std::string& name) {
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; }))
    if (sub->get_name() == name) return sub;
  return nullptr;
}

std::vector<std::string> commands_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(sub->get_name());
  return names;
}

// Those of the command itself, and of the ones it stands in: options may come before or after.
const CLI::Option* option_of(const CLI::App& app, const std::string& name) {
  for (const CLI::App* at = &app; at != nullptr; at = at->get_parent())
    if (const CLI::Option* option = at->get_option_no_throw(name)) return option;
  return nullptr;
}

std::vector<std::string> options_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* at = &app; at != nullptr; at = at->get_parent())
    for (const CLI::Option* option : at->get_options())
      for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  return names;
}

std::string joined(const std::vector<std::string>& names) {
  std::string all;
  for (const std::string& name : names) all += (all.empty() ? "" : ", ") + name;
  return all;
}

std::string path_of(const CLI::App& app) {
  std::string path = app.get_name();
  for (const CLI::App* at = app.get_parent(); at != nullptr; at = at->get_parent())
    path = at->get_name() + " " + path;
  return path;
}

}  // namespace

std::string unknown_word(const CLI::App& app, const std::vector<std::string>& words) {
  const CLI::App* at = &app;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "--") return "";
    if (word.size() > 1 && word.front() == '-') {
      const std::string name = word.substr(0, word.find('='));
      const CLI::Option* option = option_of(*at, name);
      if (option == nullptr && name.starts_with("--"))
        return "'" + path_of(*at) + "' knows no option " + name + did_you_mean(name, options_of(*at));
      if (option != nullptr && option->get_items_expected_max() > 0 && name == word) ++i;
      continue;
    }
    const std::vector<std::string> commands = commands_of(*at);
    if (commands.empty()) continue;  // its arguments
    const CLI::App* next = command_of(*at, word);
    if (next == nullptr) {
      const std::string meant = did_you_mean(word, commands);
      return "'" + path_of(*at) + "' knows no command '" + word + "'" +
             (meant.empty() ? "; there are " + joined(commands) : meant);
    }
    at = next;
  }
  const std::vector<std::string> commands = commands_of(*at);
  if (commands.empty()) return "";
  return "'" + path_of(*at) + "' wants a command: " + joined(commands);
}

}  // namespace sealpost::cli
