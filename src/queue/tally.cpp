// SPDX-License-Identifier: Apache-2.0
#include "queue/tally.hpp"

#include <algorithm>

#include "queue/lane.hpp"

namespace sealpost::queue {
namespace {

std::int64_t second_of(SteadyTime time) noexcept {
  return std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count();
}

}  // namespace

void Tally::in(Job& job, bool in_flight) {
  Entry& entry = job.tallied;
  entry.state = in_flight           ? State::active
                : job.held          ? State::held
                : job.attempts == 0 ? State::waiting
                                    : State::deferred;
  entry.recipients = static_cast<std::uint32_t>(job.recipients.size());
  entry.second = second_of(job.since - std::chrono::duration_cast<SteadyTime::duration>(job.age_then));
  recipients_[static_cast<std::size_t>(entry.state)] += entry.recipients;
  if (entry.state != State::held) ++jobs_of_[entry.second];
}

void Tally::out(Job& job) noexcept {
  Entry& entry = job.tallied;
  if (entry.state == State::none) return;
  recipients_[static_cast<std::size_t>(entry.state)] -= entry.recipients;
  if (entry.state != State::held) {
    const auto jobs = jobs_of_.find(entry.second);
    if (jobs != jobs_of_.end() && --jobs->second == 0) jobs_of_.erase(jobs);
  }
  entry.state = State::none;
}

std::chrono::seconds Tally::oldest(SteadyTime now) const noexcept {
  if (jobs_of_.empty()) return std::chrono::seconds(0);
  return std::chrono::seconds(std::max<std::int64_t>(0, second_of(now) - jobs_of_.begin()->first));
}

}  // namespace sealpost::queue
