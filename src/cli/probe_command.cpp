// SPDX-License-Identifier: Apache-2.0
//
// sealpost policy probe DOMAIN [--rule FILE]
#include <sysexits.h>

#include <iostream>
#include <memory>

#include "cli/command_line.hpp"
#include "cli/rule_file.hpp"

namespace sealpost::cli {
namespace {

constexpr int refused = 1;

void show_lines(const char* label, const Json& texts) {
  for (const Json& text : texts) std::cout << "    " << label << text.get<std::string>() << '\n';
}

void show_certificate(const Json& certificate) {
  if (certificate.is_null()) return;
  std::cout << "    certificate: " << text_of(certificate, "subject") << ", issued by "
            << text_of(certificate, "issuer") << ", chain " << text_of(certificate, "chain")
            << "\n      names";
  for (const Json& name : certificate.at("names")) std::cout << ' ' << name.get<std::string>();
  std::cout << "\n      expires " << text_of(certificate, "expires") << " (" << certificate.at("days_left")
            << " days)\n      key SHA-256 " << text_of(certificate, "spki_sha256") << '\n';
}

void show_tls(const Json& host) {
  std::cout << "    STARTTLS " << text_of(host, "starttls");
  for (const char* key : {"starttls_reply", "handshake_error", "tls_version", "cipher", "group"})
    if (const std::string text = text_of(host, key); !text.empty()) std::cout << ", " << text;
  std::cout << (host.at("requiretls") == true ? ", offers REQUIRETLS" : "") << '\n';
}

void show_host(const Json& host) {
  std::cout << "MX " << host.at("preference") << ' ' << text_of(host, "mx") << ": "
            << text_of(host, "verdict") << '\n';
  if (const std::string why = text_of(host, "why"); !why.empty()) std::cout << "    " << why << '\n';
  show_lines("did not answer: ", host.at("did_not_answer"));
  if (const std::string address = text_of(host, "address"); !address.empty()) {
    std::cout << "    " << address << ", calls itself " << text_of(host, "server_name") << '\n';
    show_tls(host);
    show_certificate(host.at("certificate"));
  }
  const bool reached = text_of(host, "verdict") != "not reached";
  if (reached) std::cout << "    DANE: " << text_of(host.at("dane"), "state") << '\n';
  const Json sources = reached ? host.at("sources") : Json::array();
  for (const Json& source : sources) {
    const Json& holds = source.at("satisfied");
    const std::string origin = text_of(source, "origin");
    std::cout << "    " << text_of(source, "source") << (origin.empty() ? "" : " " + origin) << " ("
              << text_of(source, "force") << "): "
              << (holds.is_null() ? "not asked"
                  : holds == true ? "holds"
                                  : "does not hold")
              << '\n';
    show_lines("  ", source.at("failures"));
  }
  for (const auto& [level, text] : host.at("levels").items())
    std::cout << "    a rule tls = \"" << level << "\": " << text.get<std::string>() << '\n';
  show_lines("note: ", host.at("notes"));
}

void show_probe(const Json& answer) {
  std::cout << text_of(answer, "domain") << " at " << text_of(answer, "when") << ", no mail was sent\n";
  if (answer.at("rule_file_sha256").is_string())
    std::cout << "Rule file SHA-256 " << text_of(answer, "rule_file_sha256") << '\n';
  for (const Json& warning : answer.at("warnings")) std::cout << "  " << warning.get<std::string>() << '\n';
  for (const Json& rule : answer.at("rules"))
    std::cout << "Partner rule '" << text_of(rule, "name") << "' (" << text_of(rule, "file") << ")\n";
  if (answer.at("rules").empty()) std::cout << "No partner rule\n";
  if (const std::string why = text_of(answer, "no_route"); !why.empty())
    std::cout << "No route: " << why << '\n';
  for (const Json& host : answer.at("hosts")) show_host(host);
}

}  // namespace

void add_probe_command(CLI::App& policy, CommandLine& line) {
  struct Options {
    std::string domain, rule_file;
  };
  const auto options = std::make_shared<Options>();
  CLI::App* probe = policy.add_subcommand(
      "probe",
      "Contact every MX host of a domain now, up to the handshake, and say what a delivery would make of "
      "it.\n"
      "No mail is sent. Exit code 1 when a host would be refused, 75 when none was reached");
  probe->add_option("DOMAIN", options->domain, "A domain or a mail address")->required();
  probe->add_option("--rule", options->rule_file, "Try this partner file, as if it were in force");
  probe->callback([&line, options] {
    line.work = [&line, options]() -> int {
      Json arguments{{"domain", options->domain}};
      const int bad =
          options->rule_file.empty() ? EX_OK : read_rule_file(line, options->rule_file, arguments);
      if (bad != EX_OK) return bad;
      return ask_and_show(line, "policy.probe", arguments, show_probe, [](const Json& answer) -> int {
        if (answer.at("refused") != 0) return refused;
        return answer.at("reached") == 0 ? EX_TEMPFAIL : EX_OK;
      });
    };
  });
}

}  // namespace sealpost::cli
