// SPDX-License-Identifier: Apache-2.0
#include "queue/loan.hpp"

#include <algorithm>

#include "queue/shard.hpp"

namespace sealpost::queue {
namespace {
using namespace std::chrono_literals;
constexpr auto most_in_stash =
    1s;  // then the lane's own couriers may have them: the connections here may all hang
}  // namespace

struct Loan::Report final : event::Runnable {
  explicit Report(Loan& loan_)
      : Runnable([](event::Runnable& self) noexcept { static_cast<Report&>(self).loan.report(); }),
        loan(loan_) {}
  Loan& loan;
};

struct Loan::Patience final : event::Timer {
  explicit Patience(Loan& loan_)
      : Timer(loan_.shard_.loop(),
              [](event::Timer& self) noexcept { static_cast<Patience&>(self).loan.lose_patience(); }),
        loan(loan_) {}
  Loan& loan;
};

Loan::Loan(Shard& shard, ShardAddressPtr home, LaneKey key)
    : shard_(shard),
      home_(std::move(home)),
      key_(std::move(key)),
      work_(shard.loop()),
      report_(std::make_unique<Report>(*this)),
      patience_(std::make_unique<Patience>(*this)) {}

Loan::~Loan() = default;

bool Loan::closed() const noexcept { return shard_.draining_ || shard_.place_wanted_for_own(); }

// ---- for couriers -----------------------------------------------------------------------------------------------

JobPtr Loan::take() {
  if (closed()) return nullptr;
  const std::size_t few = couriers_ * jobs_per_courier / 2;
  if (stash_.size() <= few && !asked_ && !dry_) ask();
  if (stash_.empty()) return nullptr;
  JobPtr job = std::move(stash_.front());
  stash_.pop_front();
  ++taken_;
  taken_lately_ = true;
  return job;
}

event::Task<bool> Loan::wait_for_work() {
  while (stash_.empty() && !closed()) {
    if (!asked_ && dry_) co_return false;
    if (!asked_) ask();
    co_await work_.wait();
  }
  co_return !closed();
}

void Loan::put_back(JobPtr job) {
  --taken_;
  news_.untried.push_back(std::move(job));
  tell();
}

void Loan::finish(JobPtr job) {
  --taken_;
  news_.finished.push_back(std::move(job));
  tell();
}

void Loan::defer(JobPtr job) {
  --taken_;
  news_.deferred.push_back(std::move(job));
  tell();
}

void Loan::move(JobPtr job, JobPtr copy, Onward onward) {
  --taken_;
  news_.moved.push_back({std::move(job), std::move(copy), std::move(onward)});
  tell();
}

void Loan::trouble(SystemTime until, std::string reason, Trouble about) {
  news_.trouble.emplace(until, std::move(reason), about);
  empty_stash();
  tell();
}

void Loan::succeeded(Duration took) {
  news_.succeeded.push_back(took);
  tell();
}

// ---- for the shard ----------------------------------------------------------------------------------------------

void Loan::begin_courier() {
  ++couriers_;
  dry_ = false;
}

void Loan::end_courier(bool connected) {
  --couriers_;
  ++news_.places;
  news_.refused = news_.refused || !connected;
  if (couriers_ == 0) empty_stash();
  tell();
}

void Loan::arrived(std::vector<JobPtr> jobs) {
  asked_ = false;
  dry_ = jobs.empty();
  for (JobPtr& job : jobs) stash_.push_back(std::move(job));
  if (couriers_ == 0) empty_stash();
  if (!stash_.empty() && !patience_->armed()) {
    taken_lately_ = false;
    patience_->arm(shard_.loop().now() + most_in_stash);
  }
  work_.notify();
  if (over() || !news_.untried.empty()) tell();
}

void Loan::ask() {
  asked_ = true;
  news_.wanted = couriers_ * jobs_per_courier;
  tell();
}

void Loan::empty_stash() {
  for (JobPtr& job : stash_) news_.untried.push_back(std::move(job));
  stash_.clear();
}

void Loan::lose_patience() {
  if (stash_.empty()) return;
  if (!taken_lately_) {
    empty_stash();
    tell();
    return;
  }
  taken_lately_ = false;
  patience_->arm(shard_.loop().now() + most_in_stash);
}

void Loan::tell() { shard_.loop().ready(*report_); }

void Loan::report() {
  LoanReport news = std::exchange(news_, LoanReport());
  shard_.report(*this, std::move(news));  // the loan may be gone now
}

}  // namespace sealpost::queue
