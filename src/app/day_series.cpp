// SPDX-License-Identifier: Apache-2.0
#include "app/day_series.hpp"

#include "event/wait.hpp"

namespace sealpost::app {
namespace {

constexpr std::chrono::seconds step{1800};

SystemTime next_step(SystemTime now) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now.time_since_epoch());
  return SystemTime(seconds - seconds % step + step);
}

}  // namespace

DaySeries::DaySeries(event::Loop& loop, const delivery::Totals& totals)
    : loop_(loop), totals_(totals), before_(now()), begun_(loop.date()) {}

DaySeries::Counts DaySeries::now() const noexcept {
  Counts counts;
  counts.delivered = totals_.delivered.load(std::memory_order_relaxed);
  counts.deferred = totals_.deferred.load(std::memory_order_relaxed);
  counts.bounced = totals_.bounced.load(std::memory_order_relaxed);
  counts.refused = totals_.refused_by_policy.load(std::memory_order_relaxed);
  return counts;
}

DaySeries::Step DaySeries::under_way() const noexcept {
  const Counts so_far = now();
  Step open;
  open.from = begun_;
  open.counts.delivered = so_far.delivered - before_.delivered;
  open.counts.deferred = so_far.deferred - before_.deferred;
  open.counts.bounced = so_far.bounced - before_.bounced;
  open.counts.refused = so_far.refused - before_.refused;
  return open;
}

// Steps end on the half hour, so that they can be read off a clock; the first one is shorter.
event::Task<void> DaySeries::run() {
  for (;;) {
    const SystemTime date = loop_.date();
    const auto left = next_step(date) - date;
    co_await event::sleep_for(loop_, std::chrono::duration_cast<Duration>(left));
    end_step();
  }
}

void DaySeries::end_step() {
  steps_.push_back(under_way());
  if (steps_.size() >= most_steps) steps_.pop_front();
  before_ = now();
  begun_ = loop_.date();
}

nlohmann::json DaySeries::to_json(const Counts& counts) {
  return {{"delivered", counts.delivered},
          {"deferred", counts.deferred},
          {"bounced", counts.bounced},
          {"refused", counts.refused}};
}

nlohmann::json DaySeries::status() const {
  std::deque<Step> all = steps_;
  all.push_back(under_way());
  Counts sums;
  nlohmann::json steps = nlohmann::json::array();
  for (const Step& one : all) {
    sums.delivered += one.counts.delivered;
    sums.deferred += one.counts.deferred;
    sums.bounced += one.counts.bounced;
    sums.refused += one.counts.refused;
    nlohmann::json row = to_json(one.counts);
    row["from"] = to_rfc3339(one.from);
    steps.push_back(std::move(row));
  }
  nlohmann::json body = to_json(sums);
  body["since"] = to_rfc3339(all.front().from);
  body["step_s"] = step.count();
  body["steps"] = std::move(steps);
  return body;
}

}  // namespace sealpost::app
