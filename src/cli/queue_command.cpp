// SPDX-License-Identifier: Apache-2.0
//
// sealpost queue list | summary | show | why | retry | hold | release | expire | bounce | remove | reroute
#include <sysexits.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <memory>
#include <optional>

#include "app/spool_tools.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "base/words.hpp"
#include "cli/control_client.hpp"
#include "cli/queue_options.hpp"
#include "cli/screen.hpp"
#include "cli/table.hpp"
#include "cli/terminal.hpp"
#include "partner/load_config.hpp"
#include "sealpost/clock.hpp"

namespace sealpost::cli {
namespace {

std::string shown_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return "-";
  return found->is_string() ? found->get<std::string>() : found->dump();
}

std::string sender_of(const Json& entry) {
  const std::string sender = shown_of(entry, "sender");
  return sender.empty() ? "<>" : sender;
}

// "1,000 of 1,128 recipients are listed"; always said when something is left out.
void show_total(const Json& answer, std::size_t listed, const char* one, const char* many) {
  const auto total = answer.value("total", std::uint64_t{0});
  const std::string words = listed < total
                                ? text::grouped(listed) + " of " + text::grouped(total) + " " + many +
                                      " are listed, the oldest first; see --limit, and 'queue summary'."
                                : text::grouped(total) + " " + (total == 1 ? one : many) + ".";
  std::cout << words << '\n';
}

void show_nothing(const QueueOptions& options) {
  const bool filtered = !options.arguments().at("filter").empty();
  std::cout << (filtered ? "Nothing in the queue is as asked for.\n" : "The queue is empty.\n");
}

void show_entries(const Json& answer, const QueueOptions& options) {
  if (answer.at("total") == 0) return show_nothing(options);
  const Json& entries = answer.at("entries");
  if (!entries.empty()) {
    Table table({"ID", "STATE", "TRIES", "NEXT ATTEMPT", "SENDER", "RECIPIENT", "REASON"});
    for (const Json& entry : entries)
      table.add({shown_of(entry, "id"), shown_of(entry, "state"), shown_of(entry, "attempts"),
                 shown_of(entry, "next_attempt"), sender_of(entry), shown_of(entry, "recipient"),
                 shown_of(entry, "reason")});
    table.print(std::cout);
  }
  show_total(answer, entries.size(), "recipient", "recipients");
}

void show_field(const std::string& key, const std::string& value, const std::string& indent) {
  if (value == "-" || value.empty()) return;
  std::cout << indent << key << ": " << value << '\n';
}

std::string grace_of(const Json& recipient) {
  if (recipient.at("grace_ends").is_null()) return "";
  return "until " + shown_of(recipient, "grace_ends") + ", then " + shown_of(recipient, "grace_then") +
         " unless it is met";
}

// "4.7.1, from mx1.example.net [192.0.2.25]"
std::string answer_of(const Json& recipient) {
  const Json& answer = recipient.at("last_answer");
  if (answer.is_null()) return "";
  std::string words = answer.at("status").is_null() ? "" : shown_of(answer, "status");
  if (answer.at("mx").is_null()) return words;
  return words + (words.empty() ? "from " : ", from ") + shown_of(answer, "mx") + " [" +
         shown_of(answer, "ip") + "]";
}

void show_messages(const Json& answer, const QueueOptions& options) {
  if (answer.at("total") == 0) return show_nothing(options);
  std::size_t listed = 0;
  for (const Json& message : answer.at("messages")) {
    std::cout << shown_of(message, "id") << '\n';
    show_field("sender", sender_of(message), "  ");
    show_field("arrival", shown_of(message, "arrival"), "  ");
    show_field("send at", shown_of(message, "send_at"), "  ");
    show_field("received from", shown_of(message, "received_from"), "  ");
    show_field("user", shown_of(message, "user"), "  ");
    show_field("size", shown_of(message, "size") + " octets, " + shown_of(message, "body"), "  ");
    show_field("envelope id", shown_of(message, "envid"), "  ");
    if (message.at("requiretls") == true) show_field("REQUIRETLS", "yes", "  ");
    show_field("TLS asked for", shown_of(message, "tls_need"), "  ");
    if (message.at("tls_required_no") == true) show_field("TLS-Required", "no", "  ");
    for (const Json& recipient : message.at("recipients")) {
      ++listed;
      std::cout << "  " << shown_of(recipient, "recipient") << '\n';
      for (const auto& [key, name] :
           {std::pair("state", "state"), std::pair("next_hop", "next hop"), std::pair("attempts", "attempts"),
            std::pair("next_attempt", "next attempt"), std::pair("expires", "expires"),
            std::pair("policy", "refused by"), std::pair("refused_since", "refused since")})
        show_field(name, shown_of(recipient, key), "    ");
      show_field("grace", grace_of(recipient), "    ");
      show_field("reason", shown_of(recipient, "reason"), "    ");
      show_field("last answer", answer_of(recipient), "    ");
    }
    const auto in_all = message.value("recipients_in_all", std::uint64_t{0});
    if (in_all > message.at("recipients").size())
      std::cout << "  of " << text::grouped(in_all)
                << " recipients in all; the others have had their end, or were not asked for\n";
  }
  if (listed > 1 || listed < answer.at("total")) show_total(answer, listed, "recipient", "recipients");
}

void show_why(const Json& answer, const QueueOptions& options) {
  if (answer.at("total") == 0) return show_nothing(options);
  const Json& entries = answer.at("entries");
  const bool several = std::any_of(entries.begin(), entries.end(), [&](const Json& entry) {
    return entry.at("id") != entries.front().at("id");
  });
  for (const Json& entry : entries) {
    std::string line = shown_of(entry, "recipient") + " " + shown_of(entry, "why");
    if (several) line = shown_of(entry, "id") + " " + line;
    if (const std::string grace = grace_of(entry); !grace.empty()) line += "; grace " + grace;
    std::cout << line << '\n';
  }
  if (entries.size() < answer.at("total")) show_total(answer, entries.size(), "recipient", "recipients");
}

std::string short_age(std::uint64_t seconds) { return to_duration_text(std::chrono::seconds(seconds)); }

// As Postfix's qshape: one row a domain, one column an age.
void show_summary(const Json& answer, const QueueOptions& options) {
  if (answer.at("total").at("recipients") == 0) return show_nothing(options);
  std::string by = answer.at("by").get<std::string>();
  for (char& c : by) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  std::vector<std::string> header{"RECIPIENTS"};
  const Json& from = answer.at("older_than");
  for (std::size_t i = 0; i + 1 < from.size(); ++i) header.push_back("<" + short_age(from[i + 1]));
  header.push_back("MORE");
  const auto cells = [](const Json& row) {
    std::vector<std::string> all{text::grouped(row.at("recipients").get<std::uint64_t>())};
    for (const Json& count : row.at("ages"))
      all.push_back(count == 0 ? "." : text::grouped(count.get<std::uint64_t>()));
    return all;
  };
  std::vector<std::vector<std::string>> rows{header, cells(answer.at("total"))};
  std::vector<std::string> names{by, "all"};
  for (const Json& row : answer.at("rows")) {
    rows.push_back(cells(row));
    names.push_back(without_controls(row.at("name").get<std::string>()));
  }
  std::vector<std::size_t> widths(header.size());
  std::size_t name_width = 0, numbers = 0;
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  for (const std::size_t width : widths) numbers += width + 1;
  for (const std::string& name : names) name_width = std::max(name_width, display_width(name));
  const std::size_t width = terminal_width();
  if (width > 0) name_width = std::min(name_width, width > numbers + 12 ? width - numbers : 12);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::string name = names[i];
    if (display_width(name) > name_width) {  // above its numbers, whole
      std::cout << folded(name, "", width);
      name.clear();
    }
    std::cout << name << std::string(name_width - display_width(name), ' ');
    for (std::size_t k = 0; k < rows[i].size(); ++k)
      std::cout << std::string(widths[k] - rows[i][k].size() + 1, ' ') << rows[i][k];
    std::cout << '\n';
  }
  const auto rows_in_all = answer.value("rows_in_all", std::uint64_t{0});
  if (rows_in_all > answer.at("rows").size())
    std::cout << text::grouped(answer.at("rows").size()) << " of " << text::grouped(rows_in_all)
              << " rows are listed, those with most first; see --limit.\n";
}

