// SPDX-License-Identifier: Apache-2.0
//
// SIGTERM, SIGINT and SIGHUP as events of a loop: the handlers proper only set flags, in libevent (T-58).
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "event/event_loop.hpp"

struct event;

namespace sealpost::app {

class Signals {
 public:
  struct Handlers {
    std::function<void()> stop;    // SIGTERM, SIGINT; each time
    std::function<void()> reload;  // SIGHUP
  };
  // The handlers are called on the loop's thread. The loop must outlive this.
  Signals(sealpost::event::EventLoop& loop, Handlers handlers);
  ~Signals();

 private:
  struct FreeEvent {
    void operator()(::event* event) const noexcept;
  };
  static void arrived(int number, short what, void* self);

  Handlers handlers_;
  std::vector<std::unique_ptr<::event, FreeEvent>> events_;
};

}  // namespace sealpost::app
