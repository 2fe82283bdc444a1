// SPDX-License-Identifier: Apache-2.0
//
// What other mail systems demand of their partners, as partner rules: docs/importing.md. A foreign file goes in whole, rules
// and remarks come out; nothing is put in force. Of what a rule cannot say exactly, the nearest that asks for no less is
// taken and a remark says so, or it is left out and a remark says that. Pure.
//
//   import.hpp        this: one call for all sources
//   source.hpp        octets of a file to text, lines and rows
//   collector.hpp     rules as they come: domains that are there twice, names that are, rules that cannot be
//   postfix.hpp ...   one for each source
//   written.hpp       the partner file
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "sealpost/expected.hpp"
#include "sealpost/partner.hpp"

namespace sealpost::importing {

enum class Format : std::uint8_t { csv, postfix, m365, google, cisco };
inline constexpr Format all_formats[] = {Format::csv, Format::postfix, Format::m365, Format::google,
                                         Format::cisco};
std::string_view name_of(Format format) noexcept;   // as the command has it
std::string_view in_words(Format format) noexcept;  // "a Postfix policy table"
std::optional<Format> format_named(std::string_view name) noexcept;

struct Remark {
  enum class Kind : std::uint8_t {
    note,      // no demand was changed; still worth reading
    stronger,  // the rule asks for more than the source did
    left_out   // a demand of the source that is in no rule
  };
  Kind kind = Kind::note;
  unsigned line = 0;   // of the source; 0: of the whole
  std::string key;     // what it is about, as the source calls it; printable ASCII
  std::string text;    // what
  std::string remedy;  // what to do; may be empty
};
std::string_view name_of(Remark::Kind kind) noexcept;

struct ImportedRule {
  PartnerRule rule;
  unsigned line = 0;  // of the source
  std::set<std::string, std::less<>>
      implied;                  // of its domains: those that give way to a rule that names them
  std::vector<Remark> remarks;  // line and key may be left to Collector::add()
};

struct Import {
  std::vector<ImportedRule> rules;
  std::vector<Remark> remarks;     // of what is in no rule
  std::size_t entries = 0;         // of the source that were looked at
  bool complete() const noexcept;  // notes at most
  std::size_t count(Remark::Kind kind) const noexcept;
  std::vector<Remark> all_remarks() const;  // by line
};

struct ImportOptions {
  // What Google's setting demands, which its list does not say.
  enum class GoogleDemand : std::uint8_t { tls, certificate, hostname };
  std::optional<GoogleDemand> google;
  bool audit = false;            // all rules on trial
  std::string owner, reference;  // of rules that name none
  SystemTime now{};
};

constexpr std::size_t longest_source = 8U << 20;  // octets
constexpr std::size_t most_entries = 20'000;      // of one source
constexpr std::size_t most_domains = 50'000;      // of all rules together

// Errc::invalid, too_long: nothing can be made of the text; where, and what it looks like if that is known.
Expected<Import> import_rules(Format format, std::string_view octets, const ImportOptions& options);

}  // namespace sealpost::importing
