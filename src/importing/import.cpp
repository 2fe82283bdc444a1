// SPDX-License-Identifier: Apache-2.0
#include "importing/import.hpp"

#include <algorithm>

#include "importing/cisco.hpp"
#include "importing/collector.hpp"
#include "importing/google.hpp"
#include "importing/m365.hpp"
#include "importing/own_csv.hpp"
#include "importing/postfix.hpp"
#include "importing/source.hpp"

namespace sealpost::importing {
namespace {

Expected<void> read_source(Format format, std::string_view text, const ImportOptions& options,
                           Collector& into) {
  switch (format) {
    case Format::csv: return read_own_csv(text, options, into);
    case Format::postfix: read_postfix(text, into); return {};
    case Format::m365: return read_m365(text, into);
    case Format::google: return read_google(text, options, into);
    case Format::cisco: return read_cisco(text, into);
  }
  return {};
}

}  // namespace

std::string_view name_of(Format format) noexcept {
  switch (format) {
    case Format::csv: return "csv";
    case Format::postfix: return "postfix";
    case Format::m365: return "m365";
    case Format::google: return "google";
    case Format::cisco: return "cisco";
  }
  return "";
}

std::string_view in_words(Format format) noexcept {
  switch (format) {
    case Format::csv: return "a table of rules";
    case Format::postfix: return "a Postfix TLS policy table";
    case Format::m365: return "Microsoft 365 connectors";
    case Format::google: return "a Google Workspace list";
    case Format::cisco: return "Cisco destination controls";
  }
  return "";
}

std::optional<Format> format_named(std::string_view name) noexcept {
  for (const Format format : all_formats)
    if (name_of(format) == name) return format;
  return std::nullopt;
}

std::string_view name_of(Remark::Kind kind) noexcept {
  switch (kind) {
    case Remark::Kind::note: return "note";
    case Remark::Kind::stronger: return "stronger";
    case Remark::Kind::left_out: return "left_out";
  }
  return "";
}

std::vector<Remark> Import::all_remarks() const {
  std::vector<Remark> all = remarks;
  for (const ImportedRule& imported : rules)
    all.insert(all.end(), imported.remarks.begin(), imported.remarks.end());
  std::stable_sort(all.begin(), all.end(), [](const Remark& a, const Remark& b) { return a.line < b.line; });
  return all;
}

std::size_t Import::count(Remark::Kind kind) const noexcept {
  const auto is_kind = [kind](const Remark& remark) { return remark.kind == kind; };
  auto count = std::count_if(remarks.begin(), remarks.end(), is_kind);
  for (const ImportedRule& imported : rules)
    count += std::count_if(imported.remarks.begin(), imported.remarks.end(), is_kind);
  return static_cast<std::size_t>(count);
}

bool Import::complete() const noexcept {
  return count(Remark::Kind::stronger) == 0 && count(Remark::Kind::left_out) == 0;
}

Expected<Import> import_rules(Format format, std::string_view octets, const ImportOptions& options) {
  const auto text = to_text(octets);
  if (!text) return text.error();
  if (const auto likely = looks_like(*text); likely && *likely != format)
    return Error(Errc::invalid, "looks like " + std::string(in_words(*likely)) + ", not like " +
                                    std::string(in_words(format)) + "; if it is, say 'policy import " +
                                    std::string(name_of(*likely)) + "'");
  Collector collector(options);
  if (const auto read = read_source(format, *text, options, collector); !read) return read.error();
  return collector.finish();
}

}  // namespace sealpost::importing
