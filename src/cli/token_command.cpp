// SPDX-License-Identifier: Apache-2.0
//
// sealpost token: keys with which programs hand in mail by HTTP (docs/injection.md). Each belongs to an account of `sealpost
// user`, whose senders and limits hold for it. Written straight into users.db, as those are.
#include <sysexits.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <memory>

#include "auth/password.hpp"
#include "base/text.hpp"
#include "cli/accounts_file.hpp"
#include "cli/control_client.hpp"
#include "cli/screen.hpp"
#include "cli/table.hpp"
#include "cli/terminal.hpp"

namespace sealpost::cli {
namespace {

struct TokenOptions {
  std::string user, name;
  std::vector<std::string> scopes{"send"};
  unsigned days = 0;
};
using TokenOptionsPtr = std::shared_ptr<TokenOptions>;

std::string prepared_user(const TokenOptions& options) {
  return auth::prepared_name(options.user).value_or(options.user);
}

std::string day_of(SystemTime time) {
  return time == SystemTime{} ? "never" : to_rfc3339(std::chrono::floor<std::chrono::seconds>(time));
}

int add_token(const CommandLine& line, const TokenOptions& options) {
  if (!auth::is_token_name(options.name))
    return line.fail({EX_USAGE, "'" + text::printable(options.name, 60) + "' is no name for a token",
                      "a name is 1 to 60 letters, digits, '.', '_' and '-'"});
  auth::Token token;
  token.user = prepared_user(options);
  token.name = options.name;
  token.scopes = options.scopes;
  std::sort(token.scopes.begin(), token.scopes.end());
  token.scopes.erase(std::unique(token.scopes.begin(), token.scopes.end()), token.scopes.end());
  for (const std::string& scope : token.scopes)
    if (!auth::is_token_scope(scope))
      return line.fail(
          {EX_USAGE, "there is no scope '" + text::printable(scope, 60) + "'", "the scope is send"});
  token.created = std::chrono::time_point_cast<SystemTime::duration>(std::chrono::system_clock::now());
  if (options.days > 0) token.expires = token.created + std::chrono::days(options.days);
  return with_accounts(line, [&](auth::UserStore& store) {
    const auth::NewToken made = auth::make_token_key();
    token.digest = made.digest;
    if (auto added = store.add_token(token); !added)
      return added.error().code == Errc::not_found
                 ? fail_for_account(line, store, token.user, added.error())
                 : fail_with_accounts(line, added.error(),
                                      "'sealpost token list' shows them; 'sealpost token revoke' ends one");
    const std::string until = day_of(token.expires);
    if (line.json)
      return line.print({{"user", token.user},
                         {"name", token.name},
                         {"scopes", token.scopes},
                         {"expires", token.expires == SystemTime{} ? Json() : Json(until)},
                         {"token", made.key}});
    const std::string words = "Made the token " + token.name + " of " + token.user + ", which expires " +
                              (token.expires == SystemTime{} ? until : "at " + until) +
                              ". It is shown only now:";
    std::cerr << folded(words, "", terminal_width(STDERR_FILENO));
    std::cout << made.key << '\n';
    return EX_OK;
  });
}

int list_tokens(const CommandLine& line, const TokenOptions& options) {
  const std::string of = options.user.empty() ? "" : prepared_user(options);
  return with_accounts(line, [&](auth::UserStore& store) {
    const auto tokens = store.tokens();
    if (!tokens) return fail_with_accounts(line, tokens.error());
    Json body = Json::array();
    Table table({"USER", "NAME", "SCOPES", "CREATED", "EXPIRES"});
    for (const auth::Token& token : *tokens) {
      if (!of.empty() && token.user != of) continue;
      std::string scopes;
      for (const std::string& scope : token.scopes) scopes += (scopes.empty() ? "" : " ") + scope;
      body.push_back({{"user", token.user},
                      {"name", token.name},
                      {"scopes", token.scopes},
                      {"created", day_of(token.created)},
                      {"expires", token.expires == SystemTime{} ? Json() : Json(day_of(token.expires))}});
      table.add({token.user, token.name, scopes, day_of(token.created), day_of(token.expires)});
    }
    if (line.json) return line.print({{"tokens", body}});
    const Screen screen;
    if (body.empty())
      std::cout << "There are no tokens; 'sealpost token add USER NAME' makes one.\n";
    else
      table.print(std::cout);
    return EX_OK;
  });
}

int revoke_token(const CommandLine& line, const TokenOptions& options) {
  const std::string user = prepared_user(options);
  return with_accounts(line, [&](auth::UserStore& store) {
    if (auto removed = store.remove_token(user, options.name); !removed)
      return fail_with_accounts(line, removed.error(), "'sealpost token list' shows them");
    if (line.json) return line.print({{"user", user}, {"name", options.name}, {"done", "revoked"}});
    const Screen screen;
    std::cout << "Revoked the token " << options.name << " of " << user << ".\n";
    return EX_OK;
  });
}

}  // namespace

void add_token_commands(CLI::App& app, CommandLine& line) {
  CLI::App* token = app.add_subcommand("token", "Keys of accounts for programs that hand in mail by HTTP");
  token->require_subcommand(1);
  const auto options = std::make_shared<TokenOptions>();
  const auto runs = [&](CLI::App* command, int (*work)(const CommandLine&, const TokenOptions&)) {
    command->callback(
        [&line, options, work] { line.work = [&line, options, work] { return work(line, *options); }; });
  };
  const auto named = [&](const char* name, const char* what) {
    CLI::App* command = token->add_subcommand(name, what);
    command->add_option("USER", options->user, "The account whose it is")->required();
    command->add_option("NAME", options->name, "The token's name, one of the account's")->required();
    return command;
  };
  CLI::App* adding = named("add", "Make a token, and print it once");
  adding->add_option("--scope", options->scopes, "What it is for: send")
      ->allow_extra_args(false)
      ->type_name("SCOPE");
  adding->add_option("--days", options->days, "It expires after so many days; without: never")
      ->check(CLI::Range(1, 3650))
      ->type_name("N");
  runs(adding, add_token);
  CLI::App* listing = token->add_subcommand("list", "All tokens; none of them is shown itself");
  listing->add_option("USER", options->user, "Of this account alone");
  runs(listing, list_tokens);
  runs(named("revoke", "End a token: the next request with it is refused"), revoke_token);
}

}  // namespace sealpost::cli
