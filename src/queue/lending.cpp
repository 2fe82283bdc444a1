// SPDX-License-Identifier: Apache-2.0
//
// Places lent between shards: what the lane's own shard does, what the helping one does (loan.hpp), and what the lane keeps.
#include <algorithm>
#include <utility>

#include "queue/lane.hpp"
#include "queue/shard.hpp"

namespace sealpost::queue {
namespace {

using namespace std::chrono_literals;
constexpr auto no_loans_after_refusal =
    30s;  // another worker got no connection: the lane uses its places itself

}  // namespace

void Shard::meet(const std::vector<Shard*>& all) {
  peers_.clear();
  const auto self = std::find(all.begin(), all.end(), this);
  if (self == all.end()) return;
  // Each begins with another one.
  for (auto peer = self + 1; peer != all.end(); ++peer) peers_.push_back((*peer)->address_);
  for (auto peer = all.begin(); peer != self; ++peer) peers_.push_back((*peer)->address_);
}

// ---- the lane's own shard ---------------------------------------------------------------------------------------

void Shard::lend_place(Lane& lane) {
  ++lane.couriers_;
  ++lane.lent_places_;
  ++active_;
  const ShardAddressPtr& peer = peers_[next_peer_++ % peers_.size()];
  tell(peer, [home = address_, key = lane.key_](Shard& there) { there.help(home, key); });
}

void Shard::told(const LaneKey& key, const ShardAddressPtr& by, LoanReport news) {
  const auto at = lanes_.find(key);
  if (at == lanes_.end()) return;  // it never is while anything is lent
  Lane& lane = *at->second;
  for (JobPtr& job : news.finished) lane.lent_finished(*job);
  for (JobPtr& job : news.deferred) lane.lent_deferred(std::move(job));
  for (auto& [job, copy, onward] : news.moved) lane.lent_moved(*job, std::move(copy), onward);
  // Pushed to the front one by one, so the last first.
  for (auto job = news.untried.rbegin(); job != news.untried.rend(); ++job) lane.lent_untried(**job);
  for (const Duration took : news.succeeded) lane.succeeded(took);
  if (news.trouble) lane.trouble(news.trouble->until, std::move(news.trouble->reason), news.trouble->about);
  lane.couriers_ -= news.places;
  lane.lent_places_ -= news.places;
  active_ -= news.places;
  if (news.places > 0) lane.give_places_back(news.places);
  if (news.refused) lane.no_loans_until_ = now() + no_loans_after_refusal;
  if (news.wanted > 0) {
    const bool may = !draining_ && !place_wanted_elsewhere(lane);
    // The last ones are shared, too.
    const std::size_t most = std::min(news.wanted, lane.due_.size() / (peers_.size() + 1) + 1);
    auto jobs = std::make_shared<std::vector<JobPtr>>(may ? lane.lend(most) : std::vector<JobPtr>());
    tell(by, [home = address_, key, jobs](Shard& there) { there.lent(home, key, std::move(*jobs)); });
  }
  changed(lane);
  forget_if_empty(lane);
}

// ---- the helping shard ------------------------------------------------------------------------------------------

bool Shard::place_wanted_for_own() const noexcept {
  const bool doubt_may = !in_doubt_.empty() && places_in_doubt_ < most_in_doubt();
  return (!wanting_.empty() || doubt_may) && active_ >= settings_.couriers;
}

void Shard::help(const ShardAddressPtr& home, const LaneKey& key) {
  auto& loan = loans_[{home.get(), key}];
  if (!loan) loan = std::make_unique<Loan>(*this, home, key);
  loan->begin_courier();
  if (courier_ == nullptr || draining_ || active_ >= settings_.couriers) {
    loan->end_courier(false);
    return;
  }
  ++active_;
  scope_.spawn(run_assistant(*loan));
}

event::Task<void> Shard::run_assistant(Loan& loan) {
  const bool connected = co_await courier_->assist(loan);
  --active_;
  loan.end_courier(connected);
  pump();
}

void Shard::lent(const ShardAddressPtr& home, const LaneKey& key, std::vector<JobPtr> jobs) {
  const auto at = loans_.find({home.get(), key});
  if (at != loans_.end())
    at->second->arrived(std::move(jobs));  // it is there as long as it waits for an answer
}

void Shard::report(Loan& loan, LoanReport news) {
  auto box = std::make_shared<LoanReport>(std::move(news));
  tell(loan.home_,
       [by = address_, key = loan.key_, box](Shard& there) { there.told(key, by, std::move(*box)); });
  if (loan.over()) loans_.erase({loan.home_.get(), loan.key_});
}

// ---- the lane -----------------------------------------------------------------------------------------------------

// Half of the usual places are for the lane's own worker, and all of them while others cannot help; then each worker
// has as many as the others.
bool Lane::next_place_is_lent(SystemTime now) const noexcept {
  if (shard_.peers_.empty() || now < no_loans_until_ || paced_) return false;
  const Concurrency::Bounds& bounds = shard_.settings_.concurrency;
  const std::uint32_t own = couriers_ - lent_places_;
  return own >= (std::min(bounds.usual, bounds.most) + 1) / 2 && own * shard_.peers_.size() > lent_places_;
}

std::vector<JobPtr> Lane::lend(std::size_t most) {
  std::vector<JobPtr> copies;
  if (blocked(shard_.now())) return copies;
  while (!due_.empty() && copies.size() < most && !lent_.contains(due_.front()->message->id)) {
    JobPtr job = std::move(due_.front());
    due_.pop_front();
    const bool attempted = job->attempted_since_start;
    hand_out(*job);
    copies.push_back(std::make_unique<Job>(*job));
    const MessageId id = job->message->id;
    lent_.emplace(id, Lent(std::move(job), attempted));
  }
  return copies;
}

// What was kept here of a lent job.
JobPtr Lane::no_longer_lent(const Job& job, bool& attempted) {
  auto node = lent_.extract(job.message->id);
  if (node.empty()) return nullptr;
  no_longer_taken(*node.mapped().job);
  attempted = node.mapped().attempted;
  return std::move(node.mapped().job);
}

void Lane::lent_finished(const Job& job) {
  bool attempted = false;
  no_longer_lent(job, attempted);
  shard_.forget_hold(job.message->id);
}

void Lane::lent_moved(const Job& job, JobPtr copy, const Onward& onward) {
  bool attempted = false;
  if (!no_longer_lent(job, attempted)) return;
  shard_.hold_if_asked(*copy);
  onward(std::move(copy));
}

void Lane::lent_deferred(JobPtr job) {
  bool attempted = false;
  if (!no_longer_lent(*job, attempted)) return;
  job->message->body->drop_fresh();  // see defer()
  shard_.hold_if_asked(*job);
  add(std::move(job), shard_.now());
}

void Lane::lent_untried(const Job& job) {
  bool attempted = false;
  JobPtr kept = no_longer_lent(job, attempted);
  if (!kept) return;
  --kept->attempts;
  kept->attempted_since_start = attempted;
  kept->begun = job.begun;
  add_first(std::move(kept));
  if (idle_couriers_ > 0) work_.notify();
}

}  // namespace sealpost::queue
