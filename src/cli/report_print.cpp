// SPDX-License-Identifier: Apache-2.0
#include "cli/report_print.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iostream>

#include "cli/csv.hpp"
#include "cli/screen.hpp"
#include "cli/table.hpp"
#include "cli/terminal.hpp"

namespace sealpost::cli {
namespace {

using Json = nlohmann::json;

std::string text_if_any(const Json& object, const char* key) { return object.value(key, std::string()); }
std::string number_of(const Json& object, const char* key) {
  return std::to_string(object.value(key, std::uint64_t(0)));
}

double failed_share(const Json& sums) {
  const auto ok = static_cast<double>(sums.value("successful_sessions", std::uint64_t(0)));
  const auto failed = static_cast<double>(sums.value("failed_sessions", std::uint64_t(0)));
  return ok + failed > 0 ? 100.0 * failed / (ok + failed) : 0.0;
}

// "worse (2% -> 20% failed)"
std::string trend_in_words(const Json& policy) {
  const std::string trend = text_if_any(policy, "trend");
  if (trend == "first") return "nothing before";
  if (trend == "same") return "as before";
  return fmt::format("{} ({:.0f}% -> {:.0f}% failed)", trend, failed_share(policy.at("seven_days_before")),
                     failed_share(policy));
}

bool received(const Json& entries) { return !entries.empty() && entries.front().contains("organization"); }

std::string sessions(std::uint64_t count) {
  return std::to_string(count) + (count == 1 ? " session" : " sessions");
}

// In lines that fit the terminal, and are read easily where there is none.
std::string indented(const std::string& text, const std::string& indent) {
  constexpr std::size_t easily_read = 79;
  const std::size_t width = terminal_width();
  return cli::folded(text, indent, width == 0 ? easily_read : std::min(width, easily_read + 1));
}

// How each day went: numbers, and a bar as long as its share of the greatest.
void print_days(const Json& days) {
  constexpr std::size_t widest = 36;
  if (days.size() < 2) return;
  const auto count = [](const Json& day, const char* key) { return day.value(key, std::uint64_t(0)); };
  std::uint64_t most = 1;
  bool refused = false;
  for (const Json& day : days) {
    most = std::max(most, count(day, "successful_sessions") + count(day, "failed_sessions"));
    refused = refused || count(day, "refused_sessions") > 0;
  }
  const auto bar = [most](std::uint64_t part, char letter) {
    const auto length =
        static_cast<std::size_t>(static_cast<double>(part) * widest / static_cast<double>(most) + 0.5);
    return std::string(part > 0 ? std::max<std::size_t>(length, 1) : 0, letter);
  };
  std::cout << fmt::format("\n{:<10} {:>9} {:>9} {:>9}\n", "DAY", "OK", "FAILED", refused ? "OWN RULE" : "");
  for (const Json& day : days) {
    const auto ok = count(day, "successful_sessions"), failed = count(day, "failed_sessions");
    std::cout << fmt::format("{:<10} {:>9} {:>9} {:>9}  {}{}\n", text_if_any(day, "day"), ok, failed,
                             refused ? std::to_string(count(day, "refused_sessions")) : "", bar(ok, '#'),
                             bar(failed, 'x'));
  }
  std::cout << "# ok  x failed"
            << (refused ? "; own rule: ended by a demand of ours, counted ok or not at all" : "") << '\n';
}

// `own`: of a demand of ours, which no report has.
void print_failures(const Json& failures, bool own) {
  for (const Json& failure : failures) {
    std::string host = text_if_any(failure, "mx_host");
    if (const std::string ip = text_if_any(failure, "receiving_ip"); !ip.empty()) host += " [" + ip + "]";
    std::cout << '\n'
              << indented(sessions(failure.value("sessions", std::uint64_t(0))) + ": " +
                              text_if_any(failure, "what"),
                          "  ");
    if (const std::string cause = text_if_any(failure, "cause"); !cause.empty())
      std::cout << indented("likely cause: " + cause, "    ");
    if (const std::string remedy = text_if_any(failure, "remedy"); !remedy.empty())
      std::cout << indented("what to do: " + remedy, "    ");
    std::string words = (own ? "recorded as: " : "in the report: ") + text_if_any(failure, "result_type");
    if (const std::string reason = text_if_any(failure, "reason_code"); !reason.empty())
      words += ", " + reason;
    if (!host.empty()) words += ", at " + host;
    std::cout << indented(words, "    ");
  }
}

}  // namespace

void print_list(const Json& answer) {
  const Json& entries = answer.at("entries");
  if (entries.empty()) {
    std::cout << "No TLS session has been counted.\n";
    return;
  }
  const bool theirs = received(entries);
  std::vector<std::string> header = {"DAY", "DOMAIN", "POLICY", "OK", "FAILED", "TREND", "WORST FAILURE"};
  if (theirs) header.insert(header.begin() + 1, "REPORTED BY");
  Table table(header);
  for (const Json& entry : entries) {
    for (const Json& policy : entry.at("policies")) {
      std::vector<std::string> row = {text_if_any(entry, "day"),
                                      text_if_any(entry, "domain"),
                                      text_if_any(policy, "policy_type"),
                                      number_of(policy, "successful_sessions"),
                                      number_of(policy, "failed_sessions"),
                                      trend_in_words(policy),
                                      policy.contains("worst") ? text_if_any(policy["worst"], "what") : "-"};
      if (theirs) row.insert(row.begin() + 1, text_if_any(entry, "organization"));
      table.add(std::move(row));
    }
  }
  table.print(std::cout);
  if (answer.at("cut") == true)
    std::cout << "There are more than the " << answer.at("limit")
              << " lines that are listed, the newest first; see --limit, --day and --domain.\n";
}

void print_list_csv(const Json& answer) {
  const Json& entries = answer.at("entries");
  if (answer.at("cut") == true)
    std::cerr << "sealpost: there are more than " << answer.at("limit") << " lines; see --limit\n";
  verbatim() << csv_line({"day", "organization", "domain", "policy_type", "successful_sessions",
                          "failed_sessions", "successful_sessions_7_days_before",
                          "failed_sessions_7_days_before", "trend", "what", "cause", "remedy"});
  for (const Json& entry : entries) {
    for (const Json& policy : entry.at("policies")) {
      const Json worst = policy.value("worst", Json::object());
      const Json& before = policy.at("seven_days_before");
      verbatim() << csv_line({text_if_any(entry, "day"), text_if_any(entry, "organization"),
                              text_if_any(entry, "domain"), text_if_any(policy, "policy_type"),
                              number_of(policy, "successful_sessions"), number_of(policy, "failed_sessions"),
                              number_of(before, "successful_sessions"), number_of(before, "failed_sessions"),
                              text_if_any(policy, "trend"), text_if_any(worst, "what"),
                              text_if_any(worst, "cause"), text_if_any(worst, "remedy")});
    }
  }
}

void print_show(const Json& answer) {
  const std::string from = text_if_any(answer, "from"), to = text_if_any(answer, "to");
  std::cout << text_if_any(answer, "domain") << (from == to ? " on " : ", " + from + " to ") << to
            << " (UTC)\n";
  print_days(answer.at("days"));
  for (const Json& policy : answer.at("policies")) {
    if (text_if_any(policy, "policy_type") == "own-rule") {
      std::cout << "\nOur own demand, " << text_if_any(policy, "policy_domain") << ": "
                << sessions(policy.value("failed_sessions", std::uint64_t(0)))
                << " ended by it, no mail went in them\n";
      if (from == to && text_if_any(policy, "trend") != "first")
        std::cout << "  " << trend_in_words(policy) << '\n';
      print_failures(policy.at("failures"), true);
      continue;
    }
    std::string line = "Policy " + text_if_any(policy, "policy_type");
    if (const std::string mode = text_if_any(policy, "policy_mode"); !mode.empty()) line += " (" + mode + ")";
    line += " of " + text_if_any(policy, "policy_domain");
    if (policy.contains("organization")) line += ", reported by " + text_if_any(policy, "organization");
    line += ": " + sessions(policy.value("successful_sessions", std::uint64_t(0))) + " ok, " +
            number_of(policy, "failed_sessions") + " failed";
    std::cout << '\n' << indented(line, "");
    if (from == to) std::cout << "  " << trend_in_words(policy) << '\n';
    for (const Json& term : policy.at("policy")) std::cout << "    " << term.get<std::string>() << '\n';
    print_failures(policy.at("failures"), false);
  }
}

void print_show_csv(const Json& answer) {
  verbatim() << csv_line({"day", "organization", "domain", "policy_type", "policy_domain", "sessions",
                          "result_type", "reason_code", "mx_host", "mx_helo", "receiving_ip", "sending_ip",
                          "what", "cause", "remedy"});
  for (const Json& policy : answer.at("policies")) {
    for (const Json& failure : policy.at("failures")) {
      verbatim() << csv_line({text_if_any(answer, "day"), text_if_any(policy, "organization"),
                              text_if_any(answer, "domain"), text_if_any(policy, "policy_type"),
                              text_if_any(policy, "policy_domain"), number_of(failure, "sessions"),
                              text_if_any(failure, "result_type"), text_if_any(failure, "reason_code"),
                              text_if_any(failure, "mx_host"), text_if_any(failure, "mx_helo"),
                              text_if_any(failure, "receiving_ip"), text_if_any(failure, "sending_ip"),
                              text_if_any(failure, "what"), text_if_any(failure, "cause"),
                              text_if_any(failure, "remedy")});
    }
  }
}

void print_alerts(const Json& answer) {
  for (const Json& alert : answer.at("open")) {
    std::cout << text_if_any(alert, "kind") << " " << text_if_any(alert, "subject") << ", since "
              << text_if_any(alert, "since") << '\n'
              << indented(text_if_any(alert, "what"), "  ");
    if (const std::string remedy = text_if_any(alert, "remedy"); !remedy.empty())
      std::cout << indented("what to do: " + remedy, "  ");
  }
  if (!answer.at("pending").empty()) std::cout << "Not an alert yet; at the time said, if it lasts:\n";
  for (const Json& alert : answer.at("pending"))
    std::cout << text_if_any(alert, "due") << " " << text_if_any(alert, "kind") << " "
              << text_if_any(alert, "subject") << ", since " << text_if_any(alert, "since") << '\n'
              << indented(text_if_any(alert, "what"), "  ");
  if (!answer.value("enabled", true))
    std::cout << "Nothing is watched: alerts.enabled is false.\n";
  else if (answer.at("open").empty() && answer.at("pending").empty())
    std::cout << "Nothing is wrong.\n";
  else if (answer.at("mail").is_null())
    std::cout << "Nobody is told by mail: alerts.mail is not set.\n";
}

void print_jobs(const Json& answer) {
  const Json& jobs = answer.at("reports");
  if (jobs.empty()) {
    std::cout << "No report has been planned.\n";
    return;
  }
  for (const Json& job : jobs) {
    const auto tries = job.value("attempts", std::uint64_t(0));
    std::cout << text_if_any(job, "day") << "  " << text_if_any(job, "domain") << "  "
              << text_if_any(job, "state");
    if (tries > 0) std::cout << ", tried " << (tries == 1 ? "once" : std::to_string(tries) + " times");
    if (job.at("next_attempt").is_string()) std::cout << ", next at " << text_if_any(job, "next_attempt");
    std::cout << '\n';
    if (job.at("target").is_string()) std::cout << "    to " << text_if_any(job, "target") << '\n';
    if (const std::string result = text_if_any(job, "result"); !result.empty())
      std::cout << indented(result, "    ");
  }
}

}  // namespace sealpost::cli
