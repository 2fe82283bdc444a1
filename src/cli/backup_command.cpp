// SPDX-License-Identifier: Apache-2.0
//
// sealpost backup
#include <sysexits.h>

#include <iostream>
#include <memory>

#include "app/backup.hpp"
#include "cli/command_line.hpp"
#include "partner/load_config.hpp"

namespace sealpost::cli {
namespace {

int back_up(const CommandLine& line, const std::string& target, bool with_mail) {
  const app::LoadResult loaded = app::load_config(line.config_file());  // `check` says what is wrong with it
  const auto done =
      app::back_up(loaded.config.data_dir, target, with_mail ? app::WithMail::yes : app::WithMail::no);
  if (!done) {
    std::cerr << "sealpost: no backup was made: " << done.error().detail << '\n';
    return done.error().code == Errc::exists ? EX_USAGE : EX_CANTCREAT;
  }
  if (line.json) {
    std::cout << Json{{"directory", target},
                      {"databases", done->databases},
                      {"files", done->files},
                      {"octets", done->octets},
                      {"with_mail", with_mail}}
                     .dump(2)
              << '\n';
    return EX_OK;
  }
  std::cout
      << target << ": " << done->databases << " databases, " << done->files << " files, " << done->octets
      << " octets\n"
      << (with_mail
              ? "The queue is in it: mail delivered from now on is delivered again where it is restored.\n"
              : "The queue is not in it (--with-mail).\n");
  return EX_OK;
}

}  // namespace

void add_backup_command(CLI::App& app, CommandLine& line) {
  const auto target = std::make_shared<std::string>();
  const auto with_mail = std::make_shared<bool>(false);
  CLI::App* command =
      app.add_subcommand("backup", "Copy the data directory while the relay runs; not the queue");
  command->add_option("DIR", *target, "Where to; it must not be there and is made")->required();
  command->add_flag(
      "--with-mail", *with_mail,
      "The queue too: what is delivered after the copy is delivered again where it is restored");
  command->callback([&line, target, with_mail] {
    line.work = [&line, target, with_mail] { return back_up(line, *target, *with_mail); };
  });
}

}  // namespace sealpost::cli
