// SPDX-License-Identifier: Apache-2.0
//
// Mistakes in TOML for whoever writes it for the first time: what was probably meant comes first, and what the parser met stands behind it.
#pragma once

#include <string>
#include <string_view>

namespace sealpost::app {

// `met` is what the parser says, `line` the text of the line where it stopped. Values of the line are not repeated: they may
// be secrets, and findings go to the log.
std::string explain_mistake(std::string_view met, std::string_view line);

// The text of a line, counted from 1, without its end; empty when there is none.
std::string_view line_of_text(std::string_view text, unsigned number) noexcept;

}  // namespace sealpost::app
