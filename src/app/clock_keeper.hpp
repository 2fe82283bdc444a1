// SPDX-License-Identifier: Apache-2.0
//
// The relay's clock: gives all loops the one that is believed, keeps the newest time on disk, and says aloud when the
// system's clock is in doubt (T-50; docs/operating.md, "When the clock is wrong").
#pragma once

#include <memory>
#include <string>

#include "admin/control_server.hpp"
#include "base/health.hpp"
#include "base/shared_clock.hpp"
#include "event/blocking_pool.hpp"
#include "event/loop.hpp"

namespace sealpost::app {

class ClockKeeper {
 public:
  // Reads what was recorded in `data_dir`, and records from then on. All that is passed outlives it.
  ClockKeeper(event::Loop& loop, std::string data_dir, Health& health);

  SharedClock& clock() noexcept { return *clock_; }
  // For ever: looks every few seconds, records once a minute. On its loop.
  event::Task<void> run(event::BlockingPool& pool);
  void record_now();  // at a stop

  void serve(admin::ControlServer& server);  // `sealpost clock`
  admin::Json status();

 private:
  void look();
  void tell(const Expected<void>& recorded);
  event::Task<admin::Answer> show();
  event::Task<admin::Answer> believe(admin::Json arguments);

  event::Loop& loop_;
  const std::string data_dir_;
  Health& health_;
  std::unique_ptr<SharedClock> clock_;
  BelievedClock::Doubt told_ = BelievedClock::Doubt::none;
  std::uint64_t steps_told_ = 0;
};

}  // namespace sealpost::app
