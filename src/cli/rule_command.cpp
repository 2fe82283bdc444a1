// SPDX-License-Identifier: Apache-2.0
//
// sealpost policy readiness | replay | suggest: partner rules held against recorded sessions.
#include <sysexits.h>

#include <fstream>
#include <iostream>
#include <memory>
#include <sstream>

#include "cli/command_line.hpp"
#include "cli/control_client.hpp"
#include "cli/rule_file.hpp"
#include "cli/screen.hpp"
#include "cli/table.hpp"

namespace sealpost::cli {
namespace {

constexpr std::size_t most_rule_file = 512 << 10;  // octets; the control socket takes a little more

struct RuleOptions {
  std::string partner, rule_file, domain, since = "7d";
  unsigned days = 30, least_days = 7, least_sessions = 20, limit = 50;
};

}  // namespace

int read_rule_file(const CommandLine& line, const std::string& path, Json& arguments) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  if (!file || text.str().empty())
    return line.fail({EX_NOINPUT, "rule file " + path + " cannot be read, or is empty", ""});
  if (text.str().size() > most_rule_file)
    return line.fail(
        {EX_NOINPUT, "rule file " + path + " is longer than 512 KiB", "try the rules in question alone"});
  arguments["file"] = path;
  arguments["rule"] = text.str();
  return EX_OK;
}

namespace {

std::string number(const Json& object, const char* key) { return object.at(key).dump(); }

void show_reasons(const Json& reasons) {
  for (const Json& reason : reasons)
    std::cout << "    " << number(reason, "sessions") << " x " << reason.at("text").get<std::string>()
              << " (last " << reason.at("last").get<std::string>() << ")\n";
}

void show_gaps(const Json& answer) {
  if (answer.at("left_out") != 0)
    std::cout << "Not recorded, because the hosts showed too many different things in a day: "
              << number(answer, "left_out") << " session(s)\n";
  if (answer.at("damaged") != 0)
    std::cout << "Left out, because the records are damaged: " << number(answer, "damaged") << '\n';
  if (answer.at("incomplete") == true) std::cout << "There are more sessions than one question reads.\n";
}

void show_readiness(const Json& answer) {
  if (answer.at("partners").empty()) std::cout << "No partner rules.\n";
  for (const Json& one : answer.at("partners")) {
    std::cout << one.at("partner").get<std::string>() << " (" << one.at("mode").get<std::string>()
              << "): " << one.at("text").get<std::string>() << '\n';
    show_reasons(one.at("reasons"));
    if (one.at("ready") == true && one.at("mode") == "audit")
      std::cout << "    ready: mode = \"audit\" can be taken out\n";
  }
  show_gaps(answer);
}

void show_replay(const Json& answer) {
  std::cout << "Rule file SHA-256 " << answer.at("rule_file_sha256").get<std::string>() << '\n'
            << "Sessions since " << answer.at("since").get<std::string>() << ": "
            << number(answer, "sessions") << "; then " << number(answer, "passed_then")
            << " passed, under the draft " << number(answer, "passes_now") << " pass, "
            << number(answer, "newly_failing") << " newly fail, " << number(answer, "newly_passing")
            << " newly pass, " << number(answer, "unknown_now") << " cannot be told\n";
  for (const Json& warning : answer.at("warnings")) std::cout << "  " << warning.get<std::string>() << '\n';
  if (answer.at("hosts").empty()) {
    std::cout
        << "No session with a domain this file is about was recorded; a longer --since, or 'sealpost policy "
           "probe', may help.\n";
    return;
  }
  Table table({"DOMAIN", "MX", "SESSIONS", "PASSED THEN", "PASS NOW", "FAIL NOW", "UNKNOWN"});
  for (const Json& host : answer.at("hosts")) {
    table.add({host.at("domain"), host.at("mx"), number(host, "sessions"), number(host, "passed_then"),
               number(host, "passes_now"), number(host, "fails_now"), number(host, "unknown_now")});
  }
  table.print(std::cout);
  for (const Json& host : answer.at("hosts")) {
    if (host.at("reasons").empty()) continue;
    std::cout << "  " << host.at("domain").get<std::string>() << " through "
              << host.at("mx").get<std::string>() << ":\n";
    show_reasons(host.at("reasons"));
  }
  show_gaps(answer);
}

void show_suggestions(const Json& answer) {
  std::ostream& out = verbatim();
  out << "# Rules proposed from recorded sessions, to be reviewed. Give each a name, an owner and a "
         "reference; it is on\n"
         "# trial until its mode line goes ('sealpost policy readiness').\n"
      << "# Domains looked at: " << number(answer, "domains")
      << "; with a rule already: " << number(answer, "has_rule")
      << "; too few sessions: " << number(answer, "too_few_sessions")
      << "; no rule would have held: " << number(answer, "none_holds")
      << "; beyond --limit: " << number(answer, "more") << '\n';
  for (const Json& one : answer.at("suggestions")) out << '\n' << one.at("toml").get<std::string>();
}

}  // namespace

void add_rule_commands(CLI::App& policy, CommandLine& line) {
  add_probe_command(policy, line);
  const auto options = std::make_shared<RuleOptions>();

  CLI::App* readiness = policy.add_subcommand(
      "readiness",
      "How partner rules have done of late; for a rule in audit mode: what enforcing would refuse");
  readiness->add_option("PARTNER", options->partner, "Only the rule of this name");
  readiness->add_option("--days", options->days, "So many days back")->capture_default_str();
  readiness->callback([&line, options] {
    line.work = [&line, options] {
      const Json arguments{{"partner", options->partner}, {"days", options->days}};
      return ask_and_show(line, "policy.readiness", arguments, show_readiness);
    };
  });

  CLI::App* suggest =
      policy.add_subcommand("suggest",
                            "Propose rules for domains without one, from recorded sessions: the strongest "
                            "that all of them would have\n"
                            "passed. Prints a partner file to review, every rule in audit mode");
  suggest->add_option("--domain", options->domain, "Only for this domain");
  suggest->add_option("--days", options->days, "Look at so many days back")->capture_default_str();
  suggest->add_option("--least-sessions", options->least_sessions, "Domains with fewer are left out")
      ->capture_default_str();
  suggest
      ->add_option("--least-days", options->least_days,
                   "Days between the first and the last session, at least")
      ->capture_default_str();
  suggest->add_option("--limit", options->limit, "At most so many rules, most used first")
      ->capture_default_str();
  suggest->callback([&line, options] {
    line.work = [&line, options] {
      const Json arguments{{"domain", options->domain},
                           {"days", options->days},
                           {"least_sessions", options->least_sessions},
                           {"least_days", options->least_days},
                           {"limit", options->limit}};
      return ask_and_show(line, "policy.suggest", arguments, show_suggestions);
    };
  });

  CLI::App* replay = policy.add_subcommand(
      "replay",
      "Hold recorded sessions against a draft partner file: what would pass and fail that did not before");
  replay->add_option("--rule", options->rule_file, "The draft, a partner file; it is not put into force")
      ->required();
  replay
      ->add_option("--since", options->since,
                   "From the start of this UTC day: 2026-01-31, a time, or how long ago: 36h, 7d")
      ->capture_default_str();
  replay->callback([&line, options] {
    line.work = [&line, options]() -> int {
      Json arguments{{"since", options->since}};
      const int bad = read_rule_file(line, options->rule_file, arguments);
      if (bad != EX_OK) return bad;
      return ask_and_show(line, "policy.replay", arguments, show_replay);
    };
  });
}

}  // namespace sealpost::cli
