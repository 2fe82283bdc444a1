// SPDX-License-Identifier: Apache-2.0
//
// Partner files: the operator's rules as a compliance officer writes them (policies/README.md). Read
// and checked whole; one error anywhere and none of them is used. Choosing and applying rules is sealpost/partner.hpp
// and decide().
#pragma once

#include <string>
#include <vector>

#include "config/toml_reader.hpp"
#include "config/weaker_entry.hpp"
#include "sealpost/partner.hpp"

namespace sealpost::app {

struct PartnerFiles {
  std::vector<PartnerRule> rules;  // in the order of files and of rules within them
  std::vector<WeakerEntry> weaker;
  Findings findings;
  SourceFiles sources;
};

// Every *.toml in the directory, by name, with the conflict check over all of them. `now` is for warnings: reviews that
// are due, exceptions that have ended. A directory that is not there or holds none is an error, and so is a file without a
// rule: whoever wants no rules takes [policies] out.
PartnerFiles read_partner_directory(const std::string& directory, SystemTime now);
PartnerFiles read_partner_file(const std::string& path, SystemTime now);
// The same from memory; `name` stands for the file in findings.
PartnerFiles read_partner_text(std::string_view text, const std::string& name, SystemTime now);

// Findings about rules together: two equally specific ones for one domain, a name used twice, a rule on trial that
// shadows one in force.
void check_together(const std::vector<PartnerRule>& rules, Findings& findings);

// SHA-256 of what a rule demands: equal for rules that decide alike, whatever their name, file, owner, or order of lists.
std::string meaning_hash(const PartnerRule& rule);

}  // namespace sealpost::app
