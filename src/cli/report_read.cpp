// SPDX-License-Identifier: Apache-2.0
#include "cli/report_read.hpp"

#include <sysexits.h>
#include <unistd.h>

#include <fstream>
#include <iostream>

#include "base/amounts.hpp"
#include "base/text.hpp"
#include "cli/control_client.hpp"
#include "cli/screen.hpp"
#include "cli/terminal.hpp"
#include "mail/mime_parts.hpp"

namespace sealpost::cli {
namespace {

constexpr std::size_t most_octets = 10u << 20;  // of a file, or of one mail in an mbox

// What became of all files, counted for the last line.
struct Account {
  std::size_t files = 0, taken = 0, known = 0, refused = 0, aside = 0, unread = 0;
  int exit_code = EX_OK;
  Json all = Json::array();
};

void refuse_file(const CommandLine& line, Account& account, const std::string& name,
                 const ControlError& error) {
  ++account.unread;
  if (account.exit_code == EX_OK) account.exit_code = error.exit_code;
  if (!line.json) {
    line.fail({error.exit_code, name + ": refused: " + error.message, error.remedy});
  }
  Json refused = to_json(error);
  refused["file"] = name;
  account.all.push_back(std::move(refused));
}

std::string sessions(const Json& report, const char* key) {
  return text::counted(report.value(key, std::size_t(0)), "session", "sessions");
}

// `alone`: the only report of its file, which needs no name in it.
void show(const std::string& name, const Json& report, bool alone) {
  const std::string piece = report.value("piece", "");
  const std::string where = name + (piece.empty() || alone ? "" : ", " + piece);
  if (report.value("state", "") == "refused") {
    const std::size_t width = terminal_width(STDERR_FILENO);
    std::cerr << folded("sealpost: " + where + ": refused: " + report.value("why", ""), "", width);
    if (report.at("aside").is_number())
      std::cerr << folded("kept aside as " + report["aside"].dump(), "  ", width);
  } else {
    std::cout << where << ": " << (report.value("new", false) ? "taken" : "known already, nothing changed")
              << ": " << report.value("organization", "") << " on " << report.value("domain", "") << ", "
              << report.value("day", "") << ": " << sessions(report, "successful_sessions") << " ok, "
              << report.value("failed_sessions", std::uint64_t(0)) << " failed\n";
  }
  for (const Json& note : report.at("notes")) std::cout << "  note: " << note.get<std::string>() << '\n';
}

// False: no relay answers, and it would not for the next one.
bool hand_over(const CommandLine& line, Account& account, const std::string& name,
               const std::string& octets) {
  const auto reports =
      ask_relay(line.socket_path(), "report.read", {{"name", name}, {"octets", text::base64(octets)}});
  if (!reports) {
    refuse_file(line, account, name, reports.error());
    return reports.error().exit_code != EX_UNAVAILABLE;
  }
  for (const Json& report : reports->at("reports")) {
    if (!line.json) show(name, report, reports->at("reports").size() == 1);
    const std::string state = report.value("state", "");
    account.taken += state == "taken" ? 1u : 0u;
    account.known += state == "known" ? 1u : 0u;
    if (state != "refused") continue;
    ++account.refused;
    account.aside += report.at("aside").is_number() ? 1u : 0u;
    if (account.exit_code == EX_OK) account.exit_code = EX_DATAERR;
  }
  account.all.push_back({{"file", name}, {"reports", reports->at("reports")}});
  return true;
}

// An mbox is handed over mail by mail, whatever its size.
bool read_mbox(const CommandLine& line, Account& account, const std::string& name, std::istream& in,
               std::string first_line) {
  std::string message, next = std::move(first_line);
  std::size_t number = 0;
  bool after_empty = true;
  const auto hand_it_over = [&] {
    if (number == 0) return true;
    const std::string where = name + ", message " + std::to_string(number);
    if (message.size() > most_octets) {
      refuse_file(line, account, where, {EX_DATAERR, "is longer than 10 MiB; no TLS report is", ""});
      return true;
    }
    return message.empty() || hand_over(line, account, where, message);
  };
  do {
    if (after_empty && next.starts_with(mbox_line)) {
      if (!hand_it_over()) return false;
      message.clear();
      ++number;
    } else if (message.size() <= most_octets) {
      message += next + "\n";
    }
    after_empty = next.empty() || next == "\r";
  } while (std::getline(in, next));
  return hand_it_over();
}

// False as of hand_over().
bool read_file(const CommandLine& line, Account& account, const std::string& name) {
  ++account.files;
  std::ifstream file;
  if (name != "-") file.open(name, std::ios::binary);
  std::istream& in = name == "-" ? std::cin : file;
  std::string octets(mbox_line.size(), '\0');
  in.read(octets.data(), static_cast<std::streamsize>(octets.size()));
  octets.resize(static_cast<std::size_t>(std::max<std::streamsize>(in.gcount(), 0)));
  if (in.bad() || (name != "-" && !file.is_open())) {
    refuse_file(line, account, name, {EX_NOINPUT, "cannot be read", ""});
    return true;
  }
  if (octets == mbox_line) {
    std::string rest;
    std::getline(in, rest);
    return read_mbox(line, account, name, in, octets + rest);
  }
  std::string rest(most_octets + 1, '\0');
  in.read(rest.data(), static_cast<std::streamsize>(rest.size()));
  octets.append(rest, 0, static_cast<std::size_t>(std::max<std::streamsize>(in.gcount(), 0)));
  if (octets.empty())
    refuse_file(line, account, name, {EX_DATAERR, "is empty, or is no file", ""});
  else if (octets.size() > most_octets)
    refuse_file(line, account, name, {EX_DATAERR, "is longer than 10 MiB; no TLS report is", ""});
  else
    return hand_over(line, account, name, octets);
  return true;
}

void sum_up(const Account& account) {
  if (account.taken + account.known + account.refused + account.unread <= 1) return;
  std::cout << text::counted(account.files, "file", "files") << ": "
            << text::counted(account.taken, "report", "reports") << " taken, " << account.known
            << " known already, " << account.refused << " refused";
  if (account.unread > 0) std::cout << ", " << account.unread << " not read";
  std::cout << '\n';
  if (account.aside > 0)
    std::cout << "'sealpost report aside' has the " << account.aside << " that "
              << (account.aside == 1 ? "was" : "were") << " refused, as they came.\n";
}

}  // namespace

int read_reports(const CommandLine& line, const std::vector<std::string>& files) {
  Account account;
  const Screen screen(line.json ? 0 : terminal_width());
  for (const std::string& name : files) {
    if (!read_file(line, account, name)) break;
  }
  if (line.json)
    line.print({{"files", account.all},
                {"taken", account.taken},
                {"known", account.known},
                {"refused", account.refused},
                {"not_read", account.unread}});
  else
    sum_up(account);
  return account.exit_code;
}

int show_aside(const CommandLine& line, std::int64_t id, bool forget) {
  const Json arguments{{"verb", forget ? "forget" : id > 0 ? "get" : "list"}, {"id", id}};
  return ask_and_show(line, "report.aside", arguments, [&](const Json& answer) {
    if (forget) {
      std::cout << "Forgotten.\n";
    } else if (id > 0) {
      show_octets(text::from_base64(answer.value("octets", "")).value_or(""));
    } else {
      if (answer.at("reports").empty()) std::cout << "Nothing is kept aside.\n";
      for (const Json& kept : answer.at("reports")) {
        const std::string piece = kept.value("piece", "");
        std::cout << kept.at("id") << "  " << kept.value("read_at", "") << "  " << kept.at("octets")
                  << " octets of " << kept.value("file", "") << (piece.empty() ? "" : ", " + piece)
                  << "\n    " << kept.value("why", "") << '\n';
      }
    }
  });
}

}  // namespace sealpost::cli
