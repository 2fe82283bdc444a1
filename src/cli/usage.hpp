// SPDX-License-Identifier: Apache-2.0
//
// What is wrong with a command line, in words that help: which word is not known, and which was probably meant.
#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

namespace sealpost::cli {

// `words` without the program's name. Empty: the first word that is not known cannot be told; the parser's own words
// have to do.
std::string unknown_word(const CLI::App& app, const std::vector<std::string>& words);

}  // namespace sealpost::cli
