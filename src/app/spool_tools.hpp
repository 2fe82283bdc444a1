// SPDX-License-Identifier: Apache-2.0
//
// `spool check` and `spool recover` without a running relay.
#pragma once

#include <string>

#include "admin/control_server.hpp"
#include "spool/inspect.hpp"

namespace sealpost::app {

// Reads a spool directory, or that of a data directory. Errc::exists: a relay is using it.
Expected<spool::Inspection> check_spool(const std::string& directory);
// Holds the spool's lock meanwhile, and leaves the journal as an orderly stop does. Errc::exists as above.
Expected<admin::Json> recover_into_spool(const std::string& spool_directory, const std::string& file);

}  // namespace sealpost::app
