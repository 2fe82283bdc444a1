// SPDX-License-Identifier: Apache-2.0
//
// A simulated day: mail comes in, hosts and the network fail, the disk tears, the process dies. Then everything heals
// and the queue gets the time it needs; at the end the ledger is compared with what happened.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "client.hpp"
#include "ledger.hpp"
#include "receiver.hpp"
#include "sim_relay.hpp"
#include "world.hpp"

namespace sealpost::sim {

struct DayResult {
  std::vector<std::string> problems;
  Counts counts;
};

class Day {
 public:
  Day(std::uint64_t seed, Plant plant);
  DayResult run();

 private:
  event::Task<void> traffic(Duration length);
  event::Task<void> weather(Duration length);
  event::Task<void> crash(bool power);
  event::Task<void> restart_orderly();
  event::Task<void> start_again();
  event::Task<void> disk_trouble();
  event::Task<void> host_trouble();
  event::Task<void> bad_mood();
  event::Task<void> clock_trouble();
  event::Task<void> watch_waits(Duration length);
  event::Task<void> policy_turns(Duration length);
  event::Task<void> watch_blame(Duration length);
  event::Task<void> resolver_outage();
  event::Task<void> resolver_lies();
  event::Task<void> poisoned();
  event::Task<void> watch_journal(Duration length);
  event::Task<void> ensure_healthy();
  void open_door();

  Rng rng_;
  event::SimLoop loop_;
  World world_;
  Ledger ledger_;
  spool::SimDisk disk_;
  Plant plant_;
  std::vector<std::unique_ptr<Receiver>> receivers_;
  Clients clients_;
  std::unique_ptr<SimRelay> relay_;
  bool restarting_ = false;
  unsigned poisonings_ = 0;
  event::TaskScope scope_;
};

}  // namespace sealpost::sim
