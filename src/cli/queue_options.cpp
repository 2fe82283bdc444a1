// SPDX-License-Identifier: Apache-2.0
#include "cli/queue_options.hpp"

#include <sysexits.h>
#include <unistd.h>

#include <iostream>

#include "base/text.hpp"
#include "base/words.hpp"
#include "cli/control_client.hpp"
#include "cli/terminal.hpp"

namespace sealpost::cli {
namespace {

std::string number_of(const Json& answer, const char* key, const char* one, const char* many) {
  const auto number = answer.value(key, std::uint64_t{0});
  return text::grouped(number) + " " + (number == 1 ? one : many);
}

// "1,128 recipients of 900 messages"
std::string how_much(const Json& answer) {
  return number_of(answer, "recipients", "recipient", "recipients") + " of " +
         number_of(answer, "messages", "message", "messages");
}

std::string passed_over(const Json& answer) {
  std::string words;
  for (const auto& [key, text] :
       {std::pair("in_flight", "being delivered at this moment"), std::pair("held", "held"),
        std::pair("not_held", "not held"), std::pair("no_sender", "without a sender who could be told"),
        std::pair("going_back", "on the way back to their sender already")}) {
    const auto number = answer.at("passed_over").value(key, std::uint64_t{0});
    if (number > 0) words += (words.empty() ? "" : ", ") + text::grouped(number) + " " + text;
  }
  return words.empty() ? "" : "Passed over: " + words + ".\n";
}

bool agreed(const std::string& question) {
  std::cout << question << " [y/N] " << std::flush;
  std::string answer;
  return std::getline(std::cin, answer) && (answer == "y" || answer == "Y" || answer == "yes");
}

// True: go on. Without a terminal nobody can be asked, and the exit code says so.
bool confirmed(const CommandLine& line, const QueueOptions& options, const std::string& verb,
               const Json& preview, int& exit_code) {
  if (options.yes) return true;
  std::string question = "This would " + verb + " " + how_much(preview);
  if (preview.at("messages") > 3)
    question += ", among them";
  else
    question += ":";
  for (const Json& id : preview.at("sample")) question += " " + id.get<std::string>();
  if (!line.json && ::isatty(STDIN_FILENO) != 0) {
    std::cout << folded(question + ".", "", terminal_width()) << passed_over(preview);
    return agreed("Go on?");
  }
  exit_code = line.fail({EX_USAGE, question, "nothing was done; say --yes to do it"});
  return false;
}

}  // namespace

namespace {
// A variable of a script that is empty must not mean "everything".
const CLI::Validator not_empty(
    [](std::string& text) {
      return text.empty() ? std::string("is empty, which would mean all mail") : std::string();
    },
    "");
}  // namespace

Json QueueOptions::arguments() const {
  Json filter = Json::object();
  if (!ids.empty()) filter["id"] = ids;
  for (const auto& [key, value] :
       {std::pair("sender", &sender), std::pair("recipient", &recipient), std::pair("domain", &domain),
        std::pair("next_hop", &next_hop), std::pair("reason", &reason), std::pair("policy", &policy),
        std::pair("state", &state), std::pair("older", &older)})
    if (!value->empty()) filter[key] = *value;
  Json arguments{{"filter", std::move(filter)}};
  if (all) arguments["all"] = true;
  if (!note.empty()) arguments["note"] = note;
  return arguments;
}

void add_filter_options(CLI::App& sub, const std::shared_ptr<QueueOptions>& options) {
  const char* group = "Which mail (all that is given must hold; * stands for anything)";
  sub.add_option("ID", options->ids, "Queue ids, as 'queue list' and the log show them");
  sub.add_option("--id", options->ids, "The same")->check(not_empty)->group(group);
  sub.add_option("--sender", options->sender, "From this address or domain; <> is the empty sender")
      ->check(not_empty)
      ->group(group);
  sub.add_option("--recipient", options->recipient, "To this address or domain")
      ->check(not_empty)
      ->group(group);
  sub.add_option("--domain", options->domain, "To this domain or through this relay")
      ->check(not_empty)
      ->group(group);
  sub.add_option("--next-hop", options->next_hop, "Through this domain, relay or gateway")
      ->check(not_empty)
      ->group(group);
  sub.add_option("--reason", options->reason, "That waits for a reason with these words in it")
      ->check(not_empty)
      ->group(group);
  sub.add_option("--policy", options->policy,
                 "Last refused by mta-sts, dane, requiretls, partner or the rule of this name")
      ->check(not_empty)
      ->group(group);
  sub.add_option("--state", options->state, "active, waiting, deferred or held")
      ->check(CLI::IsMember({"active", "waiting", "deferred", "held"}))
      ->check(not_empty)
      ->group(group);
  sub.add_option("--older", options->older, "In the queue for so long: 30m, 2h, 5d")
      ->check(not_empty)
      ->group(group);
}

int work_on_queue(const CommandLine& line, const QueueOptions& options, const std::string& verb,
                  const std::string& past) {
  const std::string socket = line.socket_path();
  Json arguments = options.arguments();
  const bool only_ids = arguments["filter"].size() == 1 && !options.ids.empty();
  Json preview = Json::object();
  if (!only_ids) {
    Json question = arguments;
    question["preview"] = true;
    const auto answer = ask_relay(socket, "queue." + verb, question);
    if (!answer) return line.fail(answer.error());
    preview = *answer;
    if (preview.at("messages") == 0) {
      if (line.json) return line.print(preview);
      std::cout << "Nothing in the queue is as asked for.\n" << passed_over(preview);
      return EX_OK;
    }
    int exit_code = EX_OK;
    if (!confirmed(line, options, verb, preview, exit_code)) return exit_code;
  }
  // A large number is done in parts, each of them an answer within the minute.
  Json all = Json::object();
  std::uint64_t messages = 0, recipients = 0;
  for (;;) {
    const auto answer = ask_relay(socket, "queue." + verb, arguments);
    if (!answer) {
      if (recipients > 0 && !line.json)
        std::cout << text::grouped(recipients) << " recipients were " << past << " before that.\n";
      return line.fail(answer.error());
    }
    if (all.empty()) all = *answer;
    recipients += answer->value("recipients", std::uint64_t{0});
    messages = std::max(messages, answer->value("messages", std::uint64_t{0}));
    if (answer->value("left", std::uint64_t{0}) == 0) break;
  }
  all["recipients"] = recipients;
  all["messages"] = messages;
  all.erase("left");
  if (line.json) return line.print(all);
  std::string words = past;
  words.front() = static_cast<char>(words.front() - 'a' + 'A');
  std::cout << words << ": " << how_much(all) << ".\n" << passed_over(all);
  return EX_OK;
}

}  // namespace sealpost::cli