// As it will be sent, octet by octet; with --headers to the end of the header.
int show_raw(const CommandLine& line, const QueueOptions& options) {
  const std::string socket = line.socket_path();
  Json arguments = options.arguments();
  std::string header;
  for (std::uint64_t offset = 0;;) {
    arguments["offset"] = offset;
    const auto answer = ask_relay(socket, "queue.raw", arguments);
    if (!answer) return line.fail(answer.error());
    std::string octets = text::from_base64(answer->value("octets", std::string())).value_or("");
    offset += octets.size();
    if (options.headers) {
      header += octets;
      const auto end = header.find("\r\n\r\n");
      if (end != std::string::npos || answer->at("last") == true) {
        show_octets(std::string_view(header).substr(0, end == std::string::npos ? end : end + 2));
        return EX_OK;
      }
      continue;
    }
    show_octets(octets);
    if (answer->at("last") == false) continue;
    std::cout.flush();
    if (!answer->contains("damaged")) return EX_OK;
    return line.fail({EX_IOERR, "the rest cannot be read: " + shown_of(*answer, "damaged"), ""});
  }
}

// What the journal has, when no relay runs that could say; nothing when that is not to be read, or somebody uses it.
std::optional<Expected<Json, ControlError>> ask_journal(const CommandLine& line, const std::string& name,
                                                        const Json& arguments) {
  if (!line.socket.empty()) return std::nullopt;  // whose journal, nobody said
  const app::LoadResult loaded = app::load_config(line.config_file());
  if (loaded.config.data_dir.empty()) return std::nullopt;
  log::configure(-1, log::Format::text, log::Level::error);
  auto answer = app::ask_journal(loaded.config, name, arguments);
  if (!answer) return std::nullopt;
  if (answer->status < 400) return std::move(answer->body);
  return Unexpected(ControlError{answer->status == 404 ? EX_NOINPUT : EX_DATAERR,
                                 answer->body.value("error", ""), answer->body.value("remedy", "")});
}

