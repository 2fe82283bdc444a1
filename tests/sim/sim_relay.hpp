// SPDX-License-Identifier: Apache-2.0
//
// The relay, put together from the same parts as src/app/relay, on one simulated loop: two shards, one acceptor, the
// journal on a disk that outlives it. Destroying it is the death of the process; drain() is SIGTERM.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/shared_clock.hpp"
#include "delivery/courier.hpp"
#include "event/blocking_pool.hpp"
#include "intake/acceptor.hpp"
#include "queue/probation.hpp"
#include "spool/journal_spool.hpp"
#include "spool/sim_disk.hpp"
#include "world.hpp"

namespace sealpost::sim {

// A fault planted on purpose, so that the checks are seen to find it.
enum class Plant : std::uint8_t {
  nothing,
  lose_mail,            // one message in a hundred is answered 250 and not kept
  keep_refused,         // one message in a hundred is kept and answered 451
  forget_done,          // one outcome in fifty is not recorded
  no_policy,            // MTA-STS says that nobody has a policy
  no_partners,          // the partner rules are not read
  no_pause,             // deliveries go on although no outcome can be recorded
  no_canary,            // the resolver that denies everything makes an exception for canaries
  no_probation,         // mail that kills the relay is tried like all other
  believe_any_clock,    // dates, ages and waits go by what the system's clock says
  arrival_from_future,  // accepted mail is stamped with what the system's clock says
  exception_revives,    // a clock that was set back brings expired exceptions back
  expire_by_jump,       // ages at a start are taken from the system's clock
  wait_by_wall,         // the next attempt waits for the system's clock
};

class SimRelay {
 public:
  // Recovers; an error when the disk does not let it.
  static Expected<std::unique_ptr<SimRelay>> start(World& world, spool::SimDisk& disk, Plant plant);
  ~SimRelay();

  void serve(std::unique_ptr<event::Stream> stream) {
    if (acceptor_) acceptor_->serve(std::move(stream));
  }
  // As on SIGTERM; the journal is closed at the end.
  event::Task<void> drain(Duration grace);
  bool healthy() const { return journal_->healthy(); }
  // What waits longer than the schedule ever lets it (T-50); empty: nothing does.
  std::string stranded() const;
  // Mail that waits because a host ended a session as it ends them all; empty: none does.
  std::string blamed() const;

  // Token and recipient of all that a start found unfinished: what a queue holds when nothing else runs.
  static std::set<std::pair<std::string, std::string>> unfinished(
      spool::Spool& spool, event::SimLoop& loop, const std::vector<spool::StoredMessagePtr>& messages);
  // Of these, what is neither held nor an answer to nobody: it should have been delivered or returned long ago.
  static std::vector<std::string> still_waiting(const std::vector<spool::StoredMessagePtr>& messages);
  struct Rest {
    std::set<std::pair<std::string, std::string>> unfinished;
    std::vector<std::string> still_waiting;
  };
  // Opens the journal alone, reads what is in it and closes it again.
  static Expected<Rest> read_queue(event::SimLoop& loop, spool::SimDisk& disk);
  static spool::SpoolOptions spool_options();

 private:
  class Sink;
  class PlantedSpool;
  class PlantedSts;
  class Recorder;
  struct Lanes;
  class PlantedClock;
  SimRelay(World& world, spool::SimDisk& disk, Plant plant);
  Expected<void> open();
  void begin_mail();
  event::Task<Expected<void>> shards_joined();

  event::Task<void> record_clock();

  World& world_;
  spool::SimDisk& disk_;
  Plant plant_;
  std::unique_ptr<SharedClock> clock_;
  event::InlinePool pool_;
  std::unique_ptr<spool::Driver> driver_;
  std::unique_ptr<spool::JournalSpool> journal_;
  std::unique_ptr<spool::Spool> spool_;
  std::unique_ptr<sts::StsService> sts_;
  std::unique_ptr<Recorder> recorder_;
  delivery::HostRegistry hosts_;
  queue::Sites sites_;
  delivery::NxGuard nx_guard_;
  delivery::NoticeBudget notices_;
  delivery::Totals totals_;
  queue::Schedule schedule_;
  std::vector<std::unique_ptr<Lanes>> workers_;
  std::unique_ptr<queue::Dispatcher> dispatcher_;
  std::unique_ptr<Sink> sink_;
  intake::ConnectionLimits connections_;
  intake::BodyBudget bodies_;
  intake::Counters counters_;
  std::unique_ptr<intake::Acceptor> acceptor_;
  std::unique_ptr<queue::Probation> probation_;
  event::TaskScope scope_;
};

}  // namespace sealpost::sim
