// SPDX-License-Identifier: Apache-2.0
//
// Tally: how many recipients of a shard wait, in which state, and since when: kept as jobs come and go, so that `status`,
// which monitoring asks for each minute, costs the same however much is queued.
#pragma once

#include <array>
#include <cstdint>
#include <map>

#include "sealpost/clock.hpp"

namespace sealpost::queue {

struct Job;

class Tally {
 public:
  enum class State : std::uint8_t { none, waiting, deferred, held, active };
  // How a job is counted, in the job itself: its recipients may become fewer meanwhile. In a copy it means nothing.
  struct Entry {
    State state = State::none;
    std::uint32_t recipients = 0;
    std::int64_t second = 0;  // of steady time, when the message came
  };
  void in(Job& job, bool in_flight);
  void out(Job& job) noexcept;

  std::size_t recipients(State state) const noexcept { return recipients_[static_cast<std::size_t>(state)]; }
  // Of what is not held; to a second.
  std::chrono::seconds oldest(SteadyTime now) const noexcept;

 private:
  std::array<std::size_t, 5> recipients_{};
  std::map<std::int64_t, std::size_t>
      jobs_of_;  // by Entry::second; as many as a lifetime has seconds at most
};

}  // namespace sealpost::queue
