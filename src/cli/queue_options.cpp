// SPDX-License-Identifier: Apache-2.0
#include "cli/queue_options.hpp"

#include <sysexits.h>
#include <unistd.h>
#include <algorithm>

#include <iostream>

#include "base/amounts.hpp"
#include "base/text.hpp"
#include "base/words.hpp"
#include "cli/control_client.hpp"
#include "cli/terminal.hpp"

namespace sealpost::cli {
namespace {

std::string number_of(const Json& answer, const char* key, const char* one, const char* many) {
  return text::counted(answer.value(key, std::uint64_t{0}), one, many);
}

// "1,128 recipients of 900 messages"
std::string how_much(const Json& answer) {
  return number_of(answer, "recipients", "recipient", "recipients") + " of " +
         number_of(answer, "messages", "message", "messages");
}

// What is left alone, and what else the verb means; for whoever decides.
void show_besides(std::ostream& out, const Json& answer, std::size_t width) {
  std::string words;
  for (const auto& [key, text] :
       {std::pair("in_flight", "being delivered at this moment"), std::pair("held", "held"),
        std::pair("not_held", "not held"), std::pair("no_sender", "without a sender who could be told"),
        std::pair("going_back", "on the way back to their sender already"),
        std::pair("early", "to be sent later, as their senders want")}) {
    const auto number = answer.at("passed_over").value(key, std::uint64_t{0});
    if (number > 0) words += (words.empty() ? "" : ", ") + text::grouped(number) + " " + text;
  }
  if (!words.empty()) out << folded("Passed over: " + words + ".", "", width);
}

std::string question_of(const std::string& verb, const Json& preview) {
  std::string question = "This would " + verb + " " + how_much(preview);
  question += preview.at("messages") > 3 ? ", among them" : ":";
  for (const Json& id : preview.at("sample")) question += " " + id.get<std::string>();
  question += ".";
  const auto matching = preview.value("matching", std::uint64_t{0});
  if (matching < preview.at("recipients"))
    question += " Of these recipients " + text::grouped(matching) + (matching == 1 ? " is" : " are") +
                " as asked for; the others belong to the same messages.";
  const auto untold = preview.value("untold", std::uint64_t{0});
  if (untold > 0)
    question += " Of these recipients " + text::grouped(untold) +
                " have failed already, and no sender would be told of them any more.";
  return question;
}

// True: go on. Without a terminal nobody can be asked, and the exit code says so. Standard output is for the answer.
bool confirmed(const CommandLine& line, const QueueOptions& options, const std::string& verb,
               const Json& preview, int& exit_code) {
  if (options.yes) return true;
  const std::string question = question_of(verb, preview);
  if (::isatty(STDIN_FILENO) == 0 || ::isatty(STDERR_FILENO) == 0) {
    exit_code = line.fail({EX_USAGE, question, "nothing was done; say --yes to do it"});
    return false;
  }
  const std::size_t width = terminal_width(STDERR_FILENO);
  std::cerr << folded(question, "", width);
  show_besides(std::cerr, preview, width);
  std::cerr << "Go on? [y/N] " << std::flush;
  std::string answer;
  if (std::getline(std::cin, answer) && (answer == "y" || answer == "Y" || answer == "yes")) return true;
  exit_code = line.fail({EX_USAGE, "nothing was done", ""});
  return false;
}

// A variable of a script that is empty must not mean "everything", and not the next option either (--domain=$D --yes).
const CLI::Validator not_empty(
    [](std::string& text) -> std::string {
      if (text.empty()) return "is empty, which would mean all mail";
      return text.starts_with("--") ? "has no value before " + text : "";
    },
    "");

}  // namespace

std::vector<std::string> QueueOptions::all_ids() const {
  std::vector<std::string> both = ids;
  both.insert(both.end(), more_ids.begin(), more_ids.end());
  return both;
}

Json QueueOptions::arguments() const {
  Json filter = Json::object();
  if (const auto named = all_ids(); !named.empty()) filter["id"] = named;
  for (const auto& [key, value] :
       {std::pair("sender", &sender), std::pair("recipient", &recipient), std::pair("domain", &domain),
        std::pair("next_hop", &next_hop), std::pair("reason", &reason), std::pair("policy", &policy),
        std::pair("state", &state), std::pair("older", &older)})
    if (!value->empty()) filter[key] = *value;
  Json arguments{{"filter", std::move(filter)}};
  if (all) arguments["all"] = true;
  if (!note.empty()) arguments["note"] = note;
  if (to) arguments["to"] = *to;
  return arguments;
}

void add_where_to(CLI::App& sub, const std::shared_ptr<QueueOptions>& options) {
  const auto to = [options](const std::string& next_hop) { options->to = next_hop; };
  CLI::Option* named = sub.add_option_function<std::string>(
                              "--to", to, "This relay, written as in a [[route]]: smtp.example.net:587")
                           ->type_name("HOST:PORT")
                           ->check(not_empty);
  sub.add_flag_callback(
         "--as-configured", [options] { options->to = ""; }, "Where routes and MX records lead again")
      ->excludes(named);
}

void add_filter_options(CLI::App& sub, const std::shared_ptr<QueueOptions>& options) {
  const char* group = "Which mail (all that is given must hold; * stands for anything)";
  sub.add_option("ID", options->ids, "Queue ids, as 'queue list' and the log show them")->check(not_empty);
  sub.add_option("--id", options->more_ids, "The same")->check(not_empty)->group(group);
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
                 "Last refused by mta-sts, dane, requiretls, message, partner or the rule of this name")
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
  const bool only_ids = arguments["filter"].size() == 1 && arguments["filter"].contains("id");
  Json preview = Json::object();
  if (!only_ids) {
    Json question = arguments;
    question["preview"] = true;
    const auto answer = ask_relay(socket, "queue." + verb, question);
    if (!answer) return line.fail(answer.error());
    preview = *answer;
    if (preview.at("messages") == 0) {
      if (line.json) return line.print(preview);
      std::cout << "Nothing in the queue is as asked for.\n";
      show_besides(std::cout, preview, terminal_width());
      return EX_OK;
    }
    int exit_code = EX_OK;
    if (!confirmed(line, options, verb, preview, exit_code)) return exit_code;
    arguments["as_of"] = preview.at("as_of");  // what comes from now on was not asked about
  }
  // What takes longer than an answer may is done in parts.
  Json all = Json::object();
  std::uint64_t messages = 0, recipients = 0;
  for (;;) {
    if (!preview.empty()) {
      const auto counted = preview.at("recipients").get<std::uint64_t>();
      arguments["counted"] = counted - std::min(counted, recipients);
    }
    const auto answer = ask_relay(socket, "queue." + verb, arguments);
    if (!answer) {
      ControlError error = answer.error();
      if (messages > 0)
        error.message += "; before that " + text::grouped(messages) + " messages were " + past;
      return line.fail(error);
    }
    if (all.empty()) all = *answer;
    const auto done = answer->value("recipients", std::uint64_t{0});
    recipients += done;
    messages += answer->value("messages", std::uint64_t{0});
    if (answer->value("left", std::uint64_t{0}) == 0 || done == 0) break;
  }
  all["recipients"] = recipients;
  all["messages"] = messages;
  all.erase("left");
  if (line.json) return line.print(all);
  const std::size_t width = terminal_width();
  std::string words = past + ": " + how_much(all) + ".";
  words.front() = static_cast<char>(words.front() - 'a' + 'A');
  if (!preview.empty() && preview.at("recipients") != recipients)
    words +=
        " It was to be " + how_much(preview) + "; the rest has been delivered, or has changed meanwhile.";
  std::cout << folded(words, "", width);
  show_besides(std::cout, all, width);
  return EX_OK;
}

}  // namespace sealpost::cli
