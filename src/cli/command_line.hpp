// SPDX-License-Identifier: Apache-2.0
//
// The command line: one binary with subcommands, as git has. Each file *_command.cpp adds one family. A
// command's work is a function that returns an exit code of sysexits.h; it is set while parsing and called
// afterwards.
#pragma once

#include <functional>
#include <string>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

namespace sealpost::cli {

struct ControlError;

struct CommandLine {
  std::string
      config;  // --config; empty: /etc/sealpost/sealpost.toml when there is /etc/sealpost, else the embedded defaults
  std::string socket;  // --socket; empty: from the configuration
  bool json = false;   // --json
  std::function<int()> work;

  // The configuration file to use (see `config`).
  std::string config_file() const;
  // Of that configuration.
  std::string data_dir() const;
  // Empty: the configuration cannot be read, which was said on standard error.
  std::string socket_path() const;

  // To standard output; exit code 0.
  int print(const nlohmann::json& answer) const;
  // To standard error, as JSON with --json; the error's exit code.
  int fail(const ControlError& error) const;
};

using Json = nlohmann::json;
// What the relay always says, as text.
inline std::string text_of(const Json& object, const char* key) { return object.at(key).get<std::string>(); }

// Asks the relay; prints the answer as JSON with --json, else through `show`. Errors go to standard error. An answer
// that can be a bad one has its exit code from `exit_code`.
int ask_and_show(const CommandLine& line, const std::string& name, const Json& arguments,
                 const std::function<void(const Json&)>& show,
                 const std::function<int(const Json&)>& exit_code = nullptr);

void add_queue_commands(CLI::App& app, CommandLine& line);
void add_policy_commands(CLI::App& app, CommandLine& line);
void add_rule_commands(CLI::App& policy, CommandLine& line);    // the part of `policy` that tries rules
void add_change_commands(CLI::App& policy, CommandLine& line);  // the part that tells their history
void add_probe_command(CLI::App& policy, CommandLine& line);
void add_policy_import_command(CLI::App& policy, CommandLine& line);
void add_sts_commands(CLI::App& app, CommandLine& line);
void add_dns_commands(CLI::App& app, CommandLine& line);
void add_report_commands(CLI::App& app, CommandLine& line);
void add_spool_commands(CLI::App& app, CommandLine& line);
void add_evidence_commands(CLI::App& app, CommandLine& line);  // and trace
void add_statement_command(CLI::App& evidence, CommandLine& line);
void add_webhook_commands(CLI::App& app, CommandLine& line);
void add_status_command(CLI::App& app, CommandLine& line);
void add_clock_commands(CLI::App& app, CommandLine& line);
void add_reload_command(CLI::App& app, CommandLine& line);
void add_backup_command(CLI::App& app, CommandLine& line);
void add_restore_command(CLI::App& app, CommandLine& line);
void add_user_commands(CLI::App& app, CommandLine& line);
void add_token_commands(CLI::App& app, CommandLine& line);
void add_check_command(CLI::App& app, CommandLine& line);
// Hidden: what `--help` says of every command, as JSON, for the manual and the shells' completion.
void add_describe_command(CLI::App& app, CommandLine& line);
Json describe(const CLI::App& app);

}  // namespace sealpost::cli
