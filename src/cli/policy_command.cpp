// SPDX-License-Identifier: Apache-2.0
//
// sealpost policy list | explain (trying rules: rule_command.cpp, their history: policy_change_command.cpp, import: policy_import_command.cpp);
// sealpost sts show | refresh
#include <iostream>
#include <memory>

#include "cli/command_line.hpp"
#include "cli/table.hpp"

namespace sealpost::cli {
namespace {

std::string joined(const Json& list) {
  std::string all;
  for (const Json& item : list) all += (all.empty() ? "" : " ") + item.get<std::string>();
  return all;
}

// "412 of 412"; "-" when no session was recorded.
std::string passed(const Json& partner) {
  if (!partner.contains("readiness") || partner["readiness"].at("sessions") == 0) return "-";
  return partner["readiness"].at("passed").dump() + " of " + partner["readiness"].at("sessions").dump();
}

// "verify"; "verify (encrypt by exception until 2026-12-01; 0 of 2 without it)", "verify (on trial)".
std::string level(const Json& partner) {
  std::string text = partner.at("tls_by_rule");
  const Json& exception = partner.at("exception");
  if (exception.is_null()) return text;
  text += " (" + exception.at("tls").get<std::string>() + " by exception until " +
          exception.at("until").get<std::string>().substr(0, 10);
  if (const std::string record = passed(partner); record != "-") text += "; " + record + " without it";
  return text + ")";
}

void show_partners(const Json& answer) {
  const Json& partners = answer.at("partners");
  if (partners.empty()) {
    std::cout << "No partner rules. Everyone gets opportunistic TLS and what they publish (MTA-STS, DANE).\n";
  } else {
    Table table({"PARTNER", "DOMAINS", "TLS", "MODE", "PASSED, 30 DAYS", "ON FAILURE", "GRACE", "FILE"});
    for (const Json& partner : partners) {
      table.add({partner.at("name"), joined(partner.at("domains")), level(partner), partner.at("mode"),
                 passed(partner), partner.at("on_failure"), partner.at("grace"), partner.at("file")});
    }
    table.print(std::cout);
  }
  std::cout << "\nMTA-STS policies cached: " << answer.at("sts_cached") << " (see 'sealpost sts show')\n";
}

void show_explanation(const Json& answer) {
  std::cout << answer.at("address").get<std::string>() << '\n';
  for (const Json& line : answer.at("trace")) std::cout << "  " << line.get<std::string>() << '\n';
  for (const Json& host : answer.at("hosts")) {
    std::cout << "  MX " << host.at("preference") << " " << host.at("mx").get<std::string>() << '\n';
    for (const Json& line : host.at("trace")) std::cout << "    " << line.get<std::string>() << '\n';
    std::cout << "    on failure: " << host.at("on_failure").get<std::string>() << '\n';
  }
}

void show_sts(const Json& answer) {
  const Json& entries = answer.at("policies");
  if (entries.empty()) {
    std::cout << "No MTA-STS policy is cached.\n";
    return;
  }
  Table table({"DOMAIN", "MODE", "ID", "EXPIRES", "NEXT REFRESH", "FAILURES", "MX"});
  for (const Json& entry : entries) {
    table.add({entry.at("domain"), entry.at("mode"), entry.at("id"), entry.at("expires"),
               entry.at("next_refresh"), entry.at("failure_streak").dump(), joined(entry.at("mx"))});
  }
  table.print(std::cout);
  for (const Json& entry : entries) {
    if (const std::string failure = entry.value("last_failure", std::string()); !failure.empty())
      std::cout << entry.at("domain").get<std::string>() << ": last refresh failed: " << failure << '\n';
  }
}

}  // namespace

void add_policy_commands(CLI::App& app, CommandLine& line) {
  CLI::App* policy = app.add_subcommand("policy", "What transport security applies to whom, and why");
  policy->require_subcommand(1);
  const auto address = std::make_shared<std::string>();
  policy->add_subcommand("list", "The partner rules in force")->callback([&line] {
    line.work = [&line] { return ask_and_show(line, "policy.list", Json::object(), show_partners); };
  });
  CLI::App* explain = policy->add_subcommand(
      "explain", "What mail to an address must meet, who asks for it, and what happens if not");
  explain->add_option("ADDRESS", *address, "A mail address or a domain")->required();
  add_change_commands(*policy, line);
  add_rule_commands(*policy, line);
  add_policy_import_command(*policy, line);
  explain->callback([&line, address] {
    line.work = [&line, address] {
      return ask_and_show(line, "policy.explain", Json{{"address", *address}}, show_explanation);
    };
  });
}

void add_sts_commands(CLI::App& app, CommandLine& line) {
  CLI::App* sts = app.add_subcommand("sts", "The MTA-STS policy cache");
  sts->require_subcommand(1);
  const auto domain = std::make_shared<std::string>();
  CLI::App* show = sts->add_subcommand("show", "Cached policies: mode, id, expiry, next refresh, failures");
  show->add_option("DOMAIN", *domain, "Only this domain");
  show->callback([&line, domain] {
    line.work = [&line, domain] {
      Json arguments = Json::object();
      if (!domain->empty()) arguments["domain"] = *domain;
      return ask_and_show(line, "sts.show", arguments, show_sts);
    };
  });
  CLI::App* refresh =
      sts->add_subcommand("refresh", "Fetch a domain's policy now; the cached one stays if that fails");
  refresh->add_option("DOMAIN", *domain, "The domain")->required();
  refresh->callback([&line, domain] {
    line.work = [&line, domain] {
      return ask_and_show(line, "sts.refresh", Json{{"domain", *domain}}, [](const Json& answer) {
        std::cout << answer.at("domain").get<std::string>() << ": " << answer.at("state").get<std::string>()
                  << '\n';
        if (const std::string failure = answer.value("failure", std::string()); !failure.empty())
          std::cout << "  the fetch failed: " << failure << '\n';
      });
    };
  });
}

}  // namespace sealpost::cli
