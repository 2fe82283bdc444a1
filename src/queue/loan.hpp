// SPDX-License-Identifier: Apache-2.0
//
// A loan: places for couriers of a lane on another worker than the lane's own. One core encrypts what one worker sends;
// a lane with much due mail lends places to the other shards, up to its own concurrency and counted in its own shard.
// The lane keeps everything it knows and decides; the other worker plans and dials for itself, so each connection is
// judged for this lane (T-07), asks the lane for due jobs in small numbers and tells it what became of them. What the
// two say to each other is posted; each keeps a copy of a lent job, so nothing is shared.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "event/wait.hpp"
#include "queue/lane.hpp"

namespace sealpost::queue {

// Where a shard is reached from other threads. It may be gone when a message arrives.
struct ShardAddress {
  explicit ShardAddress(event::Loop& loop_, Shard* shard_) : loop(loop_), shard(shard_) {}
  event::Loop& loop;
  Shard* shard;  // touched on the loop's thread only; null once the shard is gone
};
using ShardAddressPtr = std::shared_ptr<ShardAddress>;

// On that shard's own loop; dropped when the shard is gone.
template <class Work>
void tell(const ShardAddressPtr& to, Work work) {
  to->loop.post([to, work = std::move(work)] {
    if (to->shard != nullptr) work(*to->shard);
  });
}

// What a loan tells its lane: all that happened in one turn of its loop.
struct LoanReport {
  LoanReport() = default;
  std::vector<JobPtr> finished, deferred, untried;
  std::vector<Duration> succeeded;  // how long each took
  struct Moved {
    JobPtr job, copy;
    JobOwner::Onward onward;
  };
  std::vector<Moved> moved;
  struct Setback {
    Setback(SystemTime until_, std::string reason_, Trouble about_)
        : until(until_), reason(std::move(reason_)), about(about_) {}
    SystemTime until;
    std::string reason;
    Trouble about;
  };
  std::optional<Setback> trouble;
  std::uint32_t places = 0;  // given back
  bool refused = false;      // one of them without a connection
  std::size_t wanted = 0;    // more jobs, at most
};

// On the helping worker's shard.
class Loan final : public JobOwner {
 public:
  Loan(Shard& shard, ShardAddressPtr home, LaneKey key);
  ~Loan() override;
  Loan(const Loan&) = delete;
  Loan& operator=(const Loan&) = delete;

  const LaneKey& key() const noexcept override { return key_; }

  // For couriers.
  // The next job; null when none is here.
  JobPtr take();
  // Waits until take() may give something; false: there is nothing more to do here.
  event::Task<bool> wait_for_work();
  void put_back(JobPtr job);  // untried: the lane's own couriers shall see to it
  void finish(JobPtr job) override;
  void defer(JobPtr job) override;
  void move(JobPtr job, JobPtr copy, Onward onward) override;
  void trouble(SystemTime until, std::string reason, Trouble about) override;
  void succeeded(Duration took) override;
  std::uint32_t failures() const noexcept override { return 0; }  // a lane that has trouble lends nothing

 private:
  friend class Shard;
  struct Report;                                      // tells home what happened, on the loop's next turn
  struct Patience;                                    // jobs that nobody here gets to go home
  static constexpr std::size_t jobs_per_courier = 8;  // here beside those being delivered

  void begin_courier();
  void end_courier(bool connected);
  void arrived(std::vector<JobPtr> jobs);
  bool over() const noexcept { return couriers_ == 0 && taken_ == 0 && !asked_; }
  void ask();
  void empty_stash();
  void tell();
  void report();
  void lose_patience();
  bool closed() const noexcept;

  Shard& shard_;
  ShardAddressPtr home_;
  LaneKey key_;
  std::deque<JobPtr> stash_;
  LoanReport news_;
  event::Signal work_;
  std::unique_ptr<Report> report_;
  std::unique_ptr<Patience> patience_;
  std::uint32_t couriers_ = 0;
  std::size_t taken_ = 0;
  bool asked_ = false;  // an answer is under way
  bool dry_ = false;    // the last one was empty
  bool taken_lately_ = false;
};

}  // namespace sealpost::queue
