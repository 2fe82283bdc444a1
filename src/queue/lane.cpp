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
  const std::uint64_t flags = static_cast<std::uint64_t>(message_class) * 8 + (requiretls_bounce ? 4U : 0U) +
                              (requiretls ? 2U : 0U) + (tls_required_no ? 1U : 0U);
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

// What an operator asked for has to wait for its turn: then it passes the back-off.
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
  untried(std::move(job));
  if (!seat_) concurrency_.crowded(shard_.now(), couriers_ - 1);
  if (idle_couriers_ > 0) work_.notify();
  shard_.changed(*this);
}

bool Lane::at_site(const SitePtr& site) {
  if (!seat_ || &seat_->site() != site.get()) {
    seat_.reset();
    seat_ = seat_at(site);
  }
  return seat_->fits();
}

std::unique_ptr<Site::Seat> Lane::seat_at(const SitePtr& site) const {
  return std::make_unique<Site::Seat>(site, couriers_, [home = shard_.address_, key = key_] {
    tell(home, [key](Shard& there) { there.roused(key); });
  });
}

void Lane::set_domain_limit(const SitePtr& limit) {
  if (limit == nullptr) return domain_seat_.reset();
  if (domain_seat_ && &domain_seat_->site() == limit.get()) return;
  domain_seat_.reset();
  domain_seat_ = seat_at(limit);
}

bool Lane::take_place() {
  if (domain_seat_ && !domain_seat_->take()) return false;
  if (!seat_ || seat_->take()) return true;
  if (domain_seat_) domain_seat_->give_back(1);
  return false;
}

void Lane::give_places_back(std::uint32_t places) {
  if (seat_) seat_->give_back(places);
  if (domain_seat_) domain_seat_->give_back(places);
}

bool Lane::place_wanted_back(Site::Seat::Served served) const {
  return (domain_seat_ && domain_seat_->wanted_back(served)) || (seat_ && seat_->wanted_back(served));
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

std::string Lane::limited_by() const {
  for (const auto* seat : {&domain_seat_, &seat_})
    if (*seat && (*seat)->waits()) return (*seat)->site().limited_by();
  return std::string();
}

std::uint32_t Lane::concurrency() const {
  if (domain_seat_ && domain_seat_->waits()) return domain_seat_->site().places();
  return seat_ ? seat_->site().places() : concurrency_.places();
}

std::uint32_t Lane::places_in_use() const {
  if (domain_seat_ && domain_seat_->waits()) return domain_seat_->site().in_use();
  return seat_ ? seat_->site().in_use() : couriers_;
}

void Lane::yield(JobPtr job) {
  if (hurries_again(job, shard_.now() + std::chrono::seconds(1))) return;
  untried(std::move(job));
  if (idle_couriers_ > 0) work_.notify();
  shard_.changed(*this);
}

void Lane::put_back(JobPtr job, SystemTime until, std::string reason) {
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

bool Lane::wants_courier(SystemTime now) const {
  if (due_.size() <= idle_couriers_) return false;
  if (blocked(now)) return urgent_ > 0 && couriers_ == 0;
  if (seat_ ? seat_->waits() : couriers_ >= concurrency_.places()) return false;
  if (domain_seat_ && domain_seat_->waits()) return false;
  if (!shard_.spares_a_place_for(*this)) return false;
  return !next_place_is_lent(now) || due_.size() >= shard_.settings_.lend_from;
}

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

std::optional<SystemTime> Lane::next_event() const noexcept {
  std::optional<SystemTime> next;
  if (!waiting_.empty() && waiting_.begin()->first != SystemTime::max()) next = waiting_.begin()->first;
  // Also of a lane whose last message is gone: then it can be forgotten.
  if (blocked_until_ != SystemTime{} && (!next || blocked_until_ < *next)) next = blocked_until_;
  return next;
}

}  // namespace sealpost::queue
