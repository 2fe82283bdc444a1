// SPDX-License-Identifier: Apache-2.0
//
// sealpost report list | show | alerts | read | preview | send | why
#include <sysexits.h>

#include <iostream>
#include <memory>

#include "cli/command_line.hpp"
#include "cli/control_client.hpp"
#include "cli/report_print.hpp"
#include "cli/report_read.hpp"
#include "cli/report_send.hpp"
#include "cli/screen.hpp"

namespace sealpost::cli {
namespace {

struct ReportOptions {
  std::string day, domain;
  std::vector<std::string> files;
  std::string organization;
  std::size_t limit = 1000;
  std::int64_t id = 0;
  bool forget = false;
  bool wait = false, now = false, csv = false, received = false;
};

using Printer = void (*)(const Json&);

}  // namespace

void add_report_commands(CLI::App& app, CommandLine& line) {
  CLI::App* report =
      app.add_subcommand("report", "TLS-RPT: what was counted, and the reports made of it (RFC 8460)");
  report->require_subcommand(1);
  const auto options = std::make_shared<ReportOptions>();
  const auto arguments = [options] {
    Json all = Json::object();
    if (!options->day.empty()) all["day"] = options->day;
    if (!options->domain.empty()) all["domain"] = options->domain;
    all["limit"] = options->limit;
    if (options->received) all["received"] = true;
    if (!options->organization.empty()) all["organization"] = options->organization;
    return all;
  };

  // People read a table or sentences, spreadsheets CSV, programs --json.
  const auto read = [&line, options, arguments](CLI::App* sub, const char* name, Printer people,
                                                Printer csv) {
    CLI::Option* received = sub->add_flag("--received", options->received,
                                          "How others reach us, from the reports they sent ('report read')");
    sub->add_option("--from", options->organization, "Only what this organization reported")->needs(received);
    sub->add_flag("--csv", options->csv, "Comma-separated values, for a spreadsheet");
    sub->callback([&line, options, arguments, name, people, csv] {
      line.work = [&line, options, arguments, name, people, csv] {
        if (options->csv && line.json) {
          const ControlError two{EX_USAGE, "--csv and --json are two forms of one answer",
                                 "give one of them"};
          return line.fail(two);
        }
        return ask_and_show(line, name, arguments(), options->csv ? csv : people);
      };
    });
  };
  CLI::App* list = report->add_subcommand(
      "list", "Sessions per day, domain and policy, with trend and worst failure; newest day first");
  list->add_option("--day", options->day, "Only this UTC day, 2026-01-31, or these, 2026-01-01..2026-01-31");
  list->add_option("--domain", options->domain, "Only this domain");
  list->add_option("--limit", options->limit, "At most so many lines")->capture_default_str();
  read(list, "report.list", print_list, print_list_csv);

  CLI::App* show = report->add_subcommand(
      "show",
      "A domain in plain words: what failed, the likely cause, and what to do; and how each day went");
  show->add_option("--day", options->day,
                   "UTC day, 2026-01-31, or days, 2026-01-01..2026-01-31; default: the newest with sessions");
  show->add_option("--domain", options->domain, "The domain mail went to; ours with --received")->required();
  read(show, "report.show", print_show, print_show_csv);

  CLI::App* reading = report->add_subcommand(
      "read",
      "Read reports that others sent to us: JSON, gzip, zip, the whole mail, or an mbox. Each is taken once; "
      "'report list --received' shows them");
  reading->add_option("FILE", options->files, "Files; - is standard input")->required();
  reading->callback(
      [&line, options] { line.work = [&line, options] { return read_reports(line, options->files); }; });

  CLI::App* aside = report->add_subcommand(
      "aside", "Reports of others that 'report read' could not take, kept as they came; with ID: its octets");
  CLI::Option* id = aside->add_option("ID", options->id, "One of them")->check(CLI::PositiveNumber);
  aside->add_flag("--forget", options->forget, "Throw it away")->needs(id);
  aside->callback([&line, options] {
    line.work = [&line, options] { return show_aside(line, options->id, options->forget); };
  });

  CLI::App* alerts =
      report->add_subcommand("alerts", "Causes that last: what is wrong, since when, what to do");
  alerts->callback([&line] {
    line.work = [&line] { return ask_and_show(line, "report.alerts", Json::object(), print_alerts); };
  });

  CLI::App* preview =
      report->add_subcommand("preview", "The report as it would be sent: the RFC 8460 JSON itself");
  preview->add_option("--day", options->day, "UTC day, 2026-01-31; default: today");
  preview->add_option("--domain", options->domain, "The domain reported to")->required();
  preview->callback([&line, arguments] {
    line.work = [&line, arguments] {
      return ask_and_show(line, "report.preview", arguments(),
                          [](const Json& answer) { verbatim() << answer.dump(2) << '\n'; });
    };
  });

  CLI::App* send = report->add_subcommand(
      "send",
      "Send the reports of a finished day now, without waiting for the night; says what is under way");
  send->add_option("--day", options->day, "UTC day, 2026-01-31")->required();
  send->add_option("--domain", options->domain, "Only this domain's");
  send->add_flag("--now", options->now, "Said for clarity: sending is always at once");
  send->add_flag("--wait", options->wait, "Return when each has been tried");
  send->callback([&line, options, arguments] {
    line.work = [&line, options, arguments] { return send_reports(line, arguments(), options->wait); };
  });
  CLI::App* why = report->add_subcommand("why", "What became of the reports about a domain");
  why->add_option("DOMAIN", options->domain, "The domain")->required();
  why->callback([&line, arguments] {
    line.work = [&line, arguments] { return ask_and_show(line, "report.why", arguments(), print_jobs); };
  });
}

}  // namespace sealpost::cli
