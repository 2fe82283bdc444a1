// SPDX-License-Identifier: Apache-2.0
//
// When a report is tried again and when it is given up (RFC 8460 §5.5, T-45).
#pragma once

#include <algorithm>
#include <chrono>
#include <iterator>

#include "sealpost/clock.hpp"
#include "tlsrpt/sending/jobs.hpp"

namespace sealpost::tlsrpt {

inline constexpr std::uint32_t most_attempts = 5;
inline constexpr auto give_up_after = std::chrono::hours(24);

// 15 min, 1 h, 4 h, 12 h: the fifth attempt is 17 h 15 min after the first.
inline std::chrono::seconds gap_after(std::uint32_t attempts) {
  using namespace std::chrono_literals;
  constexpr std::chrono::seconds gaps[] = {15min, 1h, 4h, 12h};
  return gaps[std::min<std::size_t>(attempts == 0 ? 0 : attempts - 1, std::size(gaps) - 1)];
}

// Its day is over, also for a relay that was not running meanwhile.
inline bool too_late(const ReportJob& job, SystemTime now) {
  return job.first_attempt != SystemTime{} && now > job.first_attempt + give_up_after;
}

// After an attempt that failed: wait for the next, or give up.
inline void put_off(ReportJob& job, SystemTime now) {
  job.next_attempt = now + gap_after(job.attempts);
  const bool over = job.attempts >= most_attempts || too_late(job, job.next_attempt);
  job.state = over ? JobState::gave_up : JobState::waiting;
}

}  // namespace sealpost::tlsrpt
