// SPDX-License-Identifier: Apache-2.0
//
// How many couriers a lane may have: its seats at its site and under an operator's limit (site.hpp).
#include "queue/lane.hpp"
#include "queue/shard.hpp"

namespace sealpost::queue {

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

void Lane::pass_on() {
  if (seat_) seat_->pass_on();
  if (domain_seat_) domain_seat_->pass_on();
}

bool Lane::place_wanted_back(Site::Seat::Served served) const {
  return (domain_seat_ && domain_seat_->wanted_back(served)) || (seat_ && seat_->wanted_back(served));
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

bool Lane::wants_courier(SystemTime now) const {
  if (due_.size() <= idle_couriers_) return false;
  if (blocked(now)) return urgent_ > 0 && couriers_ == 0;
  if (seat_ ? seat_->waits() : couriers_ >= concurrency_.places()) return false;
  if (domain_seat_ && domain_seat_->waits()) return false;
  if (!shard_.spares_a_place_for(*this)) return false;
  return !next_place_is_lent(now) || due_.size() >= shard_.settings_.lend_from;
}

}  // namespace sealpost::queue
