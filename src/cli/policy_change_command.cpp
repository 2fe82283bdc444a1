// SPDX-License-Identifier: Apache-2.0
//
// sealpost policy history | diff: what was demanded when, and what changed. From the ledger, so that no relay needs to run; without
// one from the history that the relay keeps of its rules.
#include <sys/stat.h>
#include <sysexits.h>

#include <iostream>
#include <memory>

#include "base/as_owner.hpp"
#include "base/text.hpp"
#include "cli/command_line.hpp"
#include "cli/config_change.hpp"
#include "cli/control_client.hpp"
#include "cli/ledger_file.hpp"
#include "cli/screen.hpp"
#include "ledger/questions.hpp"
#include "ledger/words.hpp"
#include "partner/load_config.hpp"
#include "partner/rules_store.hpp"

namespace sealpost::cli {
namespace {

constexpr int something_weaker = 1;  // as of `check --against`
constexpr std::size_t least_prefix = 6, most_changes = 100'000;

struct ChangeOptions {
  std::string file, partner, since, until, former, later;
};

struct History {
  Json changes = Json::
      array();  // entries as rules_store.hpp writes them, oldest first; with their row where a ledger has them
  std::string file;
};

// Today's readers have what a ledger has, and where none is kept, what the relay's own history says.
bool has_ledger(const std::string& path) {
  struct stat found {};
  return ::stat(path.c_str(), &found) == 0;
}

// As the owner of the records of rules.
template <class Work>
auto with_records(const std::string& directory, const Work& work) {
  struct stat owner {};
  if (::stat((directory + "/rules-in-force").c_str(), &owner) != 0) return work(app::RulesStore(directory));
  const AsOwner eyes(owner);
  return work(app::RulesStore(directory));
}

Expected<History> history_in(ledger::Reader& reader, const std::string& path) {
  History history;
  history.file = path;
  // All days: one that opened on another relay's journal may be of an earlier date.
  auto rows = ledger::Questions(reader).rule_changes("", "");
  if (!rows) return rows.error();
  for (const ledger::FoundRow& row : *rows) {
    if (!row.proof.is_object()) continue;
    Json entry = row.proof;
    entry["row"] = row.number;
    history.changes.push_back(std::move(entry));
  }
  return history;
}

Expected<History> read_ledger(const std::string& path) {
  struct stat owner {};
  if (::stat(path.c_str(), &owner) != 0) return Error(Errc::not_found, path + ": there is no such ledger");
  const AsOwner eyes(owner);
  auto reader = ledger::Reader::open(path);
  if (!reader) return reader.error();
  return history_in(*reader, path);
}

// What the relay has written of its rules and the ledger, moments behind, has not read.
void add_newer(const CommandLine& line, History& history) {
  const std::string last = history.changes.empty() ? "" : history.changes.back().value("when", std::string());
  const auto time_of_last =
      history.changes.empty() ? std::int64_t{0} : history.changes.back().value("time", std::int64_t{0});
  with_records(line.data_dir(), [&](const app::RulesStore& store) {
    if (history.file.empty()) history.file = store.directory() + "/history.jsonl";
    for (Json& entry : store.history("", most_changes)) {
      const bool newer = entry.contains("time") ? entry.value("time", std::int64_t{0}) > time_of_last
                                                : entry.value("when", std::string()) > last;
      if (newer) history.changes.push_back(std::move(entry));
    }
    return true;
  });
}

Expected<History> read_history(const CommandLine& line, const std::string& named) {
  const std::string path = ledger_file(line, named);
  if (!named.empty()) return read_ledger(path);
  History history;
  if (has_ledger(path)) {
    auto read = read_ledger(path);
    if (!read) return read;
    history = std::move(*read);
  }
  add_newer(line, history);
  return history;
}

bool is_about(const Json& change, const std::string& partner) {
  if (partner.empty() || text::iequals(change.value("subject", std::string()), partner)) return true;
  for (const Json& domain : change.value("domains", Json::array()))
    if (domain.is_string() && text::iequals(domain.get<std::string>(), partner)) return true;
  return false;
}

// Only the days and what is about the partner; an entry of which nothing is left goes.
Json narrowed(const Json& changes, const ChangeOptions& options) {
  const std::string since = date_of(options.since), until = date_of(options.until);
  Json left = Json::array();
  for (Json entry : changes) {
    const std::string day = entry.value("when", std::string()).substr(0, 10);
    if ((!since.empty() && day < since) || (!until.empty() && day > until)) continue;
    if (!options.partner.empty()) {
      Json about = Json::array();
      for (const Json& change : entry.at("changes"))
        if (is_about(change, options.partner)) about.push_back(change);
      if (about.empty()) continue;
      entry["changes"] = std::move(about);
    }
    left.push_back(std::move(entry));
  }
  return left;
}

void show_history(const Json& changes) {
  const Screen screen;
  if (changes.empty()) std::cout << "No change of rules is on record.\n";
  for (const Json& entry : changes) {
    const std::string when = entry.value("when", std::string());
    std::string minute = when.substr(0, 16);
    if (minute.size() == 16) minute[10] = ' ';
    const std::string after = entry.value("sha256", std::string()).substr(0, 12);
    const auto lines = ledger::changes_in_words(entry);
    for (const std::string& words : lines) std::cout << minute << "  " << after << "  " << words << '\n';
    if (lines.empty())
      std::cout << minute << "  " << after << "  "
                << (entry.value("sha256_before", std::string()).empty()
                        ? "the first rules that were in force here"
                        : "rules written in another way, or in other files; they demand the same")
                << " (" << entry.value("what", std::string()) << ")\n";
  }
}

int show_changes(const CommandLine& line, const ChangeOptions& options) {
  const auto history = read_history(line, options.file);
  if (!history) return fail_reading(line, history.error());
  const Json changes = narrowed(history->changes, options);
  if (line.json) return line.print({{"changes", changes}, {"file", history->file}});
  show_history(changes);
  return EX_OK;
}

// A set of rules, and what it is called.
struct Known {
  std::string sha256;
  app::RulesInForce rules;
};

class Sets {
 public:
  Sets(const CommandLine& line, const ChangeOptions& options, const History& history)
      : line_(line), options_(options), history_(history) {}

