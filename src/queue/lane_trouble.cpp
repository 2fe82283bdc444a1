// SPDX-License-Identifier: Apache-2.0
//
// What keeps a lane's mail back for a while, and what ends that: a back-off, a turn under a rate, a host that has enough of us.
#include <algorithm>
#include <utility>

#include "queue/lane.hpp"
#include "queue/shard.hpp"

namespace sealpost::queue {

// What an operator asked for has to wait for something: for that, then, and not for the back-off.
bool Lane::hurries_again(JobPtr& job, SystemTime at) {
  if (!job->hurried || !troubled(shard_.now())) return false;
  no_longer_taken(*job);
  --job->attempts;
  job->next_attempt = at;
  job->urgent = true;
  shard_.hold_if_asked(*job);
  add(std::move(job), shard_.now());
  shard_.changed(*this);
  return true;
}

void Lane::crowded(JobPtr job, SystemTime until, std::string reason) {
  const bool others = seat_ ? seat_->crowded(shard_.now()) : couriers_ > 1;
  if (!others) return put_back(std::move(job), until, std::move(reason));
  if (!seat_) concurrency_.crowded(shard_.now(), couriers_ - 1);
  leave_to_others(std::move(job), until);
}

// Another courier may take it at once.
void Lane::leave_to_others(JobPtr job, SystemTime until) {
  if (hurries_again(job, until)) return;
  untried(std::move(job));
  if (idle_couriers_ > 0) work_.notify();
  shard_.changed(*this);
}

void Lane::wait_for_turn(JobPtr job, SystemTime until, std::string by) {
  if (hurries_again(job, until)) return;
  untried(std::move(job));
  block(until, std::move(by), true);
}

// The rate may be another one, or none.
void Lane::stop_waiting_for_turn() {
  if (!std::exchange(waits_for_turn_, false)) return;
  blocked_until_ = trouble_until_;
  blocked_reason_ = trouble_reason_;
}

void Lane::yield(JobPtr job) { leave_to_others(std::move(job), shard_.now() + std::chrono::seconds(1)); }

void Lane::put_back(JobPtr job, SystemTime until, std::string reason) {
  if (hurries_again(job, until)) return;
  untried(std::move(job));
  block(until, std::move(reason));
}

void Lane::block(SystemTime until, std::string reason, bool for_turn) {
  if (until >= blocked_until_) {
    blocked_until_ = until;
    blocked_reason_ = std::move(reason);
    waits_for_turn_ = for_turn;
  }
  shard_.changed(*this);
}

void Lane::trouble(SystemTime until, std::string reason, Trouble about) {
  const SystemTime now = shard_.now();
  if (!troubled(now)) {  // couriers that fail together are one failure
    ++failures_;
    if (about == Trouble::connection) seat_ ? seat_->lost(now) : concurrency_.lost(now);
  }
  trouble_until_ = std::max(trouble_until_, until);
  trouble_reason_ = reason;
  block(until, std::move(reason));
}

void Lane::succeeded(Duration took) {
  const SystemTime at = shard_.now();
  const bool news = !works(at) || at - worked_ > std::chrono::minutes(1);
  failures_ = 0;
  worked_ = at;
  if (news) shard_.remember_success(*this, at);
  if (seat_)
    seat_->worked(at, took, due_.size());
  else
    concurrency_.worked(at, took, due_.size(), couriers_);
  trouble_until_ = SystemTime{};
  const bool was_blocked = blocked_until_ != SystemTime{} && !waits_for_turn_;
  if (was_blocked) {
    blocked_until_ = SystemTime{};
    blocked_reason_.clear();
  }
  if (was_blocked || (!listed_ && wants_courier(at))) shard_.changed(*this);
}

}  // namespace sealpost::queue
