// SPDX-License-Identifier: Apache-2.0
//
// The file that [[route]] credentials names: as whom to log in at a smart host. What stands in it goes into no message.
#pragma once

#include <memory>
#include <string>

#include "auth/sasl_client.hpp"
#include "config/toml_reader.hpp"

namespace sealpost::app {

// Null with a finding of `reader` under the key "credentials", which says what is wrong and where, and never what it read.
std::shared_ptr<const auth::ClientAccount> read_credentials(TableReader& reader, const std::string& path);

}  // namespace sealpost::app
