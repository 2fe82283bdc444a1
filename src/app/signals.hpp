// SPDX-License-Identifier: Apache-2.0
//
// Signals as events of a loop: the handlers proper only set flags, in libevent (T-58). SIGTERM and SIGINT stop,
// SIGQUIT stops at once, SIGHUP reloads, SIGUSR1 opens the log file again, SIGCHLD tells of the key process. Others that
// would end the process by default, and that a person or the kernel may send, do nothing.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "event/event_loop.hpp"

struct event;

namespace sealpost::app {

// Holds these signals back, in this thread and those it starts from now on, until Signals listens to them: what comes
// during the start is acted upon when it is over, and what comes during the end changes nothing. First of all in main.
void hold_signals_back();

class Signals {
 public:
  struct Handlers {
    std::function<void()> stop;          // SIGTERM, SIGINT; each time
    std::function<void()> stop_at_once;  // SIGQUIT: without waiting for what is under way
    std::function<void()> reload;        // SIGHUP
    std::function<void()> open_log;      // SIGHUP, before reload, and SIGUSR1
    std::function<void()> child;         // SIGCHLD
  };
  // The handlers are called on the loop's thread, which is the one that makes this and the only one that takes the
  // signals. The loop must outlive this.
  Signals(sealpost::event::EventLoop& loop, Handlers handlers);
  ~Signals();  // holds them back again

 private:
  struct FreeEvent {
    void operator()(::event* event) const noexcept;
  };
  static void arrived(int number, short what, void* self);

  Handlers handlers_;
  std::vector<std::unique_ptr<::event, FreeEvent>> events_;
};

}  // namespace sealpost::app
