// SPDX-License-Identifier: Apache-2.0
#include "app/signals.hpp"

#include <event2/event.h>

#include <csignal>

namespace sealpost::app {

Signals::Signals(sealpost::event::EventLoop& loop, Handlers handlers) : handlers_(std::move(handlers)) {
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) {
    events_.emplace_back(evsignal_new(loop.base(), number, &Signals::arrived, this));
    event_add(events_.back().get(), nullptr);
  }
}

Signals::~Signals() = default;

void Signals::FreeEvent::operator()(::event* event) const noexcept { event_free(event); }

void Signals::arrived(int number, short, void* self) {
  const Handlers& handlers = static_cast<Signals*>(self)->handlers_;
  if (number == SIGHUP)
    handlers.reload();
  else
    handlers.stop();
}

}  // namespace sealpost::app
