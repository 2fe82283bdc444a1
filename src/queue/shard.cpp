// SPDX-License-Identifier: Apache-2.0
#include "queue/shard.hpp"

#include <algorithm>
#include <utility>

namespace sealpost::queue {

using namespace std::chrono_literals;

namespace {
constexpr auto turn_at_site = 30s;  // then a lane's last place there is another's, if one waits
}  // namespace

// One timer for the whole shard.
struct Shard::Alarm final : event::Timer {
  explicit Alarm(Shard& shard_)
      : Timer(shard_.loop_, [](event::Timer& self) noexcept { static_cast<Alarm&>(self).shard.tick(); }),
        shard(shard_) {}
  Shard& shard;
};

Shard::Shard(event::Loop& loop, ShardSettings settings, Schedule schedule)
    : loop_(loop),
      settings_(settings),
      schedule_(std::move(schedule)),
      alarm_(std::make_unique<Alarm>(*this)),
      address_(std::make_shared<ShardAddress>(loop, this)),
      scope_(loop) {}

Shard::~Shard() {
  address_->shard = nullptr;
  scope_.cancel();
}

void Shard::start(Courier& courier) {
  courier_ = &courier;
  ask_limits();
  tick();
}

void Shard::drain() noexcept {
  draining_ = true;
  for (auto& [key, lane] : lanes_) lane->work_.notify();
  for (auto& [from, loan] : loans_) loan->work_.notify();
}

event::Task<void> Shard::join() { co_await scope_.join(); }

void Shard::add(const LaneKey& key, JobPtr job) {
  auto& slot = lanes_[key];
  if (!slot) slot = std::make_unique<Lane>(*this, key);
  slot->add(std::move(job), now());
  changed(*slot);
}

void Shard::changed(Lane& lane) {
  if (!lane.listed_ && lane.wants_courier(now())) {
    lane.listed_ = true;
    wanting_.push_back(&lane);
  }
  if (auto next = lane.next_event()) {
    next = std::max(*next, now() + 1us);  // not in the tick that runs: the others have their turn
    if (!lane.agenda_ || *lane.agenda_ > *next) {
      strike_off(lane);
      lane.agenda_ = *next;
      agenda_.emplace(*next, &lane);
      arm();
    }
  }
  pump();
}

bool Shard::place_wanted_elsewhere(const Lane& lane) const noexcept {
  using Served = Site::Seat::Served;
  const bool long_enough = lane.served_ >= settings_.quantum || now() - lane.placed_ >= turn_at_site;
  if (lane.place_wanted_back(long_enough ? Served::long_enough : Served::lately)) return true;
  const auto others_in = [&](const std::deque<Lane*>& list) {
    return list.size() > 1 || (list.size() == 1 && list.front() != &lane);
  };
  if (active_ < settings_.couriers || lane.served_ < settings_.quantum) return false;
  const bool doubt_may = places_in_doubt_ < most_in_doubt() || lane.places_in_doubt_ > 0;
  return others_in(wanting_) || (doubt_may && others_in(in_doubt_));
}

bool Shard::spares_a_place_for(const Lane& lane) const noexcept {
  return lane.couriers_ < settings_.concurrency.usual || lane.couriers_ + active_ < settings_.couriers;
}

void Shard::pump() {
  if (courier_ == nullptr || draining_) return;
  const SystemTime at = now();
  while (active_ < settings_.couriers) {
    Lane* const next = next_in_turn(at);
    if (next == nullptr) break;
    Lane& lane = *next;
    if (!lane.take_place()) continue;
    lane.served_ = 0;
    lane.placed_ = at;
    if (lane.next_place_is_lent(at)) {
      lend_place(lane);
    } else {
      ++lane.couriers_;
      ++active_;
      if (!lane.works(at)) {
        ++lane.places_in_doubt_;
        ++places_in_doubt_;
      }
      scope_.spawn(run_courier(lane));
    }
    // One more place at a time, behind the others that wait.
    if (lane.wants_courier(at) && lane.due_.size() > lane.couriers_) {
      lane.listed_ = true;
      wanting_.push_back(&lane);
    }
  }
}

// The next lane that wants a courier and may have one.
Lane* Shard::next_in_turn(SystemTime at) {
  for (;;) {
    const bool doubt_may = !in_doubt_.empty() && places_in_doubt_ < most_in_doubt();
    turn_of_doubt_ = doubt_may && (wanting_.empty() || !turn_of_doubt_);
    if (!turn_of_doubt_ && wanting_.empty()) return nullptr;
    std::deque<Lane*>& list = turn_of_doubt_ ? in_doubt_ : wanting_;
    Lane& lane = *list.front();
    list.pop_front();
    lane.listed_ = false;
    if (!lane.wants_courier(at)) {
      lane.pass_on();
      continue;
    }
    if (lane.works(at) || places_in_doubt_ < most_in_doubt()) return &lane;
    lane.pass_on();
    lane.listed_ = true;
    in_doubt_.push_back(&lane);
  }
}

void Shard::remember_success(Lane& lane, SystemTime at) {
  constexpr std::size_t most_remembered = 20'000;
  if (successes_.size() >= most_remembered)
    std::erase_if(successes_, [at](const auto& entry) { return at - entry.second > 1h; });
  if (successes_.size() < most_remembered) successes_[lane.key_.hash()] = at;
  // Its places are in doubt no more, and it need not wait among the others.
  places_in_doubt_ -= std::exchange(lane.places_in_doubt_, 0);
  if (std::erase(in_doubt_, &lane) > 0) wanting_.push_back(&lane);
  pump();
}

SystemTime Shard::last_success(const LaneKey& key) const {
  const auto found = successes_.find(key.hash());
  return found == successes_.end() ? SystemTime{} : found->second;
}

event::Task<void> Shard::run_courier(Lane& lane) {
  co_await courier_->serve(lane);
  --lane.couriers_;
  --active_;
  lane.give_places_back(1);
  if (lane.places_in_doubt_ > 0) {
    --lane.places_in_doubt_;
    --places_in_doubt_;
  }
  changed(lane);
  forget_if_empty(lane);
}

void Shard::roused(const LaneKey& key) {
  const auto at = lanes_.find(key);
  if (at == lanes_.end()) return;
  Lane& lane = *at->second;
  changed(lane);
  // The place is kept until the lane has its turn here, which is the next one: passed on because all couriers are in use it
  // would be somebody else's each time that they are.
  if (std::erase(wanting_, &lane) > 0)
    wanting_.push_front(&lane);
  else
    lane.pass_on();
}

void Shard::ask_limits() {
  if (courier_ == nullptr) return;
  for (auto& [key, lane] : lanes_) {
    lane->set_domain_limit(courier_->limit_for(key));
    lane->stop_waiting_for_turn();
  }
  for (auto& [key, lane] : lanes_) changed(*lane);  // now that all of them know: places are given out
}

void Shard::forget_if_empty(Lane& lane) {
  if (lane.couriers_ > 0 || lane.taken_ > 0 || lane.waiting() > 0 || lane.listed_) return;
  if (lane.blocked(now())) return;  // what it learned about the destination is kept while it counts
  strike_off(lane);
  lanes_.erase(lane.key_);
}

// A lane has one entry in the agenda at most: a second one would outlive it.
void Shard::strike_off(Lane& lane) noexcept {
  if (!lane.agenda_) return;
  const auto [begin, end] = agenda_.equal_range(*lane.agenda_);
  const auto entry = std::find_if(begin, end, [&](const auto& item) { return item.second == &lane; });
  if (entry != end) agenda_.erase(entry);
  lane.agenda_.reset();
}

void Shard::arm() {
  if (agenda_.empty()) return alarm_->disarm();
  const auto wait = std::clamp<std::chrono::microseconds>(agenda_.begin()->first - now(), 0us, 60s);
  alarm_->arm(loop_.now() + wait);
}

void Shard::tick() {
  const SystemTime at = now();
  while (!agenda_.empty() && agenda_.begin()->first <= at) {
    const auto [when, lane] = *agenda_.begin();
    agenda_.erase(agenda_.begin());
    lane->agenda_.reset();
    lane->wake_due(at);
    changed(*lane);
    forget_if_empty(*lane);
  }
  arm();
  pump();
}

std::size_t Shard::jobs() const noexcept {
  std::size_t count = 0;
  for (const auto& [key, lane] : lanes_) count += lane->waiting() + lane->taken();
  return count;
}

}  // namespace sealpost::queue