  // `prefix`: of the SHA-256 of a set that was in force.
  Expected<Known> named(const std::string& prefix) const {
    if (prefix.size() < least_prefix)
      return Error(Errc::invalid,
                   "'" + prefix + "': give six digits of a hash at least, as 'policy history' shows it");
    std::string found;
    for (const Json& entry : history_.changes)
      for (const char* key : {"sha256_before", "sha256"}) {
        const std::string one = entry.value(key, std::string());
        if (!one.starts_with(text::lower(prefix)) || one == found) continue;
        if (!found.empty()) return Error(Errc::invalid, "'" + prefix + "' begins more than one hash");
        found = one;
      }
    if (found.empty())
      return Error(Errc::not_found, "no rules with a hash that begins with '" + prefix + "' are on record");
    return read(found);
  }

  // What was in force when that day began; the first on record, when that came later.
  Expected<Known> at_begin_of(const std::string& day) const {
    std::string found;
    for (const Json& entry : history_.changes) {
      if (entry.value("when", std::string()).substr(0, 10) >= day) {
        if (found.empty()) found = entry.value("sha256_before", std::string());
        if (found.empty()) found = entry.value("sha256", std::string());
        break;
      }
      found = entry.value("sha256", std::string());
    }
    if (found.empty()) return Error(Errc::not_found, "no rules are on record");
    return read(found);
  }

  // The record that decides.
  Expected<Known> in_force() const {
    return with_records(line_.data_dir(), [](const app::RulesStore& store) -> Expected<Known> {
      auto found = store.load();
      if (found.state == app::RulesStore::Found::State::none)
        return Error(Errc::not_found,
                     store.directory() + " has no record of rules: no relay has been started here");
      if (found.state == app::RulesStore::Found::State::unreadable)
        return Error(Errc::damaged, found.trouble);
      return Known{found.sha256, std::move(found.rules)};
    });
  }

