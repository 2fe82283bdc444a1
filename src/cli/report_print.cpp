// SPDX-License-Identifier: Apache-2.0
#include "cli/report_print.hpp"

#include <fmt/format.h>

#include <iostream>

#include "cli/csv.hpp"
#include "cli/table.hpp"

namespace sealpost::cli {
namespace {

using Json = nlohmann::json;

std::string text_of(const Json& object, const char* key) { return object.value(key, std::string()); }
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
  const std::string trend = text_of(policy, "trend");
  if (trend == "first") return "nothing before";
  if (trend == "same") return "as before";
  return fmt::format("{} ({:.0f}% -> {:.0f}% failed)", trend, failed_share(policy.at("seven_days_before")),
                     failed_share(policy));
}

bool received(const Json& entries) { return !entries.empty() && entries.front().contains("organization"); }

std::string sessions(std::uint64_t count) {
  return std::to_string(count) + (count == 1 ? " session" : " sessions");
}

void print_failures(const Json& failures) {
  for (const Json& failure : failures) {
    std::string host = text_of(failure, "mx_host");
    if (const std::string ip = text_of(failure, "receiving_ip"); !ip.empty()) host += " [" + ip + "]";
    std::cout << "\n  " << sessions(failure.value("sessions", std::uint64_t(0))) << ": "
              << text_of(failure, "what") << '\n';
    if (const std::string cause = text_of(failure, "cause"); !cause.empty())
      std::cout << "    likely cause: " << cause << '\n';
    if (const std::string remedy = text_of(failure, "remedy"); !remedy.empty())
      std::cout << "    what to do:   " << remedy << '\n';
    std::cout << "    in the report: " << text_of(failure, "result_type");
    if (const std::string reason = text_of(failure, "reason_code"); !reason.empty())
      std::cout << ", " << reason;
    if (!host.empty()) std::cout << ", at " << host;
    std::cout << '\n';
  }
}

}  // namespace

void print_list(const Json& entries) {
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
      std::vector<std::string> row = {text_of(entry, "day"),
                                      text_of(entry, "domain"),
                                      text_of(policy, "policy_type"),
                                      number_of(policy, "successful_sessions"),
                                      number_of(policy, "failed_sessions"),
                                      trend_in_words(policy),
                                      policy.contains("worst") ? text_of(policy["worst"], "what") : "-"};
      if (theirs) row.insert(row.begin() + 1, text_of(entry, "organization"));
      table.add(std::move(row));
    }
  }
  table.print(std::cout);
}

void print_list_csv(const Json& entries) {
  std::cout << csv_line({"day", "organization", "domain", "policy_type", "successful_sessions",
                         "failed_sessions", "successful_sessions_7_days_before",
                         "failed_sessions_7_days_before", "trend", "what", "cause", "remedy"});
  for (const Json& entry : entries) {
    for (const Json& policy : entry.at("policies")) {
      const Json worst = policy.value("worst", Json::object());
      const Json& before = policy.at("seven_days_before");
      std::cout << csv_line({text_of(entry, "day"), text_of(entry, "organization"), text_of(entry, "domain"),
                             text_of(policy, "policy_type"), number_of(policy, "successful_sessions"),
                             number_of(policy, "failed_sessions"), number_of(before, "successful_sessions"),
                             number_of(before, "failed_sessions"), text_of(policy, "trend"),
                             text_of(worst, "what"), text_of(worst, "cause"), text_of(worst, "remedy")});
    }
  }
}

void print_show(const Json& answer) {
  std::cout << text_of(answer, "domain") << " on " << text_of(answer, "day") << " (UTC)\n";
  for (const Json& policy : answer.at("policies")) {
    std::cout << "\nPolicy " << text_of(policy, "policy_type");
    if (const std::string mode = text_of(policy, "policy_mode"); !mode.empty())
      std::cout << " (" << mode << ")";
    std::cout << " of " << text_of(policy, "policy_domain");
    if (policy.contains("organization")) std::cout << ", reported by " << text_of(policy, "organization");
    std::cout << ": " << sessions(policy.value("successful_sessions", std::uint64_t(0))) << " ok, "
              << number_of(policy, "failed_sessions") << " failed; " << trend_in_words(policy) << '\n';
    for (const Json& line : policy.at("policy")) std::cout << "    " << line.get<std::string>() << '\n';
    print_failures(policy.at("failures"));
  }
}

void print_show_csv(const Json& answer) {
  std::cout << csv_line({"day", "organization", "domain", "policy_type", "policy_domain", "sessions",
                         "result_type", "reason_code", "mx_host", "mx_helo", "receiving_ip", "sending_ip",
                         "what", "cause", "remedy"});
  for (const Json& policy : answer.at("policies")) {
    for (const Json& failure : policy.at("failures")) {
      std::cout << csv_line(
          {text_of(answer, "day"), text_of(policy, "organization"), text_of(answer, "domain"),
           text_of(policy, "policy_type"), text_of(policy, "policy_domain"), number_of(failure, "sessions"),
           text_of(failure, "result_type"), text_of(failure, "reason_code"), text_of(failure, "mx_host"),
           text_of(failure, "mx_helo"), text_of(failure, "receiving_ip"), text_of(failure, "sending_ip"),
           text_of(failure, "what"), text_of(failure, "cause"), text_of(failure, "remedy")});
    }
  }
}

void print_alerts(const Json& alerts) {
  if (alerts.empty()) std::cout << "Nothing is wrong.\n";
  for (const Json& alert : alerts) {
    std::cout << text_of(alert, "kind") << " " << text_of(alert, "subject") << ", since "
              << text_of(alert, "since") << "\n  " << text_of(alert, "what") << '\n';
    if (const std::string remedy = text_of(alert, "do"); !remedy.empty())
      std::cout << "  what to do: " << remedy << '\n';
  }
}

void print_jobs(const Json& jobs) {
  if (jobs.empty()) {
    std::cout << "No report has been planned.\n";
    return;
  }
  Table table({"DAY", "DOMAIN", "STATE", "TRIES", "TARGET", "RESULT"});
  for (const Json& job : jobs) {
    table.add({job.at("day"), job.at("domain"), job.at("state"), job.at("attempts").dump(),
               job.at("target").is_null() ? "-" : job.at("target").get<std::string>(), job.at("result")});
  }
  table.print(std::cout);
}

}  // namespace sealpost::cli
