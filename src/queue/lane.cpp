// SPDX-License-Identifier: Apache-2.0
#include "queue/lane.hpp"

#include <algorithm>
#include <functional>
#include <utility>

#include "queue/shard.hpp"

namespace sealpost::queue {

// Few bits of the result choose a worker, and the two names are mostly the same one: each step mixes what came
// before, so that equal names do not cancel out or leave their sum with an even factor.
std::size_t LaneKey::hash() const noexcept {
  const auto mixed = [](std::uint64_t seed, std::uint64_t value) noexcept {
    std::uint64_t bits = seed + 0x9e3779b97f4a7c15U + value;
    bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9U;
    bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebU;
    return bits ^ (bits >> 31);
  };
  const std::hash<std::string> of;
  const std::uint64_t flags = static_cast<std::uint64_t>(tls_need) * 64 +
                              static_cast<std::uint64_t>(message_class) * 16 + (by_operator ? 8U : 0U) +
                              (requiretls_bounce ? 4U : 0U) + (requiretls ? 2U : 0U) +
                              (tls_required_no ? 1U : 0U);
  const std::uint64_t place = mixed(mixed(flags, of(recipient_domain)), of(next_hop));
  if (!returns_to.empty()) return mixed(place, of(returns_to));
  if (!route.empty()) return mixed(place, of(route));
  return gateway_rule.empty() ? place : mixed(place, of(gateway_rule));
}

Lane::Lane(Shard& shard, LaneKey key)
    : shard_(shard),
      key_(std::move(key)),
      work_(shard.loop()),
      concurrency_(shard.settings_.concurrency),
      worked_(shard.last_success(key_)) {
  if (shard.courier_ != nullptr) set_domain_limit(shard.courier_->limit_for(key_));
}

void Lane::add(JobPtr job, SystemTime now) {
  shard_.tally_.in(*job, false);
  job->next_attempt = std::max(job->next_attempt, job->not_before);
  if (!job->held && job->next_attempt <= now) {
    if (job->urgent) {
      ++urgent_;
      due_.push_front(std::move(job));
    } else {
      due_.push_back(std::move(job));
    }
    if (idle_couriers_ > 0) work_.notify();
  } else {
    const SystemTime when = job->held ? SystemTime::max() : job->next_attempt;
    waiting_.emplace(when, std::move(job));
  }
}

void Lane::wake_due(SystemTime now) {
  if (blocked_until_ != SystemTime{} && blocked_until_ <= now) {
    blocked_until_ = SystemTime{};  // the back-off is over; how often it failed is kept
    const bool for_turn = std::exchange(waits_for_turn_, false);
    if (failures_ > 0 && !for_turn) {
      concurrency_.begin_anew();
      if (seat_) seat_->begin_anew();
    }
  }
  constexpr int most_at_once = 1000;  // a lane that was refused as a whole comes due as a whole
  bool woke = false;
  for (int i = 0; i < most_at_once && !waiting_.empty() && waiting_.begin()->first <= now; ++i) {
    auto node = waiting_.extract(waiting_.begin());
    if (node.mapped()->urgent) {
      ++urgent_;
      due_.push_front(std::move(node.mapped()));
    } else {
      due_.push_back(std::move(node.mapped()));
    }
    woke = true;
  }
  if (woke && idle_couriers_ > 0) work_.notify();
}

void Lane::hand_out(Job& job) {
  job.hurried = std::exchange(job.urgent, false);
  if (job.hurried && urgent_ > 0) --urgent_;
  shard_.tally_.out(job);
  shard_.tally_.in(job, true);
  ++job.attempts;
  job.attempted_since_start = true;
  ++taken_;
  ++served_;
  in_flight_.emplace(job.message->id, &job);
}

JobPtr Lane::take() {
  if (shard_.draining_ || due_.empty()) return nullptr;
  const SystemTime now = shard_.now();
  if (blocked(now) && urgent_ == 0) return nullptr;
  if (shard_.place_wanted_elsewhere(*this)) return nullptr;
  JobPtr job = std::move(due_.front());
  due_.pop_front();
  hand_out(*job);
  return job;
}

std::vector<JobPtr> Lane::take_all_due(std::size_t most) {
  std::vector<JobPtr> jobs;
  while (!due_.empty() && jobs.size() < most) {
    jobs.push_back(std::move(due_.front()));
    due_.pop_front();
    hand_out(*jobs.back());
  }
  return jobs;
}

std::vector<JobPtr> Lane::take_of(const MessageId& id) {
  std::vector<JobPtr> jobs =
      pull([&](const Job& job) { return job.message->id == id && !job.held ? Pick::take : Pick::leave; });
  for (JobPtr& job : jobs) {
    job->urgent = false;  // counted by pull()
    hand_out(*job);
  }
  return jobs;
}

namespace {
event::Task<Expected<void>> signalled(event::Signal& signal) {
  co_await signal.wait();
  co_return Expected<void>();
}

}  // namespace

event::Task<bool> Lane::wait_for_work(Duration limit) {
  if (shard_.draining_ || shard_.place_wanted_elsewhere(*this)) co_return false;
  if (!due_.empty()) co_return !blocked(shard_.now());
  struct Idle {
    explicit Idle(std::uint32_t& count) : count_(count) { ++count_; }
    ~Idle() { --count_; }
    std::uint32_t& count_;
  };
  const Idle idle(idle_couriers_);
  const Expected<void> woken = co_await event::within(shard_.loop(), limit, signalled(work_));
  co_return woken && !due_.empty() && !blocked(shard_.now());
}

void Lane::no_longer_taken(Job& job) {
  auto [begin, end] = in_flight_.equal_range(job.message->id);
  const auto it = std::find_if(begin, end, [&](const auto& entry) { return entry.second == &job; });
  if (it != end) in_flight_.erase(it);
  shard_.tally_.out(job);
  --taken_;
}

// First in line, behind what an operator hurries, unless it was put on hold meanwhile. Urgent jobs stay in front: they alone
// pass a back-off, and a courier that met another one there would be sent out for it again and again.
void Lane::add_first(JobPtr job) {
  shard_.hold_if_asked(*job);
  if (job->held) return add(std::move(job), shard_.now());
  shard_.tally_.in(*job, false);
  const std::size_t behind = std::min<std::size_t>(urgent_, due_.size());
  due_.insert(due_.begin() + static_cast<std::ptrdiff_t>(behind), std::move(job));
}

// What is meant of a job of which others stay.
JobPtr Lane::split_off(Job& job, std::vector<std::uint32_t> some) {
  shard_.tally_.out(job);
  auto part = std::make_unique<Job>(job);
  part->urgent = false;
  const bool told = job.told && job.told->size() == job.recipients.size();  // in the recipients' order
  std::vector<std::uint32_t> others;
  std::vector<DsnRecipient> told_others;
  for (std::size_t i = 0; i < job.recipients.size(); ++i) {
    if (std::find(some.begin(), some.end(), job.recipients[i]) != some.end()) continue;
    others.push_back(job.recipients[i]);
    if (told) told_others.push_back((*job.told)[i]);
  }
  if (told)  // the former list is counted somewhere, and lives on with the part
    job.told = std::shared_ptr<const std::vector<DsnRecipient>>(
        new std::vector<DsnRecipient>(std::move(told_others)),
        [former = job.told](const std::vector<DsnRecipient>* list) { delete list; });
  part->recipients = std::move(some);
  job.recipients = std::move(others);
  shard_.tally_.in(job, false);
  return part;
}

void Lane::begin_end(Job& job) {
  job.urgent = false;  // counted by pull()
  ++taken_;
  shard_.tally_.in(job, true);
  in_flight_.emplace(job.message->id, &job);
}

std::vector<JobPtr> Lane::take_for_good(const std::function<std::vector<std::uint32_t>(const Job&)>& which,
                                        std::size_t most) {
  std::vector<JobPtr> parts;
  std::size_t whole = 0;
  // What is left of a job that only some of whose recipients are meant stays where it is.
  const auto pick = [&](Job& job) {
    if (parts.size() + whole >= most) return Pick::stop;
    std::vector<std::uint32_t> some = which(job);
    if (some.empty()) return Pick::leave;
    if (some.size() == job.recipients.size()) {
      ++whole;
      return Pick::take;
    }
    parts.push_back(split_off(job, std::move(some)));
    return Pick::leave;
  };
  for (JobPtr& job : pull(pick)) parts.push_back(std::move(job));
  for (const JobPtr& part : parts) begin_end(*part);
  return parts;
}

void Lane::move(JobPtr job, JobPtr copy, Onward onward) {
  shard_.hold_if_asked(*copy);
  finish(std::move(job));  // the lane may be gone now
  onward(std::move(copy));
}

void Lane::finish(JobPtr job) {
  no_longer_taken(*job);
  shard_.forget_hold(job->message->id);
  job.reset();
  if (!due_.empty() || !waiting_.empty()) return;
  shard_.changed(*this);
  shard_.forget_if_empty(*this);
}

void Lane::defer(JobPtr job) {
  no_longer_taken(*job);
  job->message->body->drop_fresh();  // what waits lies in the journal, not in memory (T-28)
  shard_.hold_if_asked(*job);
  add(std::move(job), shard_.now());
  shard_.changed(*this);
}

void Lane::untried(JobPtr job) {
  no_longer_taken(*job);
  --job->attempts;
  job->next_attempt = SystemTime{};
  add_first(std::move(job));
}

std::vector<JobPtr> Lane::pull(const std::function<Pick(Job&)>& match) {
  std::vector<JobPtr> pulled;
  bool stopped = false;
  const auto goes = [&](JobPtr& job) {
    const Pick pick = match(*job);
    stopped = pick == Pick::stop;
    if (pick != Pick::take) return false;
    shard_.tally_.out(*job);
    pulled.push_back(std::move(job));
    return true;
  };
  auto end = due_.begin();  // of what stays, moved up in one pass: there may be a million
  for (auto it = due_.begin(); it != due_.end(); ++it) {
    const bool urgent = (*it)->urgent;
    if (!stopped && goes(*it)) {
      if (urgent && urgent_ > 0) --urgent_;
      continue;
    }
    if (end != it) *end = std::move(*it);
    ++end;
  }
  due_.erase(end, due_.end());
  for (auto it = waiting_.begin(); it != waiting_.end() && !stopped;)
    it = goes(it->second) ? waiting_.erase(it) : std::next(it);
  return pulled;
}

std::optional<SystemTime> Lane::next_event() const noexcept {
  std::optional<SystemTime> next;
  if (!waiting_.empty() && waiting_.begin()->first != SystemTime::max()) next = waiting_.begin()->first;
  // Also of a lane whose last message is gone: then it can be forgotten.
  if (blocked_until_ != SystemTime{} && (!next || blocked_until_ < *next)) next = blocked_until_;
  return next;
}

}  // namespace sealpost::queue
