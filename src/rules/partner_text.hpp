// SPDX-License-Identifier: Apache-2.0
//
// A partner rule as a partner file has it (policies/README.md): what proposes rules to people (`policy suggest`, `policy
// import`) writes them here, and src/partner/partner_file reads them back as they were. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sealpost/partner.hpp"

namespace sealpost::rules {

// A [[partner]] with its exceptions, a key a line, what is left to its default left out. Whatever stands in the strings,
// the text is TOML and says nothing else (T-54).
std::string partner_text(const PartnerRule& rule);

// "..." and ["...", "..."] as TOML has them. What is no UTF-8 becomes "?".
std::string toml_string(std::string_view text);
std::string toml_list(const std::vector<std::string>& texts);

// Words as comment lines of at most `width` octets where blanks allow it. Nothing in them ends the comment or turns the
// direction of writing.
std::string comment_lines(std::string_view words, std::size_t width = 120);

}  // namespace sealpost::rules
