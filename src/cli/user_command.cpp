// SPDX-License-Identifier: Apache-2.0
//
// sealpost user: the accounts of submission (docs/submission.md). Written straight into users.db, with the rights of whom the
// data directory belongs to; a running relay reads it with the next login.
#include <sysexits.h>
#include <unistd.h>

#include <functional>
#include <iostream>
#include <memory>

#include "auth/password.hpp"
#include "auth/role.hpp"
#include "auth/sender_pattern.hpp"
#include "auth/user_store.hpp"
#include "base/text.hpp"
#include "base/words.hpp"
#include "cli/accounts_file.hpp"
#include "cli/ask_password.hpp"
#include "cli/command_line.hpp"
#include "cli/control_client.hpp"
#include "cli/screen.hpp"
#include "cli/table.hpp"
#include "cli/terminal.hpp"

namespace sealpost::cli {
namespace {

using auth::User;
using auth::UserStore;

struct UserOptions {
  std::string name;
  std::vector<std::string> senders;
  std::optional<std::uint32_t> messages, recipients;
  std::string role = "viewer", tls;
  bool password_stdin = false, generate = false, no_password = false, any_sender = false;
};
using OptionsPtr = std::shared_ptr<UserOptions>;

SystemTime now() {
  return std::chrono::time_point_cast<SystemTime::duration>(std::chrono::system_clock::now());
}

int done(const CommandLine& line, const std::string& name, const char* what, const std::string& words) {
  if (line.json) return line.print({{"user", name}, {"done", what}});
  const Screen screen;
  std::cout << words << '\n';
  return EX_OK;
}

Expected<auth::Secret> password_for(const UserOptions& options, const std::string& name) {
  // Nobody can log in with one that nobody knows.
  auto password = options.generate || options.no_password ? Expected<auth::Secret>(auth::generate_password())
                  : options.password_stdin                ? read_password()
                                                          : ask_password(name);
  if (!password) return password;
  if (auto good = auth::check_password(password->view()); !good) return good.error();
  return password;
}

int fail_without_password(const CommandLine& line, const Error& error) {
  return fail_with_accounts(
      line, error,
      error.code == Errc::not_found
          ? "say --password-stdin and hand it in, or --generate for one that is made here"
          : "nothing was changed");
}

// The password, where one was made, alone on standard output: it is shown only now.
int done_with_password(const CommandLine& line, const UserOptions& options, const std::string& name,
                       const auth::Secret& password, const char* what, const std::string& words) {
  if (!options.generate) return done(line, name, what, words);
  if (line.json) return line.print({{"user", name}, {"done", what}, {"password", password.view()}});
  std::cerr << folded(words + " Its password, which is shown only now:", "", terminal_width(STDERR_FILENO));
  std::cout << password.view() << '\n';
  return EX_OK;
}

Expected<std::vector<std::string>> patterns_of(const std::vector<std::string>& typed) {
  std::vector<std::string> patterns;
  for (const std::string& one : typed) {
    auto pattern = auth::parse_sender_pattern(one);
    if (!pattern)
      return Error(Errc::invalid, "sender '" + text::printable(one, 80) + "': " + pattern.error().detail);
    patterns.push_back(std::move(*pattern));
  }
  return patterns;
}

constexpr const char* tls_levels = "levels are encrypt, verify, and none";

Expected<TlsNeed> tls_asked(const UserOptions& options) {
  if (options.tls.empty() || options.tls == "none") return TlsNeed::none;
  if (const auto need = tls_need_of(options.tls)) return *need;
  return Error(Errc::invalid, "there is no level '" + text::printable(options.tls, 40) + "' of TLS");
}

int add(const CommandLine& line, const UserOptions& options) {
  const auto name = auth::prepared_name(options.name);
  if (!name) return fail_with_accounts(line, name.error());
  const auto senders = patterns_of(options.senders);
  if (!senders)
    return fail_with_accounts(line, senders.error(),
                              "say --sender anna@example.org, or --sender @example.org");
  return with_accounts(line, [&](UserStore& store) {
    const auto there = store.find(*name);
    if (!there) return fail_with_accounts(line, there.error());
    if (*there)
      return fail_with_accounts(line, Error(Errc::exists, "there is an account " + *name + " already"),
                                "'sealpost user passwd' gives it another password");
    const auto password = password_for(options, *name);
    if (!password) return fail_without_password(line, password.error());
    auto credentials = auth::credentials_of(*password);
    if (!credentials) return fail_with_accounts(line, credentials.error());
    User user;
    user.name = *name;
    user.credentials = std::move(*credentials);
    user.senders = *senders;
    user.limits = auth::Limits(options.messages.value_or(0), options.recipients.value_or(0));
    if (!options.tls.empty()) {
      const auto need = tls_asked(options);
      if (!need) return line.fail({EX_USAGE, need.error().detail, tls_levels});
      user.tls = *need;
    }
    user.created = user.changed = now();
    if (auto added = store.add(user); !added) return fail_with_accounts(line, added.error());
    const std::string whom = senders->empty() ? " It may send as anybody (user senders)." : "";
    return done_with_password(line, options, *name, *password, "added", "Added " + *name + "." + whom);
  });
}

int change_password(const CommandLine& line, const UserOptions& options) {
  const std::string name = auth::prepared_name(options.name).value_or(options.name);
  return with_accounts(line, [&](UserStore& store) {
    const auto there = store.find(name);
    if (!there) return fail_with_accounts(line, there.error());
    if (!*there)
      return fail_for_account(line, store, name, Error(Errc::not_found, "there is no account " + name));
    const auto password = password_for(options, name);
    if (!password) return fail_without_password(line, password.error());
    const auto credentials = auth::credentials_of(*password);
    if (!credentials) return fail_with_accounts(line, credentials.error());
    if (auto set = store.set_credentials(name, *credentials, now()); !set)
      return fail_for_account(line, store, name, set.error());
    return done_with_password(line, options, name, *password, "password changed",
                              "Changed the password of " + name + ".");
  });
}

int change(const CommandLine& line, const UserOptions& options, const char* what, const std::string& words,
           const std::function<Expected<void>(UserStore&, const std::string&)>& work) {
  const std::string name = auth::prepared_name(options.name).value_or(options.name);
  return with_accounts(line, [&](UserStore& store) {
    if (auto changed = work(store, name); !changed)
      return fail_for_account(line, store, name, changed.error());
    return done(line, name, what, words + " " + name + ".");
  });
}

int set_limits(const CommandLine& line, const UserOptions& options) {
  if (!options.messages && !options.recipients && options.tls.empty())
    return line.fail({EX_USAGE, "no limit was named",
                      "say --messages N, --recipients N (0 is no limit), --tls LEVEL, or several of them"});
  const auto need = tls_asked(options);
  if (!need) return line.fail({EX_USAGE, need.error().detail, tls_levels});
  return change(line, options, "limited", "Changed the limits of",
                [&](UserStore& store, const std::string& name) {
                  auto user = store.find(name);
                  if (!user) return Expected<void>(user.error());
                  if (!*user) return Expected<void>(Error(Errc::not_found, "there is no account " + name));
                  auth::Limits limits = (*user)->limits;
                  limits.messages_per_hour = options.messages.value_or(limits.messages_per_hour);
                  limits.recipients_per_hour = options.recipients.value_or(limits.recipients_per_hour);
                  if (!options.tls.empty())
                    if (auto set = store.set_tls(name, *need, now()); !set) return set;
                  if (!options.messages && !options.recipients) return Expected<void>();
                  return store.set_limits(name, limits, now());
                });
}

int set_senders(const CommandLine& line, const UserOptions& options) {
  // A variable of a script that is empty must not mean "as anybody".
  if (options.senders.empty() != options.any_sender)
    return line.fail({EX_USAGE, "which senders the account may send as is not clear",
                      "name them, or say --any: it may send as anybody"});
  const auto senders = patterns_of(options.senders);
  if (!senders) return fail_with_accounts(line, senders.error());
  return change(
      line, options, "senders changed", "Changed the senders of",
      [&](UserStore& store, const std::string& name) { return store.set_senders(name, *senders, now()); });
}

// For the pages of control.http: who may see them stands in the configuration, which is the operator's to write.
int web_user(const CommandLine& line, const UserOptions& options) {
  const auto name = auth::prepared_name(options.name);
  if (!name) return fail_with_accounts(line, name.error());
  if (!auth::role_of(options.role))
    return line.fail({EX_USAGE, "there is no role '" + text::printable(options.role, 60) + "'",
                      "roles are viewer, compliance and operator"});
  const auto password = password_for(options, *name);
  if (!password) return fail_without_password(line, password.error());
  const auto hash = auth::hash_password(*password);
  if (!hash) return fail_with_accounts(line, hash.error());
  if (line.json) {
    Json made{{"name", *name}, {"role", options.role}, {"hash", *hash}};
    if (options.generate) made["password"] = password->view();
    return line.print(made);
  }
  if (options.generate)
    std::cerr << folded(
        "The password of " + *name + ", which is shown only now: " + std::string(password->view()), "",
        terminal_width(STDERR_FILENO));
  std::cerr << folded("For the configuration; a reload (SIGHUP, 'systemctl reload sealpost') takes it over:",
                      "", terminal_width(STDERR_FILENO));
  std::cout << "[[control.user]]\nname = " << Json(*name).dump() << "\nrole = \"" << options.role
            << "\"\npassword = '" << *hash << "'\n";
  return EX_OK;
}

std::string per_hour(std::uint32_t limit) { return limit == 0 ? "-" : text::grouped(limit); }

std::string senders_in_words(const std::vector<std::string>& senders) {
  std::string all;
  for (const std::string& one : senders) all += (all.empty() ? "" : " ") + one;
  return all.empty() ? "any" : all;
}

int list(const CommandLine& line) {
  return with_accounts(line, [&](UserStore& store) {
    const auto users = store.list();
    if (!users) return fail_with_accounts(line, users.error());
    Json body = Json::array();
    Table table({"NAME", "STATE", "SENDERS", "MESSAGES/H", "RECIPIENTS/H", "TLS", "CHANGED"});
    for (const User& user : *users) {
      const char* state = user.disabled ? "disabled" : "active";
      const std::string changed = to_rfc3339(std::chrono::floor<std::chrono::seconds>(user.changed));
      body.push_back({{"name", user.name},
                      {"state", state},
                      {"senders", user.senders},
                      {"messages_per_hour", user.limits.messages_per_hour},
                      {"recipients_per_hour", user.limits.recipients_per_hour},
                      {"tls", user.tls == TlsNeed::none ? Json() : Json(name_of(user.tls))},
                      {"created", to_rfc3339(std::chrono::floor<std::chrono::seconds>(user.created))},
                      {"changed", changed}});
      table.add({user.name, state, senders_in_words(user.senders), per_hour(user.limits.messages_per_hour),
                 per_hour(user.limits.recipients_per_hour),
                 user.tls == TlsNeed::none ? "-" : std::string(name_of(user.tls)), changed});
    }
    if (line.json) return line.print({{"users", body}});
    const Screen screen;
    if (users->empty())
      std::cout << "There are no accounts; 'sealpost user add NAME' makes one.\n";
    else
      table.print(std::cout);
    return EX_OK;
  });
}

CLI::App* add_named(CLI::App& user, const OptionsPtr& options, const char* name, const char* what) {
  CLI::App* command = user.add_subcommand(name, what);
  command->add_option("NAME", options->name, "The account's name")->required();
  return command;
}

void add_password_options(CLI::App& command, const OptionsPtr& options) {
  CLI::Option* standard_input = command.add_flag("--password-stdin", options->password_stdin,
                                                 "Read the password from the first line of standard input");
  command.add_flag("--generate", options->generate, "Make a password, and print it once")
      ->excludes(standard_input);
}

void add_limit_options(CLI::App& command, const OptionsPtr& options) {
  command.add_option("--messages", options->messages, "Messages within an hour; 0: no limit");
  command.add_option("--recipients", options->recipients,
                     "Recipients within an hour, of all messages; 0: no limit");
  command
      .add_option("--tls", options->tls,
                  "What its mail needs of every host: encrypt, verify (a certificate that is good for its "
                  "name), none")
      ->type_name("LEVEL");
}

void add_simple(CLI::App& user, CommandLine& line, const OptionsPtr& options, const char* name,
                const char* what, const char* past, const char* words,
                std::function<Expected<void>(UserStore&, const std::string&)> work) {
  add_named(user, options, name, what)->callback([&line, options, past, words, work = std::move(work)] {
    line.work = [&line, options, past, words, work] { return change(line, *options, past, words, work); };
  });
}

}  // namespace

void add_user_commands(CLI::App& app, CommandLine& line) {
  CLI::App* user = app.add_subcommand("user", "Accounts that may hand in mail on submission ports");
  user->require_subcommand(1);
  const auto options = std::make_shared<UserOptions>();
  const auto runs = [&](CLI::App* command, int (*work)(const CommandLine&, const UserOptions&)) {
    command->callback(
        [&line, options, work] { line.work = [&line, options, work] { return work(line, *options); }; });
  };

  CLI::App* adding =
      add_named(*user, options, "add", "Make an account; its password is asked for at the terminal");
  adding
      ->add_option("--sender", options->senders,
                   "It may send as this address, or as every address of @DOMAIN; may be said again. Without: "
                   "as anybody")
      ->allow_extra_args(false)
      ->type_name("PATTERN");
  add_limit_options(*adding, options);
  add_password_options(*adding, options);
  adding
      ->add_flag("--no-password", options->no_password,
                 "For who logs in otherwise: with a Dovecot's password, a token or a certificate")
      ->excludes("--password-stdin")
      ->excludes("--generate");
  runs(adding, add);

  user->add_subcommand("list", "All accounts, and what they may send")->callback([&line] {
    line.work = [&line] { return list(line); };
  });
  CLI::App* password = add_named(*user, options, "passwd", "Give an account another password");
  add_password_options(*password, options);
  runs(password, change_password);
  CLI::App* page_user =
      add_named(*user, options, "web",
                "A user of the web pages: prints what the configuration wants, with the hash of a password");
  page_user->add_option("--role", options->role, "viewer, compliance or operator")
      ->type_name("ROLE")
      ->capture_default_str();
  add_password_options(*page_user, options);
  runs(page_user, web_user);
  CLI::App* limiting =
      add_named(*user, options, "limit",
                "Change how much an account may send within an hour, and what TLS its mail needs");
  add_limit_options(*limiting, options);
  runs(limiting, set_limits);
  CLI::App* senders = add_named(*user, options, "senders", "Change as whom an account may send");
  senders->add_option("PATTERN", options->senders, "Addresses, or @DOMAIN: these and no others from now on");
  senders->add_flag("--any", options->any_sender, "As anybody");
  runs(senders, set_senders);
  add_simple(*user, line, options, "disable",
             "Let nobody log in to an account, and open sessions send no more", "disabled", "Disabled",
             [](UserStore& store, const std::string& name) { return store.set_disabled(name, true, now()); });
  add_simple(
      *user, line, options, "enable", "Let an account that was disabled log in again", "enabled", "Enabled",
      [](UserStore& store, const std::string& name) { return store.set_disabled(name, false, now()); });
  add_simple(*user, line, options, "remove", "Remove an account", "removed", "Removed",
             [](UserStore& store, const std::string& name) { return store.remove(name); });
}

}  // namespace sealpost::cli
