// SPDX-License-Identifier: Apache-2.0
//
// The parts of Loop that do not depend on how time passes: the ready queue and the heap of timers.
#include "event/loop.hpp"

#include <algorithm>

#include "base/shared_clock.hpp"

namespace sealpost::event {

void Runnable::unlink() noexcept {
  if (!next_) return;
  prev_->next_ = next_;
  next_->prev_ = prev_;
  prev_ = next_ = nullptr;
}

void Timer::arm(SteadyTime at) {
  // A time that has passed counts as the last one fired: overdue timers then keep the order of their arming.
  at_ = std::max(at, loop_.fired_until_);
  order_ = loop_.armed_++;
  if (!armed()) {
    loop_.heap_.push_back(this);
    slot_ = loop_.heap_.size() - 1;
  }
  loop_.heap_up(slot_);
  loop_.heap_down(slot_);
}

void Timer::disarm() noexcept {
  if (armed()) loop_.heap_remove(slot_);
}

Believed Loop::believed() const noexcept {
  return clock_ != nullptr ? clock_->read(wall(), steady()) : Believed(wall());
}

SystemTime Loop::paced() const noexcept { return clock_ != nullptr ? clock_->paced(steady()) : wall(); }

Loop::Head::Head() noexcept : Runnable([](Runnable&) noexcept {}) { prev_ = next_ = this; }

Loop::~Loop() {
  // Whatever is still queued or armed outlives the loop; it must not reach back into it.
  while (has_ready()) head_.next_->unlink();
  for (Timer* timer : heap_) timer->slot_ = Timer::npos;
}

void Loop::ready(Runnable& work) noexcept {
  if (work.queued()) return;
  work.prev_ = head_.prev_;
  work.next_ = &head_;
  head_.prev_->next_ = &work;
  head_.prev_ = &work;
}

bool Loop::run_ready() noexcept {
  if (!has_ready()) return false;
  // Move the whole queue aside: what becomes ready while these run waits for the next pass, and what is
  // destroyed while these run unlinks itself from here.
  Head batch;
  batch.next_ = head_.next_;
  batch.prev_ = head_.prev_;
  batch.next_->prev_ = &batch;
  batch.prev_->next_ = &batch;
  head_.next_ = head_.prev_ = &head_;
  while (batch.next_ != &batch) {
    Runnable& work = *batch.next_;
    work.unlink();
    work.run_(work);
  }
  return true;
}

void Loop::fire_timers(SteadyTime until) noexcept {
  fired_until_ = std::max(fired_until_, until);
  const std::uint64_t armed_now = armed_;
  while (!heap_.empty() && heap_.front()->at_ <= fired_until_ && heap_.front()->order_ < armed_now) {
    Timer& timer = *heap_.front();
    heap_remove(0);
    timer.fire_(timer);
  }
}

std::optional<SteadyTime> Loop::next_deadline() const noexcept {
  if (heap_.empty()) return std::nullopt;
  return heap_.front()->at_;
}

bool Loop::earlier(const Timer& a, const Timer& b) noexcept {
  return a.at_ != b.at_ ? a.at_ < b.at_ : a.order_ < b.order_;
}

void Loop::heap_remove(std::size_t slot) noexcept {
  heap_[slot]->slot_ = Timer::npos;
  Timer* last = heap_.back();
  heap_.pop_back();
  if (slot == heap_.size()) return;
  heap_place(slot, last);
  heap_up(slot);
  heap_down(last->slot_);
}

void Loop::heap_place(std::size_t slot, Timer* timer) noexcept {
  heap_[slot] = timer;
  timer->slot_ = slot;
}

void Loop::heap_up(std::size_t slot) noexcept {
  Timer* timer = heap_[slot];
  while (slot > 0) {
    const std::size_t parent = (slot - 1) / 2;
    if (!earlier(*timer, *heap_[parent])) break;
    heap_place(slot, heap_[parent]);
    slot = parent;
  }
  heap_place(slot, timer);
}

void Loop::heap_down(std::size_t slot) noexcept {
  Timer* timer = heap_[slot];
  for (;;) {
    std::size_t child = 2 * slot + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && earlier(*heap_[child + 1], *heap_[child])) ++child;
    if (!earlier(*heap_[child], *timer)) break;
    heap_place(slot, heap_[child]);
    slot = child;
  }
  heap_place(slot, timer);
}

}  // namespace sealpost::event
