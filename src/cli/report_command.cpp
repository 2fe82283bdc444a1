// SPDX-License-Identifier: Apache-2.0
//
// sealpost report list | show | preview | send | why
#include <iostream>
#include <memory>

#include "cli/command_line.hpp"
#include "cli/table.hpp"

namespace sealpost::cli {
namespace {

void show_days(const Json& days) {
  if (days.empty()) {
    std::cout << "No TLS session has been counted.\n";
    return;
  }
  Table table({"DAY", "DOMAIN", "OK", "FAILED"});
  for (const Json& line : days) {
    table.add({line.at("day"), line.at("domain"), line.at("successful_sessions").dump(),
               line.at("failed_sessions").dump()});
  }
  table.print(std::cout);
}

std::string member(const Json& object, const char* key) { return object.value(key, std::string("-")); }

void show_report(const Json& report) {
  std::cout << "Report " << member(report, "report-id") << " by " << member(report, "organization-name")
            << "\n"
            << "From " << member(report.at("date-range"), "start-datetime") << " to "
            << member(report.at("date-range"), "end-datetime") << "\n";
  for (const Json& entry : report.at("policies")) {
    const Json& policy = entry.at("policy");
    const Json& summary = entry.at("summary");
    std::cout << "\nPolicy " << member(policy, "policy-type") << " of " << member(policy, "policy-domain")
              << ": " << summary.at("total-successful-session-count") << " session(s) ok, "
              << summary.at("total-failure-session-count") << " failed\n";
    for (const Json& line : policy.at("policy-string"))
      std::cout << "    " << line.get<std::string>() << '\n';
    if (entry.at("failure-details").empty()) continue;
    Table table({"  SESSIONS", "RESULT", "MX", "IP", "REASON"});
    for (const Json& detail : entry.at("failure-details")) {
      table.add({"  " + detail.at("failed-session-count").dump(), member(detail, "result-type"),
                 member(detail, "receiving-mx-hostname"), member(detail, "receiving-ip"),
                 member(detail, "failure-reason-code")});
    }
    table.print(std::cout);
  }
}

void show_jobs(const Json& jobs) {
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

struct Options {
  std::string day, domain;
  bool now = false;
};

}  // namespace

void add_report_commands(CLI::App& app, CommandLine& line) {
  CLI::App* report =
      app.add_subcommand("report", "TLS-RPT: what was counted, and the reports made of it (RFC 8460)");
  report->require_subcommand(1);
  const auto options = std::make_shared<Options>();
  const auto arguments = [options] {
    Json all = Json::object();
    if (!options->day.empty()) all["day"] = options->day;
    if (!options->domain.empty()) all["domain"] = options->domain;
    return all;
  };

  CLI::App* list =
      report->add_subcommand("list", "Sessions per day and domain, newest day and most failures first");
  list->add_option("--day", options->day, "Only this UTC day, 2026-01-31");
  list->add_option("--domain", options->domain, "Only this domain");
  list->callback([&line, arguments] {
    line.work = [&line, arguments] { return ask_and_show(line, "report.list", arguments(), show_days); };
  });

  const auto one = [&](const char* name, const char* help, bool raw) {
    CLI::App* sub = report->add_subcommand(name, help);
    sub->add_option("--day", options->day, "UTC day, 2026-01-31; default: today");
    sub->add_option("--domain", options->domain, "The domain reported to")->required();
    sub->callback([&line, arguments, raw] {
      line.work = [&line, arguments, raw] {
        return ask_and_show(line, "report.preview", arguments(), [raw](const Json& answer) {
          if (raw)
            std::cout << answer.dump(2) << '\n';
          else
            show_report(answer);
        });
      };
    });
  };
  one("show", "One day and domain in plain words", false);
  one("preview", "The report as it would be sent: the RFC 8460 JSON itself", true);

  CLI::App* send =
      report->add_subcommand("send", "Send the reports of a finished day now, without waiting for the night");
  send->add_option("--day", options->day, "UTC day, 2026-01-31")->required();
  send->add_option("--domain", options->domain, "Only this domain's");
  send->add_flag("--now", options->now, "Said for clarity: sending is always at once");
  send->callback([&line, arguments] {
    line.work = [&line, arguments] { return ask_and_show(line, "report.send", arguments(), show_jobs); };
  });
  CLI::App* why = report->add_subcommand("why", "What became of the reports about a domain");
  why->add_option("DOMAIN", options->domain, "The domain")->required();
  why->callback([&line, arguments] {
    line.work = [&line, arguments] { return ask_and_show(line, "report.why", arguments(), show_jobs); };
  });
}

}  // namespace sealpost::cli
