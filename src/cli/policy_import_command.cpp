// SPDX-License-Identifier: Apache-2.0
//
// sealpost policy import FORMAT FILE: rules made of what another mail system demands (src/importing, docs/importing.md). Asks no
// relay and puts nothing in force.
#include <sysexits.h>

#include <filesystem>
#include <iostream>
#include <memory>

#include "base/amounts.hpp"
#include "base/durable_file.hpp"
#include "cli/command_line.hpp"
#include "cli/control_client.hpp"
#include "cli/result_file.hpp"
#include "cli/screen.hpp"
#include "cli/terminal.hpp"
#include "config/config.hpp"
#include "config/whole_file.hpp"
#include "importing/written.hpp"
#include "partner/load_config.hpp"
#include "partner/partner_file.hpp"

namespace sealpost::cli {
namespace {

namespace fs = std::filesystem;

constexpr int carried_in_part = 1;  // the file is there, and something is to be looked at first

struct ImportArguments {
  std::string format, file, output, require, owner, reference;
  bool replace = false, audit = false;
};

Json to_json(const importing::Remark& remark) {
  return {{"kind", importing::name_of(remark.kind)},
          {"line", remark.line != 0 ? Json(remark.line) : Json()},
          {"key", remark.key},
          {"text", remark.text},
          {"remedy", remark.remedy}};
}

importing::ImportOptions import_options(const ImportArguments& arguments, SystemTime now) {
  using Demand = importing::ImportOptions::GoogleDemand;
  importing::ImportOptions options;
  options.now = now;
  options.audit = arguments.audit;
  options.owner = arguments.owner;
  options.reference = arguments.reference;
  if (arguments.require == "tls") options.google = Demand::tls;
  if (arguments.require == "certificate") options.google = Demand::certificate;
  if (arguments.require == "hostname") options.google = Demand::hostname;
  return options;
}

fs::path folder_of(const std::string& path) {
  std::error_code ignored;
  return fs::weakly_canonical(fs::absolute(path, ignored).parent_path(), ignored);
}

// Where the next reload would read it. Only where the configuration can be read is that known.
bool would_be_in_force(const CommandLine& line, const std::string& output) {
  const app::LoadResult loaded = app::load_config(line.config_file());
  const std::string& directory = loaded.config.policy_directory;
  std::error_code ignored;
  return !directory.empty() &&
         folder_of(output) == fs::weakly_canonical(fs::absolute(directory, ignored), ignored);
}

// Why nothing may be written there; exit code 0: it may.
ControlError refused_output(const CommandLine& line, const ImportArguments& arguments) {
  const std::string& output = arguments.output;
  if (output.empty()) return {EX_OK, "", ""};
  if (!is_absent(output) && !arguments.replace)
    return {EX_CANTCREAT, output + " is there already", "name another file, or say --replace"};
  std::error_code ignored;
  if (!is_absent(output) && !fs::is_regular_file(output, ignored))
    return {EX_CANTCREAT, output + " is no file", "name a file"};
  if (would_be_in_force(line, output))
    return {EX_CANTCREAT,
            output + " lies in the folder of the rules in force, where the next reload would read it",
            "write it elsewhere, read it through, and move it there then"};
  return {EX_OK, "", ""};
}

void show_remarks(const importing::Import& import, const std::string& file) {
  const std::size_t width = terminal_width(STDERR_FILENO);
  for (const importing::Remark& remark : import.all_remarks())
    std::cerr << folded(file + ": " + importing::in_words(remark), "", width);
}

std::string import_summary(const importing::Import& import, const std::string& output) {
  using Kind = importing::Remark::Kind;
  std::string text = text::counted(import.rules.size(), "rule", "rules") + " of " +
                     text::counted(import.entries, "entry", "entries") +
                     (output.empty() ? "" : " in " + output) + ", not in force";
  if (!import.complete())
    text += "; " + std::to_string(import.count(Kind::left_out)) + " x left out, " +
            std::to_string(import.count(Kind::stronger)) + " x asks for more: look at these first";
  return text + "; then 'sealpost check " + (output.empty() ? "FILE" : output) + "'";
}

// What comes out must be good for what it is for.
std::string wrong_with(const std::string& text, const std::string& name, SystemTime now) {
  for (const app::Finding& finding : app::read_partner_text(text, name, now).findings)
    if (finding.kind == app::Finding::Kind::error) return finding.to_string();
  return "";
}

int import_policy(const CommandLine& line, const ImportArguments& arguments) {
  const auto format = importing::format_named(arguments.format);
  if (!format) return EX_USAGE;  // the option takes no other
  if (!arguments.require.empty() && *format != importing::Format::google)
    return line.fail(
        {EX_USAGE, "--require is for google; other sources say themselves what they require", ""});
  const auto now = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
  if (const ControlError no = refused_output(line, arguments); no.exit_code != EX_OK) return line.fail(no);
  const auto source = app::read_whole_file(arguments.file, importing::longest_source);
  if (!source) return line.fail({EX_NOINPUT, arguments.file + ": " + source.error().detail, ""});
  const auto import = importing::import_rules(*format, source->text, import_options(arguments, now));
  if (!import)
    return line.fail(
        {EX_DATAERR, arguments.file + ": " + import.error().detail, "docs/importing.md says what is read"});

  const importing::Origin origin{*format, arguments.file, source->source.sha256, now};
  const std::string text = importing::partner_file(*import, origin);
  if (!line.json) show_remarks(*import, arguments.file);
  if (!import->rules.empty()) {
    if (const std::string wrong = wrong_with(text, "the file", now); !wrong.empty())
      return line.fail({EX_SOFTWARE, "what was made cannot be read back: " + wrong,
                        "this is a fault of sealpost; report it"});
    if (!arguments.output.empty())
      if (const auto written = write_result(arguments.output, text); !written)
        return line.fail({EX_CANTCREAT, written.error().detail, ""});
  }
  if (line.json) {
    Json remarks = Json::array();
    for (const importing::Remark& remark : import->all_remarks()) remarks.push_back(to_json(remark));
    const bool to_file = !arguments.output.empty() && !import->rules.empty();
    line.print({{"format", arguments.format},
                {"file", arguments.file},
                {"sha256", source->source.sha256},
                {"entries", import->entries},
                {"rules", import->rules.size()},
                {"complete", import->complete()},
                {"output", to_file ? Json(arguments.output) : Json()},
                {"toml", to_file || import->rules.empty() ? Json() : Json(text)},
                {"remarks", std::move(remarks)}});
  } else if (!import->rules.empty()) {
    if (arguments.output.empty()) verbatim() << text << std::flush;
    std::cerr << folded("sealpost: " + import_summary(*import, arguments.output), "",
                        terminal_width(STDERR_FILENO));
  } else {
    std::cerr << folded("sealpost: no rule came of " + text::counted(import->entries, "entry", "entries") +
                            ", and nothing was written",
                        "", terminal_width(STDERR_FILENO));
  }
  return import->complete() ? EX_OK : carried_in_part;
}

}  // namespace

void add_policy_import_command(CLI::App& policy, CommandLine& line) {
  const auto arguments = std::make_shared<ImportArguments>();
  CLI::App* import = policy.add_subcommand(
      "import",
      "Make a partner file to review of what another mail system demands; nothing is put in force. Exit\n"
      "code 1 when a demand is left out, or asks for more than it did there: docs/importing.md");
  std::vector<std::string> formats;
  for (const importing::Format format : importing::all_formats)
    formats.emplace_back(importing::name_of(format));
  import
      ->add_option(
          "FORMAT", arguments->format,
          "csv (a table of rules), postfix (smtp_tls_policy_maps), m365 (outbound connectors, JSON or\n"
          "CSV), google (list of the TLS compliance setting), cisco (destination controls)")
      ->required()
      ->check(CLI::IsMember(formats));
  import->add_option("FILE", arguments->file, "What was exported there")->required();
  import->add_option("--output", arguments->output,
                     "Write to this file, which must not be there; default: standard output");
  import->add_flag("--replace", arguments->replace, "Let --output take the place of a file");
  import->add_flag("--audit", arguments->audit, "All rules on trial: observed and counted, never enforced");
  import->add_option("--owner", arguments->owner, "Of rules that name none");
  import->add_option("--reference", arguments->reference, "Likewise");
  import
      ->add_option(
          "--require", arguments->require,
          "google: what the setting requires, since its list does not say: tls, certificate (CA-signed),\n"
          "hostname (that names the host, too); default: hostname")
      ->check(CLI::IsMember({"tls", "certificate", "hostname"}));
  import->callback([&line, arguments] { line.work = [&line, arguments] { return import_policy(line, *arguments);
};
}  // namespace sealpost::cli
);
}

}  // namespace sealpost::cli
