// SPDX-License-Identifier: Apache-2.0
//
// sealpost spool check | recover
#include <sysexits.h>

#include <filesystem>
#include <iostream>
#include <memory>

#include "app/spool_tools.hpp"
#include "base/log.hpp"
#include "cli/command_line.hpp"
#include "cli/control_client.hpp"
#include "cli/screen.hpp"
#include "config/config.hpp"

namespace sealpost::cli {
namespace {

constexpr int got_damage = 1;  // as `check --against`: the question was answered, with a bad answer

int fail_spool(const CommandLine& line, const Error& error) {
  if (error.code == Errc::exists)
    return line.fail(
        {EX_TEMPFAIL, error.detail,
         "a relay is using it: 'sealpost status' lists what its start found; stop it to look again"});
  const int exit_code = error.code == Errc::not_found ? EX_NOINPUT
                        : error.code == Errc::invalid ? EX_DATAERR
                                                      : EX_UNAVAILABLE;
  return line.fail({exit_code, error.detail, ""});
}

int check(const CommandLine& line, const std::string& directory) {
  log::configure(-1, log::Format::text, log::Level::error);  // the same is printed below
  const auto found = app::check_spool(directory.empty() ? line.data_dir() + "/spool" : directory);
  if (!found) return fail_spool(line, found.error());
  Json damages = Json::array();
  for (const auto& damage : found->damages) damages.push_back(spool::describe(damage));
  if (line.json) {
    const Json answer{{"messages", found->messages}, {"records", found->records},
                      {"segments", found->segments}, {"damaged", found->damaged},
                      {"damages", damages},          {"set_aside", found->set_aside},
                      {"marks", found->marks}};
    std::cout << answer.dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
  } else {
    const Screen screen;
    std::cout << found->messages << " unfinished message(s), " << found->records << " records in "
              << found->segments << " segment(s)\n";
    for (const Json& damage : damages) std::cout << "damaged: " << damage.get<std::string>() << '\n';
    if (found->damaged > found->damages.size())
      std::cout << "and " << found->damaged - found->damages.size() << " more\n";
    for (const std::string& name : found->set_aside)
      std::cout << "set aside before: corrupt/" << name << " (sealpost spool recover FILE)\n";
    if (!found->marks.empty()) std::cout << "marks: " << found->marks << '\n';
    if (found->damaged == 0) std::cout << "Nothing is damaged or missing.\n";
  }
  return found->damaged == 0 ? EX_OK : got_damage;
}

void show(const Json& answer) {
  const auto list = [&](const char* key, const char* words) {
    for (const Json& id : answer.at(key)) std::cout << words << ' ' << id.get<std::string>() << '\n';
  };
  list("taken", "taken, and held:");
  list("known", "in the queue already:");
  list("finished", "finished, not taken:");
  list("unreadable", "unreadable:");
  std::cout << answer.at("taken").size() << " taken, " << answer.at("known").size() << " known, "
            << answer.at("finished").size() << " finished, " << answer.at("unreadable").size()
            << " unreadable; " << answer.at("unreadable_octets") << " octets belong to no record\n";
  if (!answer.at("taken").empty())
    std::cout << "See `sealpost queue list --state held`; `queue release ID` sends one, `queue remove ID` "
                 "drops it.\n";
}

int print(const CommandLine& line, const Json& answer) {
  if (line.json) return line.print(answer);
  const Screen screen;
  show(answer);
  return EX_OK;
}

// Into the running relay; when there is none, into its spool.
int recover(const CommandLine& line, const std::string& file) {
  const std::string path = std::filesystem::absolute(file).lexically_normal().string();
  const auto answer = ask_relay(line.socket_path(), "spool.recover", {{"file", path}});
  if (answer) return print(line, *answer);
  if (answer.error().exit_code != EX_UNAVAILABLE) return line.fail(answer.error());
  log::configure(2, log::Format::text, log::Level::error);
  const auto taken = app::recover_into_spool(line.data_dir(), path);
  if (!taken) return fail_spool(line, taken.error());
  return print(line, *taken);
}

}  // namespace

void add_spool_commands(CLI::App& app, CommandLine& line) {
  CLI::App* spool =
      app.add_subcommand("spool", "Look for damage in the journal, and read in what was set aside");
  spool->require_subcommand(1);
  const auto name = std::make_shared<std::string>();
  CLI::App* look = spool->add_subcommand(
      "check", "What a start would find damaged or missing; reads only. Exit code 1 when there is anything");
  look->add_option("DIR", *name, "A spool or data directory; default: that of the configuration");
  look->callback([&line, name] { line.work = [&line, name] { return check(line, *name); }; });
  CLI::App* take = spool->add_subcommand(
      "recover", "Take in, held, the mail that can still be read in a file of corrupt/ or a segment");
  take->add_option("FILE", *name, "The file")->required();
  take->callback([&line, name] { line.work = [&line, name] { return recover(line, *name); }; });
}

}  // namespace sealpost::cli
