// SPDX-License-Identifier: Apache-2.0
//
// What has been decided about one job and now becomes durable. Between settle.cpp and notices.cpp.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/text.hpp"
#include "delivery/notice_budget.hpp"
#include "delivery/settle.hpp"

namespace sealpost::delivery {

struct Settler::Settlement {
  Settlement(queue::JobOwner& lane_, queue::JobPtr job_) : lane(&lane_), job(std::move(job_)) {}
  queue::JobOwner* lane;
  queue::JobPtr job;
  spool::Outcome outcome;
  std::vector<DsnRecipient> failed, delayed, relayed;
  std::string hostname;
  std::optional<queue::LaneKey> other_lane;  // where those still waiting go on
};

}  // namespace sealpost::delivery
