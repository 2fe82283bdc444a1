// SPDX-License-Identifier: Apache-2.0
//
// sealpost dns show | check [DOMAIN]
#include <iostream>
#include <memory>
#include <vector>

#include "cli/command_line.hpp"
#include "cli/screen.hpp"
#include "cli/terminal.hpp"

namespace sealpost::cli {
namespace {

// Copied into a zone file, so whole lines; what is said of them is a comment there.
void show_records(const Json& answer) {
  for (const Json& domain : answer.at("domains")) {
    std::cout << "; " << text_of(domain, "domain") << '\n';
    for (const Json& record : domain.at("records")) {
      const bool served = text_of(record, "type") == "HTTPS";
      const std::string why = text_of(record, "why");
      if (record.at("publish").empty()) continue;
      std::cout << "\n; " << text_of(record, "what")
                << (served ? ", to be served at " + text_of(record, "name") : "") << ": "
                << text_of(record, "state") << (why.empty() ? "" : ": " + why) << '\n';
      for (const Json& line : record.at("publish"))
        verbatim() << (served ? ";   " : "") << line.get<std::string>() << '\n';
    }
    std::cout << '\n';
  }
}

void show_lines(const char* label, const Json& lines, std::size_t width) {
  for (const Json& line : lines) std::cout << folded(label + line.get<std::string>(), "    ", width);
}

void show_check(const Json& answer) {
  const std::size_t width = terminal_width();
  for (const Json& domain : answer.at("domains")) {
    std::cout << text_of(domain, "domain") << '\n';
    for (const Json& record : domain.at("records")) {
      const std::string state = text_of(record, "state"), why = text_of(record, "why");
      const bool good = state == "ok", optional = !good && record.at("optional") == true;
      std::cout << folded(text_of(record, "what") + " " + text_of(record, "name") + ": " + state +
                              (optional ? " (mail does not suffer without it)" : "") +
                              (why.empty() ? "" : ": " + why),
                          "  ", width);
      show_lines("found: ", record.at("found"), width);
      const std::string remedy = text_of(record, "remedy");
      if (!remedy.empty()) std::cout << folded("what to do: " + remedy, "    ", width);
      if (good || state == "could not be asked") continue;
      for (const Json& line : record.at("publish")) verbatim() << "      " << line.get<std::string>() << '\n';
    }
  }
}

}  // namespace

void add_dns_commands(CLI::App& app, CommandLine& line) {
  struct Options {
    std::string domain;
    std::vector<std::string> addresses;
  };
  CLI::App* dns = app.add_subcommand("dns", "What an own domain should publish, and what DNS says of it");
  dns->require_subcommand(1);
  const auto options = std::make_shared<Options>();
  const auto add = [&](const char* name, const char* what, void (*show)(const Json&), bool judges) {
    CLI::App* command = dns->add_subcommand(name, what);
    command->add_option("DOMAIN", options->domain,
                        "An own domain; default: those that [dkim] names, and that of tls_rpt.contact");
    command->add_option("--address", options->addresses,
                        "Mail leaves from this address, not from those of this machine; may be given again");
    command->callback([&line, options, show, judges] {
      line.work = [&line, options, show, judges] {
        Json arguments = Json::object();
        if (!options->domain.empty()) arguments["domain"] = options->domain;
        if (!options->addresses.empty()) arguments["addresses"] = options->addresses;
        return ask_and_show(line, "dns.check", arguments, show, [judges](const Json& answer) {
          return judges ? answer.at("exit_code").get<int>() : 0;
        });
      };
    });
  };
  add("show",
      "The records to publish, as lines of a zone file: MTA-STS with its policy, TLS-RPT, DKIM, SPF, TLSA.\n"
      "What is published already and right stays as it is",
      show_records, false);
  add("check",
      "Ask DNS and the policy host what is published, and say what to do.\n"
      "Exit code 1 when something is wrong or absent, 75 when something could not be asked",
      show_check, true);
}

}  // namespace sealpost::cli
