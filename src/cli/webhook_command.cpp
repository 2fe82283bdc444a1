// SPDX-License-Identifier: Apache-2.0
//
// sealpost webhook list | test | replay | pause | resume | events: who is told what became of mail, and how far they are.
#include <sysexits.h>

#include <iostream>
#include <memory>

#include "cli/command_line.hpp"
#include "cli/control_client.hpp"
#include "cli/table.hpp"

namespace sealpost::cli {
namespace {

struct WebhookOptions {
  std::string name, since, from, after;
  std::int64_t limit = 100;
};

std::string text_or_dash(const Json& entry, const char* key) {
  return entry.at(key).is_string() && !text_of(entry, key).empty() ? text_of(entry, key) : "-";
}

int list_webhooks(const CommandLine& line) {
  return ask_and_show(line, "webhook.list", Json::object(), [](const Json& answer) {
    Table table({"NAME", "STATE", "WAITING", "OLDEST", "LAST ANSWER", "TAKEN", "SENT", "DROPPED"});
    for (const Json& one : answer.at("webhooks"))
      table.add({text_of(one, "name"), text_of(one, "state"), one.at("waiting").dump(),
                 text_or_dash(one, "oldest"), text_or_dash(one, "answer"), text_or_dash(one, "taken"),
                 one.at("sent").dump(), one.at("dropped").dump()});
    if (table.empty())
      std::cout << "no webhook is configured ([[webhook]])\n";
    else
      table.print(std::cout);
  });
}

int test_webhook(const CommandLine& line, const WebhookOptions& options) {
  return ask_and_show(
      line, "webhook.test", {{"name", options.name}},
      [](const Json& answer) {
        std::cout << text_of(answer, "url")
                  << (answer.at("taken").get<bool>() ? " took it: " : " did not take it: ")
                  << text_of(answer, "answer") << ", after " << answer.at("took_ms") << " ms\n";
      },
      [](const Json& answer) { return answer.at("taken").get<bool>() ? EX_OK : 1; });
}

int replay_webhook(const CommandLine& line, const WebhookOptions& options) {
  if (options.since.empty() == options.from.empty())
    return line.fail({EX_USAGE, "from where?", "say --since TIME or --from EVENT"});
  Json arguments{{"name", options.name}};
  if (options.from.empty())
    arguments["since"] = options.since;
  else
    arguments["from"] = options.from;
  return ask_and_show(line, "webhook.replay", arguments, [](const Json& answer) {
    std::cout << answer.at("events") << " event(s) are told to " << text_of(answer, "name") << " again\n";
  });
}

int pause_webhook(const CommandLine& line, const WebhookOptions& options, bool paused) {
  return ask_and_show(
      line, paused ? "webhook.pause" : "webhook.resume", {{"name", options.name}},
      [paused](const Json& answer) {
        std::cout << text_of(answer, "name")
                  << (paused ? " is told nothing until 'sealpost webhook resume'; its events wait\n"
                             : " is told again\n");
      });
}

int list_events(const CommandLine& line, const WebhookOptions& options) {
  const Json arguments{{"name", options.name}, {"after", options.after}, {"limit", options.limit}};
  return ask_and_show(line, "webhook.events", arguments, [](const Json& answer) {
    for (const Json& event : answer.at("events")) std::cout << event.dump() << '\n';
    if (answer.at("more").get<bool>())
      std::cerr << "there are more: --after " << text_of(answer, "cursor") << '\n';
  });
}

}  // namespace

void add_webhook_commands(CLI::App& app, CommandLine& line) {
  const auto options = std::make_shared<WebhookOptions>();
  CLI::App* webhook =
      app.add_subcommand("webhook", "Webhooks: who is told what became of mail, and how far they are");
  webhook->require_subcommand(1);
  const auto named = [&](CLI::App* command) {
    command->add_option("NAME", options->name, "The webhook, as the configuration names it")->required();
    return command;
  };
  webhook->add_subcommand("list", "All of them: state, what waits, the last answer")->callback([&line] {
    line.work = [&line] { return list_webhooks(line); };
  });
  named(webhook->add_subcommand(
            "test", "Send it an event of kind 'test', at once. Exit code 1 when it was not taken"))
      ->callback([&line, options] { line.work = [&line, options] { return test_webhook(line, *options); }; });
  CLI::App* replay = named(webhook->add_subcommand(
      "replay", "Tell it again what it was told before, in order, under the same event_id"));
  replay->add_option("--since", options->since, "From then on: 2h, 2026-01-31, 2026-01-31T12:00:00Z");
  replay->add_option("--from", options->from, "From this event on: an event_id");
  replay->callback(
      [&line, options] { line.work = [&line, options] { return replay_webhook(line, *options); }; });
  named(webhook->add_subcommand("pause", "Tell it nothing for now; its events wait"))
      ->callback(
          [&line, options] { line.work = [&line, options] { return pause_webhook(line, *options, true); }; });
  named(webhook->add_subcommand("resume",
                                "Go on, also where it had answered 410 Gone; what fails is tried at once"))
      ->callback([&line, options] {
        line.work = [&line, options] { return pause_webhook(line, *options, false); };
      });
  CLI::App* events = named(
      webhook->add_subcommand("events", "Events as it is told them, for who asks instead, a line each"));
  events->add_option("--after", options->after, "Those behind this event: 'cursor' of the answer before");
  events->add_option("--limit", options->limit, "At most so many")->capture_default_str();
  events->callback(
      [&line, options] { line.work = [&line, options] { return list_events(line, *options); }; });
}

}  // namespace sealpost::cli
