// SPDX-License-Identifier: Apache-2.0
//
// sealpost evidence statement: what became of the mail for a partner or domain in a month, from the ledger, to be read, printed and sent.
#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <memory>

#include "base/digest.hpp"
#include "base/text.hpp"
#include "cli/command_line.hpp"
#include "cli/control_client.hpp"
#include "cli/csv.hpp"
#include "cli/ledger_file.hpp"
#include "cli/result_file.hpp"
#include "cli/screen.hpp"
#include "ledger/statement.hpp"
#include "partner/load_config.hpp"
#include "web/statement_page.hpp"

extern char** environ;

namespace sealpost::cli {
namespace {

namespace fs = std::filesystem;

struct StatementOptions {
  std::string file, whom, month, output, format = "html";
  bool all = false;
};

struct Rendered {
  Json json;
  std::string name;  // of its files, without an ending: "bank-2026-11"
};

// "2026-11": its first and last day; empty: it is none.
std::pair<std::string, std::string> days_of_month(const std::string& month) {
  const auto begin = from_rfc3339(month + "-01T00:00:00Z");
  if (month.size() != 7 || !begin) return {};
  SystemTime day = *begin;
  while (to_utc_day(day + std::chrono::days(1)).starts_with(month)) day += std::chrono::days(1);
  return {month + "-01", to_utc_day(day)};
}

std::string file_name_of(const std::string& whom, const std::string& month) {
  std::string name;
  for (const char c : text::lower(whom))
    name += (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c == '.' && !name.empty()) ? c : '-';
  return name + "-" + month;
}

std::string heads_text(const Json& statement) {
  std::string text;
  for (const Json& head : statement.at("heads")) text += head.get<std::string>() + "\n";
  return text;
}

// Of all sections in one table, so that one file has all of it.
std::string as_csv(const Json& statement) {
  std::string text = csv_line({"section", "first_day", "last_day", "what", "detail", "recipients"});
  const auto add = [&](const char* section, const std::string& first, const std::string& last,
                       const std::string& what, const std::string& detail, const Json& count) {
    text += csv_line({section, first, last, what, detail, count.is_number() ? count.dump() : ""});
  };
  const std::string from = text_of(statement, "from"), to = text_of(statement, "to");
  const auto joined_words = [](const Json& list) {
    std::string all;
    for (const Json& one : list) all += (all.empty() ? "" : " ") + one.get<std::string>();
    return all;
  };
  for (const auto& count : statement.at("total").items())
    add("total", from, to, count.key(), "", count.value());
  for (const Json& one : statement.at("demands"))
    for (const char* key : {"delivered", "kept_back"})
      add("demand", text_of(one, "first_day"), text_of(one, "last_day"),
          text_of(one, "source") + " " + text_of(one, "origin") + " " +
              text_of(one, "version").substr(0, 16) + " " + key,
          joined_words(one.at("asks")) + " " + text_of(one, "note"), one.at(key));
  for (const Json& entry : statement.at("changes"))
    for (const Json& change : entry.at("changes"))
      add("change", entry.value("when", std::string()), "",
          change.value("way", std::string()) + ": " + change.value("text", std::string()),
          change.value("file", std::string()) + " " + change.value("approved_by", std::string()) + " " +
              change.value("reason", std::string()),
          Json());
  for (const Json& one : statement.at("exceptions"))
    add("exception", from, to, text_of(one, "exception"), "", one.at("recipients"));
  for (const Json& one : statement.at("refusals"))
    add("refusal", from, to, text_of(one, "reason"), "", one.at("recipients"));
  for (const Json& one : statement.at("sessions"))
    add("session", from, to, text_of(one, "session"), "", one.at("recipients"));
  for (const Json& one : statement.at("certificates"))
    add("certificate", text_of(one, "first_day"), text_of(one, "last_day"), text_of(one, "sha256"),
        joined_words(one.at("names")) + " " + text_of(one, "not_before") + " " + text_of(one, "expires"),
        one.at("recipients"));
  for (const Json& day : statement.at("days"))
    for (const auto& count : day.items())
      if (count.key() != "day")
        add("day", text_of(day, "day"), text_of(day, "day"), count.key(), "", count.value());
  return text;
}

bool on_path(const std::string& program) {
  const char* path = std::getenv("PATH");
  for (const std::string_view directory : text::split(path == nullptr ? "/usr/bin:/bin" : path, ':'))
    if (::access((std::string(directory) + "/" + program).c_str(), X_OK) == 0) return true;
  return false;
}

// False: it could not be run, or said that it failed.
bool ran(std::vector<std::string> words) {
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t child = 0;
  const int spawned = ::posix_spawnp(&child, arguments.front(), &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (spawned != 0) return false;
  int status = 0;
  while (::waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return false;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// A page that needs nothing from elsewhere: neither program is to fetch anything for it.
Expected<void> make_pdf(const std::string& page, const std::string& pdf) {
  std::error_code gone;
  fs::remove(pdf, gone);
  bool tried = false;
  if (on_path("weasyprint")) {
    tried = true;
    if (ran({"weasyprint", page, pdf}) && fs::exists(pdf, gone)) return {};
  }
  if (on_path("chromium")) {
    tried = true;
    std::vector<std::string> words{"chromium", "--headless", "--disable-gpu", "--no-pdf-header-footer",
                                   "--print-to-pdf=" + pdf};
    if (::geteuid() == 0)
      words.emplace_back("--no-sandbox");  // it refuses root otherwise; the page is our own and has no script
    words.push_back("file://" + fs::absolute(page, gone).string());
    if (ran(words) && fs::exists(pdf, gone)) return {};
  }
  return Error(
      Errc::unavailable,
      tried ? "the PDF could not be made; the page is " + page
            : "a PDF is made by weasyprint or chromium, and neither is installed; the page is " + page);
}

std::string verify_line(const StatementOptions& options, const std::string& name) {
  return "sealpost evidence verify " +
         (options.file.empty() ? std::string("ledger.db") : fs::path(options.file).filename().string()) +
         " --key relay-public.pem --heads " + name + ".heads.txt";
}

std::string page_of(const StatementOptions& options, const Rendered& one, const std::string& host) {
  web::StatementFrame frame;
  frame.host = host;
  frame.made_at = to_rfc3339(std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()));
  frame.verify = verify_line(options, one.name);
  return web::statement_page(one.json, frame);
}

// `stem`: path without an ending. What it was made as, the numbers and the heads beside it.
Expected<void> write_statement(const StatementOptions& options, const Rendered& one, const std::string& stem,
                               const std::string& host) {
  if (auto done = write_result(stem + ".csv", as_csv(one.json)); !done) return done;
  if (auto done = write_result(stem + ".heads.txt", heads_text(one.json)); !done) return done;
  if (options.format == "csv") return {};
  if (options.format == "json")
    return write_result(stem + ".json", one.json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
  if (auto done = write_result(stem + ".html", page_of(options, one, host)); !done) return done;
  return options.format == "pdf" ? make_pdf(stem + ".html", stem + ".pdf") : Expected<void>();
}

int print_statement(const CommandLine& line, const StatementOptions& options,
                    const std::vector<Rendered>& all, const std::string& host) {
  if (line.json || options.format == "json") {
    Json statements = Json::array();
    for (const Rendered& one : all) statements.push_back(one.json);
    return line.print({{"statements", statements}});
  }
  if (options.format == "pdf" || all.size() != 1)
    return line.fail({EX_USAGE, "this goes into files", "name a directory with --output"});
  verbatim() << (options.format == "csv" ? as_csv(all.front().json) : page_of(options, all.front(), host));
  return EX_OK;
}

int write_statements(const CommandLine& line, const StatementOptions& options,
                     const std::vector<Rendered>& all, const std::string& host) {
  std::error_code failure;
  const bool directory =
      options.all || fs::is_directory(options.output, failure) || options.output.ends_with('/');
  if (directory) fs::create_directories(options.output, failure);
  Json files = Json::array();
  for (const Rendered& one : all) {
    std::string stem = options.output;
    if (directory)
      stem += "/" + one.name;
    else if (fs::path(stem).extension() == "." + options.format)
      stem.resize(stem.size() - options.format.size() - 1);
    if (auto done = write_statement(options, one, stem, host); !done)
      return line.fail(
          {done.error().code == Errc::unavailable ? EX_UNAVAILABLE : EX_CANTCREAT, done.error().detail, ""});
    files.push_back(stem + "." + options.format);
  }
  if (line.json) return line.print({{"files", files}});
  for (const Json& file : files) std::cout << file.get<std::string>() << '\n';
  return EX_OK;
}

// Whom they are about: a partner of whose rule the ledger knows, else a domain.
Expected<std::vector<ledger::StatementQuestion>> questions_of(ledger::Reader& reader,
                                                              const StatementOptions& options) {
  const auto days = days_of_month(options.month);
  if (days.first.empty()) return Error(Errc::invalid, "'" + options.month + "' is no month, such as 2026-11");
  auto partners = ledger::partners_in(reader);
  if (!partners) return partners.error();
  std::vector<ledger::StatementQuestion> questions;
  const auto ask = [&](const std::string& partner, const std::string& domain) {
    ledger::StatementQuestion one;
    one.partner = partner;
    one.domain = domain;
    one.from = days.first;
    one.to = days.second;
    questions.push_back(std::move(one));
  };
  if (options.all) {
    for (const std::string& partner : *partners) ask(partner, "");
    if (questions.empty()) return Error(Errc::not_found, "the ledger has no session under a partner's rule");
    return questions;
  }
  const bool is_partner = std::any_of(partners->begin(), partners->end(), [&](const std::string& name) {
    return text::iequals(name, options.whom);
  });
  if (is_partner || options.whom.find('.') == std::string::npos)
    ask(options.whom, "");
  else
    ask("", text::lower(options.whom));
  return questions;
}

int make_statements(const CommandLine& line, const StatementOptions& options) {
  if (options.whom.empty() != options.all)
    return line.fail({EX_USAGE, "name a partner or a domain, or say --all", ""});
  if (options.all && options.output.empty() && !line.json && options.format != "json")
    return line.fail({EX_USAGE, "statements for all go into files", "name a directory with --output"});
  std::vector<Rendered> all;
  const int read = with_ledger(line, options.file, [&](ledger::Reader& reader) {
    const auto questions = questions_of(reader, options);
    if (!questions) return fail_reading(line, questions.error());
    for (const ledger::StatementQuestion& question : *questions) {
      const auto statement = ledger::statement_of(reader, question);
      if (!statement) return fail_reading(line, statement.error());
      Rendered one;
      one.json = ledger::described(*statement);
      one.json["heads_sha256"] = sha256_hex(heads_text(one.json));
      one.name = file_name_of(question.partner.empty() ? question.domain : question.partner, options.month);
      all.push_back(std::move(one));
    }
    return EX_OK;
  });
  if (read != EX_OK) return read;
  const std::string host =
      options.file.empty() ? app::load_config(line.config_file()).config.hostname : std::string();
  return options.output.empty() ? print_statement(line, options, all, host)
                                : write_statements(line, options, all, host);
}

}  // namespace

void add_statement_command(CLI::App& evidence, CommandLine& line) {
  const auto options = std::make_shared<StatementOptions>();
  CLI::App* statement = evidence.add_subcommand(
      "statement",
      "What was demanded and kept of mail to a partner or domain in a month: to be read, printed and sent");
  statement->add_option("WHOM", options->whom, "A partner, as its rule is called, or a recipient domain");
  statement->add_flag("--all", options->all, "One for each partner, into the directory that --output names");
  statement->add_option("--month", options->month, "2026-11, of UTC")->required();
  statement->add_option(
      "--output", options->output,
      "Into this file or directory, with the numbers (.csv) and the signed heads (.heads.txt) beside it");
  statement->add_option("--format", options->format, "html, pdf (by weasyprint or chromium), csv or json")
      ->check(CLI::IsMember({"html", "pdf", "csv", "json"}))
      ->capture_default_str();
  statement->add_option("--file", options->file,
                        "A ledger, or a copy of one; default: that of the configuration");
  statement->callback(
      [&line, options] { line.work = [&line, options] { return make_statements(line, *options); }; });
}

}  // namespace sealpost::cli
