// SPDX-License-Identifier: Apache-2.0
//
// sealpost evidence verify | list | export | erase, and sealpost trace: what the ledger says. Reads its file, so that no relay needs to run.
#include <sysexits.h>

#include <iostream>
#include <limits>
#include <memory>

#include "base/log.hpp"
#include "base/text.hpp"
#include "cli/command_line.hpp"
#include "cli/control_client.hpp"
#include "cli/csv.hpp"
#include "cli/ledger_file.hpp"
#include "cli/screen.hpp"
#include "ledger/signer.hpp"
#include "ledger/verify.hpp"
#include "ledger/words.hpp"

namespace sealpost::cli {
namespace {

constexpr int is_broken = 1;  // the question was answered, with a bad answer

struct EvidenceOptions {
  std::string file, key, heads;
  std::string what, recipient, address, before, since, until;
  std::string day;
  bool csv = false, yes = false;
  ledger::Filter filter;
};

void show_verified(const ledger::Verified& found, bool key_asked) {
  for (const ledger::Break& one : found.breaks) {
    std::cout << "BROKEN: ";
    if (one.day != 0) std::cout << "day " << one.day << ": ";
    if (one.row != 0) std::cout << "row " << one.row << ": ";
    std::cout << one.what << '\n';
  }
  std::cout << found.rows << " rows of " << found.days << " days, " << found.first_date << " to "
            << found.last_date;
  if (found.pruned_days > 0) std::cout << ", " << found.pruned_days << " of them pruned";
  std::cout << "\nsigned by key " << found.key;
  if (found.key_given)
    std::cout << ", which is the given one or follows from it";
  else if (!key_asked)
    std::cout << ", as the file itself says: give the key that you know with --key";
  std::cout << "\nnewest head: " << found.newest_head << '\n';
  std::cout << (found.whole() ? "Whole: nothing was changed, dropped, added or moved.\n" : "NOT WHOLE.\n");
}

Json to_json(const ledger::Verified& found) {
  Json breaks = Json::array();
  for (const ledger::Break& one : found.breaks)
    breaks.push_back({{"day", one.day}, {"row", one.row}, {"what", one.what}});
  return {{"whole", found.whole()},
          {"rows", found.rows},
          {"days", found.days},
          {"pruned_days", found.pruned_days},
          {"erased_days", found.erased_days},
          {"first_date", found.first_date},
          {"last_date", found.last_date},
          {"key", found.key},
          {"key_given", found.key_given},
          {"heads_compared", found.heads_compared},
          {"missing_proofs", found.missing_proofs},
          {"newest_head", found.newest_head},
          {"breaks", breaks}};
}

int verify_ledger(const CommandLine& line, const EvidenceOptions& options) {
  ledger::Trust trust;
  if (!options.key.empty()) {
    auto key = ledger::read_public_key(options.key);
    if (!key) return fail_reading(line, key.error());
    trust.public_key = std::move(*key);
  }
  if (!options.heads.empty()) {
    auto heads = ledger::read_heads(options.heads);
    if (!heads) return fail_reading(line, heads.error());
    trust.heads = std::move(*heads);
  }
  return with_ledger(line, options.file, [&](ledger::Reader& reader) {
    const auto found = ledger::verify(reader, trust);
    if (!found) return fail_reading(line, found.error());
    if (line.json) {
      line.print(to_json(*found));
    } else {
      const Screen screen;
      show_verified(*found, !options.key.empty());
    }
    return found->whole() ? EX_OK : is_broken;
  });
}

void show_row(const ledger::FoundRow& row) {
  std::cout << to_rfc3339(SystemTime(std::chrono::microseconds(row.payload.value("t", std::int64_t{0}))))
            << "  " << ledger::in_words(row) << '\n';
}

int show_trails(const CommandLine& line, ledger::Questions& questions, const std::vector<MessageId>& ids) {
  Json messages = Json::array();
  const Screen screen;
  for (const MessageId& id : ids) {
    const auto trail = questions.trail(id);
    if (!trail) return fail_reading(line, trail.error());
    if (trail->empty()) continue;
    Json rows = Json::array();
    if (!line.json) std::cout << (messages.empty() ? "" : "\n") << id.to_string() << '\n';
    for (const ledger::FoundRow& row : *trail) {
      rows.push_back(ledger::described(row));
      if (!line.json) show_row(row);
    }
    messages.push_back({{"id", id.to_string()}, {"rows", rows}});
  }
  if (messages.empty())
    return line.fail(
        {EX_NOINPUT, "the ledger knows nothing of it",
         "it may be older than the ledger, be pruned, or not have been read from the journal yet"});
  if (line.json) line.print({{"messages", messages}});
  return EX_OK;
}

int trace(const CommandLine& line, const EvidenceOptions& options) {
  if (options.what.empty() == options.recipient.empty())
    return line.fail({EX_USAGE, "name a queue id, a Message-ID, or --recipient", ""});
  return with_ledger(line, options.file, [&](ledger::Reader& reader) {
    ledger::Questions questions(reader);
    if (!options.recipient.empty()) {
      const auto ids = questions.for_recipient(options.recipient, date_of(options.since),
                                               date_of(options.until), options.filter.most);
      return ids ? show_trails(line, questions, *ids) : fail_reading(line, ids.error());
    }
    if (const auto id = MessageId::parse(options.what)) return show_trails(line, questions, {*id});
    const bool bare = options.what.front() != '<';
    const auto ids = questions.with_message_id(bare ? "<" + options.what + ">" : options.what);
    return ids ? show_trails(line, questions, *ids) : fail_reading(line, ids.error());
  });
}

Expected<ledger::Filter> filter_of(const EvidenceOptions& options) {
  ledger::Filter filter = options.filter;
  filter.from = date_of(options.since);
  filter.to = date_of(options.until);
  if (!options.day.empty()) {
    const auto dots = options.day.find("..");
    filter.from = options.day.substr(0, dots);
    filter.to = dots == std::string::npos ? filter.from : options.day.substr(dots + 2);
  }
  return filter;
}

int list_rows(const CommandLine& line, const EvidenceOptions& options) {
  const auto filter = filter_of(options);
  if (!filter) return fail_reading(line, filter.error());
  return with_ledger(line, options.file, [&](ledger::Reader& reader) {
    ledger::Questions questions(reader);
    Json rows = Json::array();
    const Screen screen;
    const auto fitting = questions.each(*filter, [&](const ledger::FoundRow& row) {
      if (line.json)
        rows.push_back(ledger::described(row));
      else
        show_row(row);
    });
    if (!fitting) return fail_reading(line, fitting.error());
    if (line.json)
      line.print({{"rows", rows}, {"total", *fitting}, {"limit", filter->most}});
    else if (*fitting > filter->most)
      std::cout << "and " << *fitting - filter->most << " more: --limit\n";
    return EX_OK;
  });
}

const std::vector<std::string>& csv_columns() {
  static const std::vector<std::string> columns{
      "row",         "time",    "kind",    "id",          "sender", "recipient",
      "client",      "account", "mx_host", "mx_address",  "status", "reply",
      "domain",      "partner", "verdict", "tls_version", "cipher", "certificate_sha256",
      "proof_digest"};
  return columns;
}

std::string csv_value(const Json& row, const std::string& column) {
  const auto text = [](const Json& object, const char* key) {
    const auto at = object.is_object() ? object.find(key) : object.end();
    return object.is_object() && at != object.end() && at->is_string() ? at->get<std::string>()
                                                                       : std::string();
  };
  if (column == "row") return std::to_string(row.at("row").get<std::int64_t>());
  const Json proof = row.value("proof", Json());
  if (column == "domain" || column == "partner" || column == "verdict") return text(proof, column.c_str());
  if (column == "tls_version") return ledger::tls_version_of(proof);
  if (column == "cipher") {
    const Json facts = proof.is_object() ? proof.value("facts", Json::object()) : Json::object();
    return text(facts.value("session", Json()), "cipher");
  }
  if (column == "certificate_sha256")
    return text(proof.is_object() ? proof.value("certificate", Json()) : Json(), "sha256");
  return text(row, column.c_str());
}

int export_rows(const CommandLine& line, const EvidenceOptions& options) {
  auto filter = filter_of(options);
  if (!filter) return fail_reading(line, filter.error());
  filter->most = std::numeric_limits<std::size_t>::max();
  return with_ledger(line, options.file, [&](ledger::Reader& reader) {
    ledger::Questions questions(reader);
    if (options.csv) verbatim() << csv_line(csv_columns());
    const auto done = questions.each(*filter, [&](const ledger::FoundRow& row) {
      const Json described = ledger::described(row);
      if (!options.csv) {
        verbatim() << described.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n';
        return;
      }
      std::vector<std::string> cells;
      for (const std::string& column : csv_columns()) cells.push_back(csv_value(described, column));
      verbatim() << csv_line(cells);
    });
    return done ? EX_OK : fail_reading(line, done.error());
  });
}

int erase_addresses(const CommandLine& line, const EvidenceOptions& options) {
  if (options.address.empty() == options.before.empty())
    return line.fail({EX_USAGE, "name either --address or --before", ""});
  if (!options.yes)
    return line.fail({EX_USAGE, "what is erased is gone; nothing was done", "say --yes to do it"});
  Json arguments = Json::object();
  if (!options.address.empty())
    arguments["address"] = options.address;
  else
    arguments["before"] = options.before;
  return ask_and_show(line, "ledger.erase", arguments, [&](const Json& answer) {
    if (options.address.empty())
      std::cout << "addresses of " << answer.at("days") << " day(s) erased, with their keys\n";
    else
      std::cout << "erased from beside " << answer.at("rows") << " row(s)\n";
  });
}

void add_filter(CLI::App& command, const std::shared_ptr<EvidenceOptions>& options) {
  command.add_option("--file", options->file,
                     "A ledger, or a copy of one; default: that of the configuration");
  command.add_option("--day", options->day,
                     "Only this UTC day, 2026-01-31, or these, 2026-01-01..2026-01-31");
  command.add_option("--since", options->since, "From this UTC day on, or for so long: 7d");
  command.add_option("--until", options->until, "Up to this UTC day");
  command.add_option(
      "--kind", options->filter.kinds,
      "Only rows of this kind: accepted, delivered, deferred, failed, held, removed; more than once");
  command.add_option("--domain", options->filter.domain, "Only recipients in this domain");
  command.add_option("--partner", options->filter.partner, "Only what the rule of this partner was about");
  command.add_flag("--exception", options->filter.exceptions, "Only what an exception of a rule let through");
  command.add_flag("--refused", options->filter.refused, "Only what a demand kept back");
}

}  // namespace

void add_evidence_commands(CLI::App& app, CommandLine& line) {
  const auto options = std::make_shared<EvidenceOptions>();
  CLI::App* evidence =
      app.add_subcommand("evidence", "The ledger: what became of each recipient, and whether it is whole");
  evidence->require_subcommand(1);
  CLI::App* check = evidence->add_subcommand(
      "verify", "Was anything changed, dropped, added or moved? Needs no relay. Exit code 1 when it was");
  check->add_option("FILE", options->file, "A ledger, or a copy of one; default: that of the configuration");
  check->add_option("--key", options->key,
                    "The public key that must have signed it, or one before it: a PEM file");
  check->add_option("--heads", options->heads, "Heads that were kept elsewhere, a line each");
  check->callback(
      [&line, options] { line.work = [&line, options] { return verify_ledger(line, *options); }; });

  CLI::App* list = evidence->add_subcommand("list", "Rows of the ledger, oldest first");
  add_filter(*list, options);
  list->add_option("--limit", options->filter.most, "At most so many")->capture_default_str();
  list->callback([&line, options] { line.work = [&line, options] { return list_rows(line, *options); }; });

  CLI::App* all = evidence->add_subcommand("export", "All rows that fit, one JSON object a line");
  add_filter(*all, options);
  all->add_flag("--csv", options->csv, "Comma-separated values, for a spreadsheet");
  all->callback([&line, options] { line.work = [&line, options] { return export_rows(line, *options); }; });

  add_statement_command(*evidence, line);
  CLI::App* erase = evidence->add_subcommand(
      "erase", "Erase addresses from beside the rows; the chain stays whole. Asks the running relay");
  erase->add_option("--address", options->address, "This one, as sender, recipient or account");
  erase->add_option("--before", options->before,
                    "Those of days before this one, and the keys by which they could be found");
  erase->add_flag("--yes", options->yes, "Do it");
  erase->callback(
      [&line, options] { line.work = [&line, options] { return erase_addresses(line, *options); }; });

  CLI::App* trail = app.add_subcommand(
      "trace", "The whole trail of a message, from the ledger: taken, asked, proven, ended");
  trail->add_option("WHAT", options->what, "A queue id or a Message-ID");
  trail->add_option("--recipient", options->recipient,
                    "Messages that had an outcome for this address, the newest first");
  trail->add_option("--since", options->since, "With --recipient: from this UTC day on, or for so long: 30d");
  trail->add_option("--until", options->until, "With --recipient: up to this UTC day");
  trail->add_option("--limit", options->filter.most, "With --recipient: at most so many messages")
      ->capture_default_str();
  trail->add_option("--file", options->file,
                    "A ledger, or a copy of one; default: that of the configuration");
  trail->callback([&line, options] { line.work = [&line, options] { return trace(line, *options); }; });
}

}  // namespace sealpost::cli
