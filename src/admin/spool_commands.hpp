// SPDX-License-Identifier: Apache-2.0
//
// `spool recover` over the control socket: the name of a file comes in, the mail in it that is not known goes into the
// queue, held. The relay reads the file, so it must be one that it may read.
#pragma once

#include <string>

#include "admin/control_server.hpp"
#include "base/health.hpp"
#include "event/blocking_pool.hpp"
#include "queue/dispatcher.hpp"
#include "spool/reimport.hpp"

namespace sealpost::admin {

struct SpoolAccess {
  event::BlockingPool& pool;
  spool::Disk& disk;
  spool::JournalSpool& spool;
  queue::Dispatcher& dispatcher;
  Health& health;
};
void serve_spool_commands(ControlServer& server, event::Loop& home, SpoolAccess access);

// For `spool recover` without a relay, too: the file's octets, the reason of the hold, the answer, and what is done with
// a file of corrupt/ that has been read in.
Expected<std::string> read_segment_file(const std::string& path);
std::string hold_reason(const std::string& path);
Json to_json(const spool::Reimported& result);
void note_recovered(spool::Disk& disk, const std::string& path);

}  // namespace sealpost::admin
