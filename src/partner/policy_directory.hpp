// SPDX-License-Identifier: Apache-2.0
//
// Which files of [policies] directory are read.
#pragma once

#include <string>
#include <vector>

#include "config/toml_reader.hpp"

namespace sealpost::app {

// Every *.toml, by name. What an editor keeps beside a file (a leading dot, a name that goes on after .toml) is no rule
// file. Findings: a directory that is not there, cannot be read or holds no such file; names nearly right, files hidden
// by a dot and folders, which are not read.
std::vector<std::string> policy_files(const std::string& directory, Findings& findings);

}  // namespace sealpost::app
