// SPDX-License-Identifier: Apache-2.0
//
// sealpost restore
#include <sysexits.h>

#include <iostream>
#include <memory>

#include "app/restore.hpp"
#include "base/log.hpp"
#include "cli/command_line.hpp"
#include "cli/control_client.hpp"
#include "cli/screen.hpp"
#include "partner/load_config.hpp"

namespace sealpost::cli {
namespace {

struct RestoreOptions {
  std::string backup;
  bool replace = false, keep_queue = false, set_queue_aside = false, check = false;
};

int fail_restore(const CommandLine& line, const app::RestoreFailure& error) {
  const int exit_code = error.code == Errc::exists      ? EX_CANTCREAT
                        : error.code == Errc::not_found ? EX_NOINPUT
                        : error.code == Errc::io        ? EX_IOERR
                                                        : EX_DATAERR;
  return line.fail(
      {exit_code, (error.decided ? "" : "nothing was restored: ") + error.detail,
       error.code == Errc::newer ? "restore it with the version that made it, or a later one" : ""});
}

Json to_json(const app::CheckedBackup& backup) {
  return {{"made", backup.list ? Json(to_rfc3339(backup.list->made)) : Json()},
          {"made_by", backup.list ? Json(backup.list->by) : Json()},
          {"listed", backup.list.has_value()},
          {"databases", backup.databases},
          {"with_mail", backup.with_mail},
          {"messages", backup.messages}};
}

void show(const app::CheckedBackup& backup, const std::string& directory) {
  std::cout << directory << ": " << backup.databases.size() << " databases, "
            << (backup.with_mail ? std::to_string(backup.messages) + " messages in its queue" : "no queue");
  if (backup.list)
    std::cout << "; made " << to_rfc3339(backup.list->made) << " by sealpost " << backup.list->by
              << ". It is whole.\n";
  else
    std::cout
        << ". It was made by hand: what is there is well, but whether a file is missing nobody can tell.\n";
}

// What an operator must know before the relay starts.
std::vector<std::string> warnings_of(const app::Restored& done) {
  std::vector<std::string> warnings;
  const std::string since =
      done.backup.list ? "since " + to_rfc3339(done.backup.list->made) : "since the copy was made";
  if (done.queue == app::QueueNow::former)
    warnings.push_back(
        "The queue is the one that was here: nothing is delivered twice, nothing is missing from it.");
  else if (done.queue == app::QueueNow::of_backup)
    warnings.push_back("Of the " + std::to_string(done.backup.messages) +
                       " messages in the queue, those that were delivered " + since +
                       " will be delivered again.");
  else if (done.backup.with_mail)
    warnings.push_back(
        "The queue is empty: there was none here to keep, and that of the backup was not taken.");
  else
    warnings.push_back("The queue is empty: mail that waited when the backup was made is not in it.");
  if (done.queue != app::QueueNow::former && done.former_messages.value_or(1) > 0)
    warnings.push_back(
        (done.former_messages ? std::to_string(*done.former_messages) : std::string("An unknown number of")) +
        " messages of the former queue are not delivered; they are in " + done.kept_in +
        "/spool ('sealpost spool recover' takes them in, held).");
  warnings.push_back(
      "Missing is what was learned " + since +
      ": accounts and their changes, MTA-STS policies (fetched again with the next mail), counts, evidence, "
      "reports of others; reports of days since may be sent again.");
  warnings.push_back("Rules in force are those of the backup; the start compares the files with them.");
  return warnings;
}

int check_only(const CommandLine& line, const RestoreOptions& options) {
  const auto checked = app::check_backup(options.backup);
  if (!checked) return fail_restore(line, checked.error());
  if (line.json) return line.print(to_json(*checked));
  const Screen screen;
  show(*checked, options.backup);
  return EX_OK;
}

int restore(const CommandLine& line, const RestoreOptions& options) {
  log::configure(-1, log::Format::text, log::Level::error);
  if (options.keep_queue && options.set_queue_aside)
    return line.fail({EX_USAGE, "--keep-queue and --set-queue-aside exclude each other", ""});
  if (options.check) return check_only(line, options);
  const app::LoadResult loaded = app::load_config(line.config_file());  // `check` says what is wrong with it
  app::RestoreWish wish;
  wish.backup = options.backup;
  wish.data_dir = loaded.config.data_dir;
  wish.user = loaded.config.user;
  wish.replace = options.replace;
  if (options.keep_queue) wish.queue = app::FormerQueue::keep;
  if (options.set_queue_aside) wish.queue = app::FormerQueue::set_aside;
  wish.now = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
  const auto done = app::restore(wish);
  if (!done) return fail_restore(line, done.error());
  const std::vector<std::string> warnings = warnings_of(*done);
  if (line.json) {
    Json answer = to_json(done->backup);
    answer["data_dir"] = wish.data_dir;
    answer["kept_in"] = done->kept_in;
    answer["queue_kept"] = done->queue == app::QueueNow::former;
    answer["warnings"] = warnings;
    return line.print(answer);
  }
  const Screen screen;
  show(done->backup, options.backup);
  std::cout << wish.data_dir << " holds it now."
            << (done->kept_in.empty()
                    ? ""
                    : " What was there is in " + done->kept_in + "; remove it when you are sure.")
            << '\n';
  for (const std::string& warning : warnings) std::cout << "- " << warning << '\n';
  return EX_OK;
}

}  // namespace

void add_restore_command(CLI::App& app, CommandLine& line) {
  const auto options = std::make_shared<RestoreOptions>();
  CLI::App* command =
      app.add_subcommand("restore", "Put a backup in the place of the data directory, while no relay runs");
  command->add_option("DIR", options->backup, "A directory that 'backup' made")->required();
  command->add_flag("--check", options->check, "Only say whether the backup is whole and can be read here");
  command->add_flag("--replace", options->replace,
                    "Also where data_dir holds something: that is kept, in data_dir/before-restore-TIME");
  command->add_flag("--keep-queue", options->keep_queue,
                    "The queue that is here stays; that of the backup is not taken");
  command->add_flag("--set-queue-aside", options->set_queue_aside,
                    "The queue that is here goes aside with the rest, and is not delivered");
  command->callback([&line, options] { line.work = [&line, options] { return restore(line, *options); }; });
}

}  // namespace sealpost::cli
