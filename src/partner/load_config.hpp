// SPDX-License-Identifier: Apache-2.0
//
// The configuration as it is meant: the file, and the partner rules of the directory that it names. Everything that
// loads one loads both, so that no command judges by half of it.
#pragma once

#include <string>

#include "config/config.hpp"

namespace sealpost::app {

// As read_config(); the rules' findings follow those of the file.
LoadResult load_config(const std::string& path);

}  // namespace sealpost::app
