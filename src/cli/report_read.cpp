// SPDX-License-Identifier: Apache-2.0
#include "cli/report_read.hpp"

#include <sysexits.h>

#include <fstream>
#include <iostream>

#include "base/text.hpp"
#include "cli/control_client.hpp"

namespace sealpost::cli {
namespace {

constexpr std::size_t most_octets = 10u << 20;

Expected<std::string, ControlError> content_of(const std::string& name) {
  std::ifstream file;
  if (name != "-") file.open(name, std::ios::binary);
  std::istream& in = name == "-" ? std::cin : file;
  std::string octets(most_octets + 1, '\0');
  in.read(octets.data(), static_cast<std::streamsize>(octets.size()));
  octets.resize(static_cast<std::size_t>(std::max<std::streamsize>(in.gcount(), 0)));
  if (in.bad() || (name != "-" && !file.is_open()))
    return Unexpected(ControlError{EX_NOINPUT, "cannot be read", ""});
  if (octets.empty()) return Unexpected(ControlError{EX_DATAERR, "is empty, or is no file", ""});
  if (octets.size() > most_octets)
    return Unexpected(ControlError{EX_DATAERR, "is longer than 10 MiB; no TLS report is", ""});
  return octets;
}

Expected<Json, ControlError> hand_over(const CommandLine& line, const std::string& name) {
  const auto octets = content_of(name);
  if (!octets) return Unexpected(octets.error());
  return ask_relay(line.socket_path(), "report.read", {{"name", name}, {"octets", text::base64(*octets)}});
}

void show(const std::string& name, const Json& reports) {
  for (const Json& report : reports) {
    std::cout << name << ": " << (report.value("new", false) ? "taken" : "known already, nothing changed")
              << ": " << report.value("organization", "") << " on " << report.value("domain", "") << ", "
              << report.value("day", "") << ": " << report.value("successful_sessions", std::uint64_t(0))
              << " sessions ok, " << report.value("failed_sessions", std::uint64_t(0)) << " failed\n";
    for (const Json& note : report.at("notes")) std::cout << "  note: " << note.get<std::string>() << '\n';
  }
}

}  // namespace

int read_reports(const CommandLine& line, const std::vector<std::string>& files) {
  int result = EX_OK;
  Json all = Json::array();
  for (const std::string& name : files) {
    const auto reports = hand_over(line, name);
    if (reports) {
      if (!line.json) show(name, *reports);
      all.push_back({{"file", name}, {"reports", *reports}});
      continue;
    }
    if (result == EX_OK) result = reports.error().exit_code;
    std::cerr << "sealpost: " << name << ": " << reports.error().message << '\n';
    if (!reports.error().hint.empty()) std::cerr << "  " << reports.error().hint << '\n';
    all.push_back({{"file", name}, {"error", reports.error().message}});
    if (reports.error().exit_code == EX_UNAVAILABLE) break;  // no relay: the others would say the same
  }
  if (line.json) std::cout << all.dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
  return result;
}

}  // namespace sealpost::cli
