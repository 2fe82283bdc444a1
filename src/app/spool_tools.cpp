// SPDX-License-Identifier: Apache-2.0
#include "app/spool_tools.hpp"

#include <sys/stat.h>

#include "admin/queue_commands.hpp"
#include "admin/spool_commands.hpp"
#include "app/restore.hpp"
#include "app/route_table.hpp"
#include "event/event_loop.hpp"
#include "event/run.hpp"
#include "queue/dispatcher.hpp"
#include "queue/shard.hpp"
#include "spool/posix_disk.hpp"

namespace sealpost::app {

Expected<spool::Inspection> check_spool(const std::string& directory) {
  struct stat status {};
  const std::string inside = directory + "/spool";
  const bool of_data = ::stat(inside.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
  auto disk = spool::open_posix_disk_to_read(of_data ? inside : directory);
  if (!disk) return disk.error();
  return spool::inspect(**disk, spool::SpoolOptions().segment_size);
}

Expected<admin::Answer> ask_journal(const Config& config, const std::string& name,
                                    const admin::Json& arguments) {
  auto disk = spool::open_posix_disk_to_read(config.data_dir + "/spool");
  if (!disk) return disk.error();
  const auto messages = spool::unfinished(**disk, spool::SpoolOptions().segment_size);
  if (!messages) return messages.error();
  event::EventLoop loop;
  const queue::Schedule& schedule = config.delivery.schedule;
  queue::Shard shard(loop, queue::ShardSettings(), schedule);  // never started
  queue::Dispatcher dispatcher({&shard}, route_table(config), schedule);
  dispatcher.recovered(*messages);
  return event::run_until_done(loop, admin::ask_queue(loop, dispatcher, name, arguments));
}

Expected<admin::Json> recover_into_spool(const std::string& data_dir, const std::string& file) {
  auto octets = admin::read_segment_file(file);
  if (!octets) return octets.error();
  const auto held = hold_data_dir(data_dir, std::chrono::seconds(1));
  if (!held) return held.error();
  auto disk = spool::open_posix_disk(data_dir + "/spool");
  if (!disk) return disk.error();
  event::EventLoop loop;
  event::ThreadPool pool(2, 100);
  const auto driver = spool::make_thread_driver();
  auto spool = spool::JournalSpool::open(**disk, *driver, pool, spool::SpoolOptions());
  if (!spool) return spool.error();
  auto result = event::run_until_done(
      loop, spool::reimport(loop, pool, **disk, **spool, std::move(*octets), admin::hold_reason(file),
                            [](const spool::StoredMessagePtr&) {}));
  (*spool)->close();
  if (!result) return result.error();
  admin::note_recovered(**disk, file);
  return admin::to_json(*result);
}

}  // namespace sealpost::app
