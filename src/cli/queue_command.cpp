// SPDX-License-Identifier: Apache-2.0
//
// sealpost queue list | show | why | retry | hold | release | remove
#include <iostream>
#include <memory>

#include "cli/command_line.hpp"
#include "cli/table.hpp"

namespace sealpost::cli {
namespace {

std::string text_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return "-";
  return found->is_string() ? found->get<std::string>() : found->dump();
}

void show_entries(const Json& entries) {
  if (entries.empty()) {
    std::cout << "The queue is empty.\n";
    return;
  }
  Table table({"ID", "STATE", "TRIES", "NEXT ATTEMPT", "SENDER", "RECIPIENT", "REASON"});
  for (const Json& entry : entries) {
    const std::string sender = text_of(entry, "sender");
    table.add({text_of(entry, "id"), text_of(entry, "state"), text_of(entry, "attempts"),
               text_of(entry, "next_attempt"), sender.empty() ? "<>" : sender, text_of(entry, "recipient"),
               text_of(entry, "reason")});
  }
  table.print(std::cout);
}

void show_details(const Json& entries) {
  for (const Json& entry : entries) {
    for (const char* key : {"id", "sender", "recipient", "next_hop", "policy_domain", "state", "attempts",
                            "arrival", "next_attempt", "expires", "size", "reason"})
      std::cout << key << ": " << text_of(entry, key) << '\n';
    std::cout << '\n';
  }
}

struct Options {
  std::string id, domain, state, reason;
  bool all = false;
  std::size_t limit = 1000;
};

}  // namespace

void add_queue_commands(CLI::App& app, CommandLine& line) {
  CLI::App* queue = app.add_subcommand("queue", "Look at the queue and act on it");
  queue->require_subcommand(1);
  const auto options = std::make_shared<Options>();

  CLI::App* list = queue->add_subcommand("list", "One line per waiting recipient, oldest message first");
  list->add_option("--domain", options->domain, "Only mail to this domain or through this relay");
  list->add_option("--state", options->state, "Only: active, waiting, deferred or held")
      ->check(CLI::IsMember({"active", "waiting", "deferred", "held"}));
  list->add_option("--limit", options->limit, "At most so many lines")->capture_default_str();
  list->callback([&line, options] {
    line.work = [&line, options] {
      Json arguments{{"limit", options->limit}};
      if (!options->domain.empty()) arguments["domain"] = options->domain;
      if (!options->state.empty()) arguments["state"] = options->state;
      return ask_and_show(line, "queue.list", arguments, show_entries);
    };
  });

  const auto with_id = [&](const char* name, const char* help, const char* command, auto show) {
    CLI::App* sub = queue->add_subcommand(name, help);
    sub->add_option("ID", options->id, "Queue id, as 'queue list' and the log show it")->required();
    sub->callback([&line, options, command, show] {
      line.work = [&line, options, command, show] {
        Json arguments{{"id", options->id}};
        if (!options->reason.empty()) arguments["reason"] = options->reason;
        return ask_and_show(line, command, arguments, show);
      };
    });
    return sub;
  };
  with_id("show", "Everything known about one message", "queue.show", show_details);
  with_id("why", "What one message waits for, in a line per recipient", "queue.why", [](const Json& answer) {
    for (const Json& text : answer.at("why")) std::cout << text.get<std::string>() << '\n';
  });
  with_id("hold", "Keep a message back until it is released", "queue.hold", [](const Json&) {
    std::cout << "Held.\n";
  })->add_option("--reason", options->reason, "Why, for the log and for 'queue why'");
  with_id("release", "Let a held message go", "queue.release",
          [](const Json&) { std::cout << "Released.\n"; });
  with_id("remove", "Delete a message for good, without a bounce", "queue.remove", [](const Json& answer) {
    std::cout << "Removed " << answer.at("removed") << " recipient(s).\n";
    if (answer.value("in_flight", false))
      std::cout << "Others are being delivered at this moment and stay.\n";
  });

  CLI::App* retry = queue->add_subcommand("retry", "Try now what waits, whatever the schedule says");
  retry->add_option("ID", options->id, "One message");
  retry->add_option("--domain", options->domain, "All mail to this domain or through this relay");
  retry->add_flag("--all", options->all, "Everything that is not held");
  retry->callback([&line, options] {
    line.work = [&line, options] {
      Json arguments = Json::object();
      if (!options->id.empty()) arguments["id"] = options->id;
      if (!options->domain.empty()) arguments["domain"] = options->domain;
      if (options->all) arguments["all"] = true;
      return ask_and_show(line, "queue.retry", arguments, [](const Json& answer) {
        std::cout << "Retrying " << answer.at("retried") << " delivery job(s).\n";
      });
    };
  });
}

}  // namespace sealpost::cli
