// SPDX-License-Identifier: Apache-2.0
//
// What the configuration names and only using it shows to be sound: certificates, keys, trust, directories.
#pragma once

#include <string>
#include <vector>

#include "config/config.hpp"
#include "keys/source.hpp"

namespace sealpost::app {

// What takes longer than reading: certificate and key belong together, trust holds certificates. For `check`; a start
// meets the same errors when it opens them.
Findings check_materials(const Config& config, const keys::Source& keys);

// Where private keys may be: the folder of the configuration, and where it and its rules keep some now. For the key process.
std::vector<std::string> key_directories(const Config& config);

}  // namespace sealpost::app
