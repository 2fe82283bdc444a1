// SPDX-License-Identifier: Apache-2.0
//
// `spool check`, `spool recover` and a look at the queue without a running relay.
#pragma once

#include <string>

#include "admin/control_server.hpp"
#include "config/config.hpp"
#include "spool/inspect.hpp"

namespace sealpost::app {

// Reads a spool directory, or that of a data directory. Errc::exists: a relay is using it.
Expected<spool::Inspection> check_spool(const std::string& directory);
// What "queue.list", "queue.show", "queue.why" or "queue.summary" would answer after a start; reads only. Errc::exists as above.
Expected<admin::Answer> ask_journal(const Config& config, const std::string& name,
                                    const admin::Json& arguments);
// Into the spool of a data directory. Holds its lock meanwhile, and keeps restores away; leaves the journal as an orderly stop does. Errc::exists as above.
Expected<admin::Json> recover_into_spool(const std::string& data_dir, const std::string& file);

}  // namespace sealpost::app
