// SPDX-License-Identifier: Apache-2.0
//
// What became of mail in the last 24 hours, in steps of half an hour: for `status` and the page that draws it. In memory,
// 48 steps: a restart begins anew, and `since` says so. On the main loop.
#pragma once

#include <cstdint>
#include <deque>

#include <nlohmann/json.hpp>

#include "delivery/context.hpp"
#include "event/loop.hpp"
#include "event/task.hpp"

namespace sealpost::app {

class DaySeries {
 public:
  static constexpr std::size_t most_steps = 48;

  DaySeries(event::Loop& loop, const delivery::Totals& totals);
  event::Task<void> run();  // for ever
  // {"since", "delivered", "deferred", "bounced", "refused", "step_s", "steps": [{"from", and the four}]}; the last step is
  // the one under way. refused: hosts that got no mail because a demand was not met.
  nlohmann::json status() const;
  void end_step();  // as run() does at each half hour

 private:
  struct Counts {
    std::uint64_t delivered = 0, deferred = 0, bounced = 0, refused = 0;
  };
  struct Step {
    SystemTime from{};
    Counts counts;
  };
  Counts now() const noexcept;
  Step under_way() const noexcept;
  static nlohmann::json to_json(const Counts& counts);

  event::Loop& loop_;
  const delivery::Totals& totals_;
  Counts before_;  // at the begin of the step
  SystemTime begun_;
  std::deque<Step> steps_;  // that are over, the oldest first
};

}  // namespace sealpost::app
