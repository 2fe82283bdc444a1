// SPDX-License-Identifier: Apache-2.0
//
// NoticeBudget: how many notifications a message, a sender and the whole relay may cause (T-37). A sender may be forged:
// whoever is named in it gets no more mail from us than this, however many recipients, lanes and workers fail. What is
// over the budget waits (notices.cpp); it is never forgotten. Shared by all workers.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "mail/message_id.hpp"
#include "sealpost/clock.hpp"

namespace sealpost::delivery {

struct NoticeSettings {
  NoticeSettings() = default;
  std::uint32_t per_sender = 60;    // an hour, to one address
  std::uint32_t in_all = 6000;      // an hour
  std::chrono::seconds gather{10};  // after the first failure of a message with several recipients
  std::chrono::seconds again{
      std::chrono::hours(1)};  // until the sender is told of the same message once more
  std::chrono::seconds keep_held{std::chrono::days(14)};  // an undeliverable notification
  std::uint32_t most_held = 1000;                         // of these; further ones are dropped
};

class NoticeBudget {
 public:
  // Of a success there is at most half of what an hour has, so that failures never wait behind good news.
  enum class Tells : std::uint8_t { trouble, success };

  explicit NoticeBudget(const NoticeSettings& settings) : settings_(settings) {}
  NoticeBudget(const NoticeBudget&) = delete;
  NoticeBudget& operator=(const NoticeBudget&) = delete;

  void set_settings(const NoticeSettings& settings);  // what was taken stays taken
  NoticeSettings settings() const;

  // One notification to this address: taken, or how long to wait until there may be one.
  std::optional<Duration> take(std::string_view sender, SteadyTime now, Tells tells = Tells::trouble);
  // When the sender of this message may be told next: shortly after its first failure, an hour after the last time.
  Duration wait_for(const MessageId& message, SteadyTime now) const;
  void told(const MessageId& message, SteadyTime now);

  // Failures that wait in memory for their notification; above the bound their mail is tried again instead.
  bool room_to_wait() const noexcept { return waiting_.load() < most_waiting; }
  void waits(std::size_t recipients) noexcept { waiting_ += recipients; }
  void waits_no_more(std::size_t recipients) noexcept { waiting_ -= recipients; }
  // Of a notice of a success that is in the journal and waits for its turn; given back when the last copy goes, which the
  // budget must outlive. Null: too many wait.
  using SuccessPlace = std::shared_ptr<const void>;
  SuccessPlace place_for_success();
  std::size_t successes_waiting() const noexcept { return successes_waiting_.load(); }

  // Undeliverable notifications that are kept for the operator.
  bool may_hold() noexcept;
  void set_held(std::size_t count) noexcept { held_ = count; }

  struct Counters {
    std::atomic<std::uint64_t> postponed{0};            // jobs whose failure waited to be told with others
    std::atomic<std::uint64_t> gathered{0};             // recipients told of beside another one's
    std::atomic<std::uint64_t> successes_postponed{0};  // notices of a success that waited for their turn
    std::atomic<std::uint64_t> dropped{0};  // over a bound: undeliverable ones, and waiting ones of a success
    std::atomic<std::uint64_t> expired{0};  // undeliverable ones that were kept long enough
  };
  Counters& counters() noexcept { return counters_; }
  std::size_t waiting() const noexcept { return waiting_.load(); }
  std::size_t held() const noexcept { return held_.load(); }

 private:
  static constexpr std::size_t most_waiting = 100'000;
  static constexpr std::size_t most_successes_waiting = 10'000;
  static constexpr std::size_t most_known = 50'000;  // senders, and messages
  struct Hour {
    SteadyTime begin{};
    std::uint32_t count = 0, successes = 0;  // of the count
    bool full(std::uint32_t most, SteadyTime now, Tells tells) const noexcept;
    std::optional<Duration> take(std::uint32_t most, SteadyTime now, Tells tells) noexcept;
    Duration left(SteadyTime now) const noexcept;
  };

  mutable std::mutex mutex_;  // guards what follows it up to the counters
  NoticeSettings settings_;
  Hour all_;
  std::unordered_map<std::string, Hour> senders_;
  std::unordered_map<MessageId, SteadyTime, MessageIdHash> told_;
  std::deque<std::pair<SteadyTime, MessageId>> order_;  // of told_, oldest first
  std::atomic<std::size_t> waiting_{0}, successes_waiting_{0}, held_{0};
  Counters counters_;
};

}  // namespace sealpost::delivery
