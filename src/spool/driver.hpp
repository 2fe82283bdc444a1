// SPDX-License-Identifier: Apache-2.0
//
// Who runs the spool's work: a thread of its own, or, in simulation, a loop with the time a sync would take.
// The work itself cannot tell the difference.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "event/loop.hpp"
#include "sealpost/clock.hpp"

namespace sealpost::spool {

class Driver {
 public:
  // Does what is due and says when it wants to be called again at the latest; nullopt: when woken.
  using Turn = std::function<std::optional<SteadyTime>(SteadyTime now)>;

  virtual ~Driver() = default;
  virtual void start(Turn turn) = 0;
  virtual void wake() = 0;  // any thread: a turn soon
  virtual void stop() = 0;  // no turn runs, nor will one, when it returns
  virtual SteadyTime now() const = 0;
  virtual SystemTime wall() const = 0;
};

std::unique_ptr<Driver> make_thread_driver();
// Each turn comes `latency` after it was asked for. The loop must outlive the driver.
std::unique_ptr<Driver> make_loop_driver(event::Loop& loop, Duration latency);

}  // namespace sealpost::spool
