// SPDX-License-Identifier: Apache-2.0
#include "queue/site.hpp"

#include <algorithm>
#include <utility>

namespace sealpost::queue {

class Site::Seat::Change {
 public:
  explicit Change(Seat& seat) : seat_(seat), lock_(seat.site_->mutex_), was_busy_(seat.busy()) {}
  ~Change() {
    Site& site = *seat_.site_;
    if (was_busy_) --site.busy_;
    if (seat_.busy()) ++site.busy_;
    if (site.busy_ == 0) site.concurrency_.begin_anew();  // what a host took last week says nothing of today
    site.rouse_next();
  }
  Change(const Change&) = delete;
  Change& operator=(const Change&) = delete;

 private:
  Seat& seat_;
  const std::lock_guard<std::mutex> lock_;
  const bool was_busy_;
};

void Site::set_most(std::uint32_t most, std::string by) {
  const std::lock_guard lock(mutex_);
  if (most > bounds_.most) by.clear();  // it does not bind
  set_most_locked(std::min(most, bounds_.most), std::move(by));
}

void Site::set_most() {
  const std::lock_guard lock(mutex_);
  set_most_locked(bounds_.most, std::string());
}

void Site::set_most_locked(std::uint32_t most, std::string by) {
  most_by_ = std::move(by);
  if (concurrency_.most() == most) return;
  concurrency_.set_most(most);
  rouse_next();
}

std::string Site::limited_by() const {
  const std::lock_guard lock(mutex_);
  return concurrency_.places() >= concurrency_.most() ? most_by_ : std::string();
}

std::uint32_t Site::places() const {
  const std::lock_guard lock(mutex_);
  return concurrency_.places();
}

std::uint32_t Site::in_use() const {
  const std::lock_guard lock(mutex_);
  return in_use_;
}

// Who has the fewest places: none, or the fewest of those that have waited longest. One rule for who is roused and for whom
// a place is given up: otherwise one that was given up would come back to its giver.
Site::Seat* Site::poorest(const Seat* except) const noexcept {
  constexpr int looked_at = 16;
  Seat* found = nullptr;
  int looks = 0;
  for (Seat* const seat : empty_handed_)
    if (seat != except) return seat;
  for (Seat* const seat : others_) {
    if (seat != except && (found == nullptr || seat->places_ < found->places_)) found = seat;
    if (++looks == looked_at) break;
  }
  return found;
}

// Whoever is roused asks for the place, and then the next one is roused: a lane whose mail is gone by then keeps nobody
// waiting.
void Site::rouse_next() {
  Seat* const next = in_use_ + kept_ < concurrency_.places() ? poorest(nullptr) : nullptr;
  if (next != nullptr) {
    next->leave_row();
    next->roused_ = true;
    ++kept_;
    next->rouse_();
  }
  pressed_ = !empty_handed_.empty() || !others_.empty() || kept_ > 0 || in_use_ > concurrency_.places();
}

Site::Seat::Seat(SitePtr site, std::uint32_t places, std::function<void()> rouse)
    : site_(std::move(site)), rouse_(std::move(rouse)), places_(0) {
  const Change change(*this);
  places_ = places;
  site_->in_use_ += places;
}

Site::Seat::~Seat() {
  const Change change(*this);
  if (in_row()) leave_row();
  if (std::exchange(roused_, false)) --site_->kept_;
  site_->in_use_ -= std::exchange(places_, 0);
  site_->due_ -= due_;
}

void Site::Seat::enter_row() {
  row_ = places_ == 0 ? &site_->empty_handed_ : &site_->others_;
  in_row_ = row_->insert(row_->end(), this);
}

void Site::Seat::leave_row() {
  row_->erase(in_row_);
  row_ = nullptr;
}

bool Site::Seat::take() {
  const Change change(*this);
  const bool has_turn = std::exchange(roused_, false);
  if (has_turn) --site_->kept_;
  const std::size_t wait = site_->empty_handed_.size() + site_->others_.size();
  const bool others_wait = wait > (in_row() ? 1U : 0U);
  if (site_->in_use_ + site_->kept_ < site_->concurrency_.places() && (has_turn || !others_wait)) {
    if (in_row()) leave_row();
    ++places_;
    ++site_->in_use_;
    return true;
  }
  if (!in_row()) enter_row();
  return false;
}

void Site::Seat::give_back(std::uint32_t places) {
  const Change change(*this);
  places_ -= places;
  site_->in_use_ -= places;
  if (places_ > 0 || row_ != &site_->others_) return;
  leave_row();
  enter_row();
}

bool Site::Seat::waits() const {
  const std::lock_guard lock(site_->mutex_);
  return in_row();
}

void Site::Seat::pass_on() {
  const Change change(*this);
  if (std::exchange(roused_, false)) --site_->kept_;
}

bool Site::Seat::wanted_back(Served served) const {
  if (!site_->pressed_) return false;
  const std::lock_guard lock(site_->mutex_);
  const std::uint32_t places = site_->concurrency_.places();
  if (site_->in_use_ > places)
    return places_ * site_->busy_ >= site_->in_use_;  // as many as all on the average
  if (site_->in_use_ + site_->kept_ < places) return false;
  const Seat* const other = site_->poorest(this);
  return other != nullptr && places_ > other->places_ + (served == Served::long_enough ? 0U : 1U);
}

bool Site::Seat::fits() const {
  const std::lock_guard lock(site_->mutex_);
  return worked_ || site_->in_use_ <= site_->concurrency_.places();
}

void Site::Seat::worked(SystemTime now, Duration took, std::size_t due) {
  const std::lock_guard lock(site_->mutex_);
  worked_ = true;
  site_->due_ += due - due_;
  due_ = due;
  if (site_->concurrency_.worked(now, took, site_->due_, site_->in_use_)) site_->rouse_next();
}

void Site::Seat::lost(SystemTime now) {
  const Change change(*this);
  site_->concurrency_.lost(now);
}

bool Site::Seat::crowded(SystemTime now) {
  const Change change(*this);
  if (site_->in_use_ <= 1) return false;
  site_->concurrency_.crowded(now, site_->in_use_ - 1);
  return true;
}

void Site::Seat::begin_anew() {
  const Change change(*this);
  if (site_->in_use_ == places_) site_->concurrency_.begin_anew();
}

template <class Make>
SitePtr Sites::find(const std::string& name, const Make& make) {
  const std::lock_guard lock(mutex_);
  if (const auto found = sites_.find(name); found != sites_.end()) return found->second;
  if (sites_.size() >= look_through_at_) {
    std::erase_if(sites_, [](const auto& entry) { return entry.second.use_count() == 1; });
    look_through_at_ = std::max(most_remembered, 2 * sites_.size());  // not for each one that comes
  }
  return sites_.emplace(name, make()).first->second;
}

SitePtr Sites::at(const std::string& name) {
  return find(name, [&] { return std::make_shared<Site>(name, bounds_); });
}

SitePtr Sites::of_domain(const std::string& domain, std::uint32_t places, const std::string& by) {
  const std::string name = domain + ": " + by + ", " + std::to_string(places);
  return find(name, [&] { return std::make_shared<Site>(name, places, by); });
}

std::vector<SitePtr> Sites::all() const {
  std::vector<SitePtr> all;
  const std::lock_guard lock(mutex_);
  all.reserve(sites_.size());
  for (const auto& [name, site] : sites_) all.push_back(site);
  return all;
}

std::size_t Sites::size() const {
  const std::lock_guard lock(mutex_);
  return sites_.size();
}

}  // namespace sealpost::queue