int look_at_queue(const CommandLine& line, const std::string& name, const Json& arguments,
                  const std::function<void(const Json&)>& show) {
  auto answer = ask_relay(line.socket_path(), name, arguments);
  const bool down = !answer && answer.error().exit_code == EX_UNAVAILABLE;
  if (down) {
    if (auto found = ask_journal(line, name, arguments)) {
      answer = std::move(*found);
      if (answer) (*answer)["from_journal"] = true;
      if (!line.json)
        std::cerr << folded("No relay runs here; this is what its journal has.", "",
                            terminal_width(STDERR_FILENO));
    }
  }
  if (!answer) return line.fail(answer.error());
  if (line.json) return line.print(*answer);
  const Screen screen;
  show(*answer);
  return EX_OK;
}

void add_looking(CLI::App& queue, CommandLine& line) {
  const auto add = [&](const char* name, const char* help, void (*show)(const Json&, const QueueOptions&)) {
    const auto options = std::make_shared<QueueOptions>();
    CLI::App* sub = queue.add_subcommand(name, help);
    add_filter_options(*sub, options);
    sub->add_option("--limit", options->limit, "At most so many; how many there are is said all the same")
        ->capture_default_str();
    sub->callback([&line, options, name, show] {
      line.work = [&line, options, name, show]() -> int {
        if (options->raw || options->headers) return show_raw(line, *options);
        Json arguments = options->arguments();
        arguments["limit"] = options->limit;
        arguments["by"] = options->by;
        return look_at_queue(line, std::string("queue.") + name, arguments,
                             [&](const Json& answer) { show(answer, *options); });
      };
    });
    return std::pair(sub, options);
  };
  add("list", "One line per waiting recipient, oldest message first", show_entries);
  const auto summary =
      add("summary", "How many recipients wait, by domain and age, as qshape shows it", show_summary);
  summary.first
      ->add_option("--by", summary.second->by, "Rows by recipient domain, sender domain, next-hop or reason")
      ->check(CLI::IsMember({"domain", "sender", "next-hop", "reason"}))
      ->capture_default_str();
  summary.second->limit = 20;
  const auto show = add("show", "Everything known about messages", show_messages);
  show.first->add_flag("--raw", show.second->raw, "The message itself, header and body, as it will be sent");
  show.first->add_flag("--headers", show.second->headers, "The header alone");
  add("why", "What messages wait for, in a line per recipient", show_why);
}

void add_work(CLI::App& queue, CommandLine& line) {
  struct Verb {
    const char *name, *past, *help;
  };
  constexpr Verb verbs[] = {
      {"retry", "due now", "Try now what waits, whatever the schedule says"},
      {"hold", "held", "Keep messages back, whole, until they are released"},
      {"release", "released", "Let held messages go"},
      {"expire", "returned", "End the delivery time of mail: its senders are told that it has run out"},
      {"bounce", "returned", "Give mail back to its senders"},
      {"remove", "removed", "Delete mail for good, without a bounce"},
      {"reroute", "sent another way", "Send mail to another relay than routes and MX records say"},
  };
  for (const Verb& verb : verbs) {
    const auto options = std::make_shared<QueueOptions>();
    CLI::App* sub = queue.add_subcommand(verb.name, verb.help);
    add_filter_options(*sub, options);
    sub->add_flag("--all", options->all, "All mail; with options of the filter, all that they mean");
    sub->add_flag("-y,--yes", options->yes, "Do not ask, however much it is");
    if (verb.name == std::string_view("reroute")) add_where_to(*sub, options);
    sub->add_option("--note", options->note,
                    "Why, for the log, 'queue why' and, with bounce and expire, the senders");
    sub->callback([&line, options, verb] {
      line.work = [&line, options, verb] { return work_on_queue(line, *options, verb.name, verb.past); };
    });
  }
}

}  // namespace

void add_queue_commands(CLI::App& app, CommandLine& line) {
  CLI::App* queue = app.add_subcommand("queue", "Look at the queue and work on it");
  queue->require_subcommand(1);
  add_looking(*queue, line);
  add_work(*queue, line);
}

}  // namespace sealpost::cli
