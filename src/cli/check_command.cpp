// SPDX-License-Identifier: Apache-2.0
//
// sealpost check [--against FILE-OR-DIR] [--live]
#include <fcntl.h>
#include <sysexits.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <memory>

#include "app/live_check.hpp"
#include "app/materials.hpp"
#include "base/amounts.hpp"
#include "base/handles.hpp"
#include "base/log.hpp"
#include "cli/command_line.hpp"
#include "cli/config_change.hpp"
#include "cli/control_client.hpp"
#include "cli/screen.hpp"
#include "cli/terminal.hpp"
#include "keys/key_file.hpp"
#include "partner/comparison.hpp"
#include "partner/load_config.hpp"
#include "partner/rules_store.hpp"

namespace sealpost::cli {
namespace {

constexpr int answered_no = 1;  // no sysexits code says "yes, and the answer is bad"; diff and grep use 1

Json to_json(const app::Findings& findings) {
  Json all = Json::array();
  for (const auto& finding : findings) {
    all.push_back({{"kind", finding.kind == app::Finding::Kind::error ? "error" : "warning"},
                   {"file", finding.file},
                   {"line", finding.line},
                   {"key", finding.key},
                   {"message", finding.message}});
  }
  return all;
}

void print(const app::Findings& findings) {
  const std::size_t width = terminal_width(STDERR_FILENO);
  for (const auto& finding : findings) std::cerr << folded(finding.to_string(), "", width);
}

// What a start or reload would make of the files beside the rules that were last in force here. Nothing on a first start,
// and nothing of a relay whose data are closed to who asks.
struct InForceHere {
  app::Guarded guarded;
  std::string note;  // why nothing was compared
};

InForceHere compare_with_those_in_force(const app::Config& wanted) {
  using State = app::RulesStore::Found::State;
  InForceHere here;
  const auto now = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
  const app::RulesStore store(wanted.data_dir);
  const auto found = store.load();
  if (found.state == State::known)
    here.guarded = app::guard_rules(&found.rules, wanted, now);
  else if (found.state == State::unreadable)
    here.note = "not compared with the rules in force: " + found.trouble;
  return here;
}

Json to_json(const InForceHere& here) {
  Json changes = Json::array();
  for (const app::RuleNews& news : here.guarded.news)
    changes.push_back({{"subject", news.subject},
                       {"weaker", news.way == app::RuleNews::Way::weaker},
                       {"text", news.text},
                       {"held", news.held},
                       {"approved_by", news.approved_by}});
  return {{"held", here.guarded.holds()}, {"changes", std::move(changes)}, {"note", here.note}};
}

void show(const InForceHere& here) {
  if (!here.note.empty()) std::cout << here.note << '\n';
  for (const app::RuleNews& news : here.guarded.news) {
    if (news.way != app::RuleNews::Way::weaker) continue;
    std::cout << "weaker than in force: " << news.subject << ": " << news.text
              << (news.held ? " - not let in" : " - approved by " + news.approved_by) << '\n';
  }
  if (!here.guarded.holds()) return;
  const auto now = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
  std::cout << "A start or reload keeps the former demand for these. If they are on purpose, write into a "
               "partner file "
               "(for settings into the configuration):\n\n";
  verbatim() << app::entries_to_write(here.guarded.news, now);
}

using Live = std::vector<app::LiveFinding>;

Json to_json(const Live& live) {
  Json all = Json::array();
  for (const app::LiveFinding& finding : live)
    all.push_back(
        {{"kind", app::name_of(finding.kind)}, {"subject", finding.subject}, {"text", finding.text}});
  return all;
}

void show(const Live& live) {
  for (const app::LiveFinding& finding : live) {
    const bool good = finding.kind == app::LiveFinding::Kind::good;
    std::cout << (good ? "" : std::string(app::name_of(finding.kind)) + ": ") << finding.subject << ": "
              << finding.text << '\n';
  }
}

bool has_bad(const Live& live) {
  return std::any_of(live.begin(), live.end(), [](const app::LiveFinding& finding) {
    return finding.kind == app::LiveFinding::Kind::bad;
  });
}

// The self-test's own lines say to a log what is printed here.
Live try_live(const app::Config& config) {
  const FileDescriptor nowhere(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  log::configure(nowhere.get(), log::Format::text, log::Level::error);
  Live live = app::check_live(config);
  log::configure(STDERR_FILENO, log::Format::text, log::Level::info);
  return live;
}

// "ok: ", but not where something is worth a look.
std::string all_well(const app::Findings& findings) {
  const auto warnings =
      static_cast<std::size_t>(std::count_if(findings.begin(), findings.end(), [](const auto& one) {
        return one.kind == app::Finding::Kind::warning;
      }));
  return warnings == 0 ? "ok: " : "usable, with " + text::counted(warnings, "warning", "warnings") + ": ";
}

// Partner files by themselves: what their rules say, and whether they go together. What only a whole configuration tells
// (settings, other files, what is in force) is not looked at.
int check_partners(const CommandLine& line, const std::string& path) {
  const auto now = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
  const app::LoadResult result = app::load_for_comparison(path, app::Config(), now);
  if (line.json) {
    line.print({{"ok", result.ok()},
                {"findings", to_json(result.findings)},
                {"partners", result.config.partners.size()}});
  } else {
    print(result.findings);
    const Screen screen;
    if (result.ok())
      std::cout << all_well(result.findings) << path << ", "
                << text::counted(result.config.partners.size(), "partner rule", "partner rules")
                << ", by itself; 'sealpost check --config FILE' looks at all files together\n";
  }
  return result.ok() ? EX_OK : EX_CONFIG;
}

// Of a file that could not be read there is nothing more to say: the rest would be about defaults. And nothing is told twice.
void look_at_materials(app::LoadResult& result) {
  const bool unread = !result.ok() && result.config.written.empty();
  if (unread) return;
  const app::Findings told = result.findings;
  for (app::Finding& found : app::check_materials(result.config, keys::FileSource())) {
    const bool known = std::any_of(told.begin(), told.end(), [&found](const app::Finding& one) {
      return one.kind == app::Finding::Kind::error && one.key == found.key &&
             (found.line == 0 || one.line == found.line);
    });
    if (!known) result.findings.push_back(std::move(found));
  }
}

int check(const CommandLine& line, const std::string& against, bool with_live) {
  app::LoadResult result = app::load_config(line.config_file());
  look_at_materials(result);
  bool good = result.ok();
  Json answer;
  std::optional<app::ConfigChange> change;
  if (good && !against.empty()) {
    const auto now = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
    const app::LoadResult before = app::load_for_comparison(against, result.config, now);
    if (before.ok()) {
      change = app::compare_configs(before.config, result.config, now);
      answer["against"] = change_json(*change);
    } else {  // its warnings are not our business, its errors are
      good = false;
      for (const auto& finding : before.findings)
        if (finding.kind == app::Finding::Kind::error) result.findings.push_back(finding);
    }
  }
  InForceHere here;
  if (good) here = compare_with_those_in_force(result.config);
  Live live;
  if (good && with_live) live = try_live(result.config);
  if (line.json) {
    answer["ok"] = good;
    answer["in_force"] = to_json(here);
    answer["findings"] = to_json(result.findings);
    if (with_live) answer["live"] = to_json(live);
    std::cout << answer.dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
  } else {
    print(result.findings);
    const Screen screen;
    if (good) {
      std::cout << all_well(result.findings) << result.config.source << ", "
                << text::counted(result.config.listeners.size(), "listener", "listeners") << ", "
                << text::counted(result.config.partners.size(), "partner rule", "partner rules") << ", "
                << text::counted(result.config.routes.size(), "route", "routes") << '\n';
    }
    if (change) show_change(*change, against);
    show(here);
    show(live);
  }
  if (!good) return EX_CONFIG;
  const bool weaker = here.guarded.holds() || (change && change->weaker());
  return weaker || has_bad(live) ? answered_no : EX_OK;
}

}  // namespace

void add_check_command(CLI::App& app, CommandLine& line) {
  const auto against = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand(
      "check", "Read the configuration and the partner files; say everything that is wrong");
  const auto file = std::make_shared<std::string>();
  command->add_option(
      "FILE", *file,
      "A configuration, as with --config; or a partner file or a directory of them, by itself");
  command->add_option(
      "--against", *against,
      "Also say what this configuration demands more or less than that of FILE-OR-DIR: a "
      "configuration, a partner\n"
      "file or a directory of them. Exit code 1 when anything gets weaker, and when a reload\n"
      "would keep a demand of the rules in force that the files no longer make");
  const auto live = std::make_shared<bool>(false);
  command->add_flag(
      "--live", *live,
      "Also try: do the DNS servers answer and validate DNSSEC, can the listeners be bound, can "
      "data_dir be\n"
      "written. Exit code 1 when one of these is bad. To be run by the user the relay runs as");
  command->callback([&line, against, live, file] {
    line.work = [&line, against, live, file]() -> int {
      if (file->empty()) return check(line, *against, *live);
      if (!line.config.empty())
        return line.fail({EX_USAGE, "both --config and " + *file + " are given", "give one of them"});
      if (app::is_partner_file(*file)) {
        if (against->empty() && !*live) return check_partners(line, *file);
        return line.fail(
            {EX_USAGE,
             *file + " holds partner rules; --against and --live want the configuration they belong to",
             "say it with --config; to see what these files change: 'check --against' the former ones"});
      }
      line.config = *file;
      return check(line, *against, *live);
    };
  });
}

}  // namespace sealpost::cli