 private:
  Expected<Known> read(const std::string& sha256) const {
    std::string text;
    const std::string path = ledger_file(line_, options_.file);
    struct stat owner {};
    if (::stat(path.c_str(), &owner) == 0) {
      const AsOwner eyes(owner);
      auto reader = ledger::Reader::open(path);
      if (!reader) return reader.error();
      const auto octets = text::from_hex(sha256);
      auto kept = reader->rules(octets ? std::string(octets->begin(), octets->end()) : std::string());
      if (!kept) return kept.error();
      text = std::move(*kept);
    }
    if (text.empty() && options_.file.empty())
      text = with_records(line_.data_dir(), [&](const app::RulesStore& store) {
        auto kept = store.set_text(sha256);
        return kept ? std::move(*kept) : std::string();
      });
    auto rules = app::parse_rules(text);
    if (!rules)
      return Error(Errc::not_found, "the rules " + sha256.substr(0, 12) +
                                        " are on record, but not what they said: it is pruned, or "
                                        "older than this release");
    return Known{sha256, std::move(*rules)};
  }

  const CommandLine& line_;
  const ChangeOptions& options_;
  const History& history_;
};

int show_difference(const CommandLine& line, const std::string& before, const std::string& after,
                    const app::ConfigChange& change, const std::string& against) {
  if (line.json) {
    Json answer = change_json(change);
    answer["before"] = before;
    answer["after"] = after;
    line.print(answer);
  } else {
    const Screen screen;
    show_change(change, against);
  }
  return change.weaker() ? something_weaker : EX_OK;
}

SystemTime this_moment() {
  return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
}

// What is in force against the files: what a start or reload would be asked to put in force.
int compare_with_files(const CommandLine& line, const Known& in_force) {
  const app::LoadResult files = app::load_config(line.config_file());
  if (!files.ok()) return line.fail({EX_CONFIG, "the configuration has errors", "see 'sealpost check'"});
  const auto change = app::compare_in_force(in_force.rules, app::rules_in_force(files.config), this_moment());
  return show_difference(line, in_force.sha256, "", change, "what is in force");
}

int show_diff(const CommandLine& line, const ChangeOptions& options) {
  if (!options.since.empty() && !options.former.empty())
    return line.fail({EX_USAGE, "give either hashes or --since", ""});
  const bool between = !options.former.empty() || !options.since.empty();
  History history;
  if (between) {
    auto read = read_history(line, options.file);
    if (!read) return fail_reading(line, read.error());
    history = std::move(*read);
  }
  const Sets sets(line, options, history);
  auto before = !options.former.empty()  ? sets.named(options.former)
                : !options.since.empty() ? sets.at_begin_of(date_of(options.since))
                                         : sets.in_force();
  if (!before) return fail_reading(line, before.error());
  if (!between) return compare_with_files(line, *before);
  const auto after = options.later.empty() ? sets.in_force() : sets.named(options.later);
  if (!after) return fail_reading(line, after.error());
  const auto change = app::compare_in_force(before->rules, after->rules, this_moment());
  return show_difference(line, before->sha256, after->sha256, change, before->sha256.substr(0, 12));
}

}  // namespace

void add_change_commands(CLI::App& policy, CommandLine& line) {
  const auto options = std::make_shared<ChangeOptions>();
  CLI::App* history = policy.add_subcommand("history",
                                            "What changed in the rules in force: when, weaker or stronger, "
                                            "in which file of whom, approved by whom. Needs no relay");
  history->add_option("PARTNER", options->partner,
                      "Only changes of the rule of this name, or about this domain");
  history->add_option("--since", options->since, "From this UTC day on, or for so long: 30d");
  history->add_option("--until", options->until, "Up to this UTC day");
  history->add_option("--file", options->file,
                      "A ledger, or a copy of one; default: that of the configuration");
  history->callback(
      [&line, options] { line.work = [&line, options] { return show_changes(line, *options); }; });

  CLI::App* diff = policy.add_subcommand(
      "diff",
      "What rules demand more or less than others did; without arguments: the files than what is in force.\n"
      "Needs no relay. Exit code 1 when anything gets weaker");
  diff->add_option("OLD", options->former, "Hash of the former rules, as 'policy history' shows it");
  diff->add_option("NEW", options->later, "Hash of the later ones; default: those in force");
  diff->add_option(
      "--since", options->since,
      "Instead of OLD: what was in force when this UTC day began, or so long ago: 30d; the first on record, "
      "if that came later");
  diff->add_option("--file", options->file, "A ledger, or a copy of one; default: that of the configuration");
  diff->callback([&line, options] { line.work = [&line, options] { return show_diff(line, *options); }; });
}

}  // namespace sealpost::cli
