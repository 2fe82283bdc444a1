// SPDX-License-Identifier: Apache-2.0
#include "delivery/notice_budget.hpp"

#include <algorithm>

#include "base/planted.hpp"
#include "base/text.hpp"

namespace sealpost::delivery {
namespace {

constexpr auto hour = std::chrono::hours(1);

}  // namespace

Duration NoticeBudget::Hour::left(SteadyTime now) const noexcept {
  return std::max<Duration>(begin + hour - now, std::chrono::seconds(1));
}

bool NoticeBudget::Hour::full(std::uint32_t most, SteadyTime now, Tells tells) const noexcept {
  if (now - begin >= hour) return false;
  return count >= most || (tells == Tells::success && successes >= (most + 1) / 2);
}

std::optional<Duration> NoticeBudget::Hour::take(std::uint32_t most, SteadyTime now, Tells tells) noexcept {
  if (full(most, now, tells)) return left(now);
  if (now - begin >= hour) *this = Hour{now, 0, 0};
  ++count;
  if (tells == Tells::success) ++successes;
  return std::nullopt;
}

void NoticeBudget::set_settings(const NoticeSettings& settings) {
  const std::lock_guard lock(mutex_);
  settings_ = settings;
}

NoticeSettings NoticeBudget::settings() const {
  const std::lock_guard lock(mutex_);
  return settings_;
}

// Senders whose hour is over are forgotten when there is no room for another; while all of them are new the sum for the
// whole relay, which is far less, is what holds.
std::optional<Duration> NoticeBudget::take(std::string_view sender, SteadyTime now, Tells tells) {
  if (planted(Plant::notify_per_lane)) return std::nullopt;
  const std::lock_guard lock(mutex_);
  if (senders_.size() >= most_known)
    std::erase_if(senders_, [now](const auto& entry) { return now - entry.second.begin >= hour; });
  if (all_.full(settings_.in_all, now, tells)) return all_.left(now);
  if (senders_.size() < most_known) {
    Hour& own = senders_.try_emplace(text::lower(sender), Hour{now, 0, 0}).first->second;
    if (const auto wait = own.take(settings_.per_sender, now, tells)) return wait;
  }
  return all_.take(settings_.in_all, now, tells);
}

Duration NoticeBudget::wait_for(const MessageId& message, SteadyTime now) const {
  const std::lock_guard lock(mutex_);
  const auto found = told_.find(message);
  const Duration since_last = found == told_.end() ? Duration{} : found->second + settings_.again - now;
  return std::max<Duration>(settings_.gather, since_last);
}

void NoticeBudget::told(const MessageId& message, SteadyTime now) {
  const std::lock_guard lock(mutex_);
  while (!order_.empty() && (now - order_.front().first >= settings_.again || told_.size() >= most_known)) {
    const auto found = told_.find(order_.front().second);
    if (found != told_.end() && found->second == order_.front().first) told_.erase(found);
    order_.pop_front();
  }
  told_[message] = now;
  order_.emplace_back(now, message);
}

NoticeBudget::SuccessPlace NoticeBudget::place_for_success() {
  if (successes_waiting_.fetch_add(1) < most_successes_waiting)
    return SuccessPlace(this, [this](const void*) { --successes_waiting_; });
  --successes_waiting_;
  return nullptr;
}

bool NoticeBudget::may_hold() noexcept {
  if (planted(Plant::hold_notifications_for_ever)) return true;
  const std::lock_guard lock(mutex_);
  if (held_.load() >= settings_.most_held) return false;
  ++held_;
  return true;
}

}  // namespace sealpost::delivery
