// SPDX-License-Identifier: Apache-2.0
//
// The sealpost binary: parse the command line, run the subcommand.
#include <sysexits.h>

#include <algorithm>
#include <exception>
#include <iostream>

#include "app/materials.hpp"
#include "app/relay.hpp"
#include "app/rights.hpp"
#include "app/signals.hpp"
#include "base/log.hpp"
#include "base/version.hpp"
#include "cli/command_line.hpp"
#include "cli/control_client.hpp"
#include "cli/sendmail.hpp"
#include "cli/usage.hpp"
#include "keys/key_process.hpp"
#include "partner/load_config.hpp"

namespace {

using namespace sealpost;
constexpr auto exit_limit = std::chrono::seconds(2);  // for a log that is not read

int set_up_log(const app::LogConfig& log) {
  const auto level = log.level == "debug"     ? log::Level::debug
                     : log.level == "warning" ? log::Level::warning
                     : log.level == "error"   ? log::Level::error
                                              : log::Level::info;
  const auto format = log.format == "json" ? log::Format::json : log::Format::text;
  if (log.file.empty()) {
    log::configure(2, format, level);
  } else if (const auto opened = log::configure(log.file, format, level); !opened) {
    std::cerr << "sealpost: " << opened.error().detail << '\n';
    return EX_CANTCREAT;
  }
  return EX_OK;
}

int cannot_start(const Error& error) {
  std::cerr << "sealpost: cannot start: " << error.detail << '\n';
  return error.code == Errc::invalid || error.code == Errc::not_found ? EX_CONFIG : EX_UNAVAILABLE;
}

int run(const cli::CommandLine& line) {
  app::hold_signals_back();
  app::LoadResult loaded = app::load_config(line.config_file());
  for (const auto& finding : loaded.findings) std::cerr << finding.to_string() << '\n';
  if (!loaded.ok()) {
    std::cerr << "sealpost: nothing was started\n";
    return EX_CONFIG;
  }
  if (!line.socket.empty()) loaded.config.control_socket = line.socket;
  // First of all, before there are threads and before the rights to read the files are gone.
  auto keys = keys::KeyProcess::start(app::key_directories(loaded.config));
  if (!keys) return cannot_start(keys.error());
  app::Rights rights((*keys)->pid());
  if (auto settled = rights.settle_in(loaded.config); !settled) return cannot_start(settled.error());
  if (const int failed = set_up_log(loaded.config.log); failed != EX_OK) return failed;
  auto relay = app::Relay::create(std::move(loaded.config), **keys, rights);
  if (!relay) {
    log::finish(exit_limit);
    return cannot_start(relay.error());
  }
  return (*relay)->run();
}

// 0 for --help and --version, which are no errors.
int misused(const CLI::App& app, const CLI::ParseError& error, std::vector<std::string> words) {
  if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) return app.exit(error);
  words.erase(words.begin());
  cli::CommandLine line;
  line.json = std::find(words.begin(), words.end(), "--json") != words.end();
  const std::string unknown = cli::unknown_word(app, words);
  return line.fail({EX_USAGE, unknown.empty() ? error.what() : unknown,
                    "'sealpost --help' lists the commands; '--help' after one says more of it"});
}

}  // namespace

int main(int argc, char** argv) {
  try {
    std::vector<std::string> words(argv, argv + argc);
    if (const auto code = cli::run_as_sendmail(words)) return *code;
    CLI::App app(
        "An outbound SMTP relay that enforces and proves transport security.\n\n"
        "Without a configuration file 'sealpost run' listens on 127.0.0.1:2525 and [::1]:2525 and keeps its\n"
        "data in ./sealpost-data. The other commands ask the running relay over its control socket.",
        "sealpost");
    cli::CommandLine line;
    app.set_version_flag("--version", "sealpost " + std::string(version()));
    app.add_option("-c,--config", line.config,
                   "Configuration file; default: /etc/sealpost/sealpost.toml when there is /etc/sealpost, "
                   "else embedded defaults");
    app.add_option("--socket", line.socket, "Control socket; default: from the configuration");
    app.add_flag("--json", line.json, "Print JSON instead of tables");
    app.require_subcommand(1);
    app.fallthrough();
    app.add_subcommand("run", "Run the relay in the foreground; SIGTERM ends it in order, SIGHUP reloads")
        ->callback([&line] { line.work = [&line] { return run(line); }; });
    cli::add_check_command(app, line);
    cli::add_queue_commands(app, line);
    cli::add_policy_commands(app, line);
    cli::add_sts_commands(app, line);
    cli::add_dns_commands(app, line);
    cli::add_report_commands(app, line);
    cli::add_spool_commands(app, line);
    cli::add_evidence_commands(app, line);
    cli::add_webhook_commands(app, line);
    cli::add_status_command(app, line);
    cli::add_clock_commands(app, line);
    cli::add_reload_command(app, line);
    cli::add_backup_command(app, line);
    cli::add_restore_command(app, line);
    cli::add_user_commands(app, line);
    cli::add_token_commands(app, line);
    app.add_subcommand("sendmail", "Hand in a mail from standard input, as sendmail(8) does")
        ->callback([&line] {
          line.work = [] {  // was done above
            std::cerr << "sealpost: before 'sendmail' nothing but -c FILE may stand\n";
            return EX_USAGE;
          };
        });
    cli::add_describe_command(app, line);
    // After the commands, which would have it below their own help.
    app.footer(
        "First steps:\n"
        "  sealpost run                              a relay on port 2525 of this machine\n"
        "  sealpost check -c sealpost.toml           is this configuration right? nothing is started\n"
        "  sealpost policy explain anna@example.net  what must hold before mail goes there, and why\n"
        "  sealpost queue list                       what waits; 'queue why ID' says for what\n"
        "  sealpost report show --domain example.net what failed there, and what to do\n\n"
        "--config, --socket and --json may stand before or after the command. Exit codes are those of\n"
        "sysexits.h: 64 usage, 69 no relay answers, 77 no permission, 78 configuration.");
    try {
      app.parse(std::vector<std::string>(words.rbegin(), words.rend() - 1));
    } catch (const CLI::ParseError& error) {
      return misused(app, error, words);
    }
    return line.work();
  } catch (const std::exception& error) {
    sealpost::log::finish(exit_limit);
    std::cerr << "sealpost: " << error.what() << '\n';
    return EX_SOFTWARE;
  }
}
