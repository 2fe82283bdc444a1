// SPDX-License-Identifier: Apache-2.0
#include "app/signals.hpp"

#include <event2/event.h>
#include <pthread.h>
#include <signal.h>

#include <new>

namespace sealpost::app {
namespace {

constexpr int ours[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGCHLD};
// Sent by mistake, or by the kernel at a write that a pipe or a limit on file sizes does not take: that write fails, and
// the relay goes on.
constexpr int ignored[] = {SIGPIPE, SIGXFSZ, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGPWR};

void set_mask(int how) {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int number : ours) ::sigaddset(&set, number);
  ::pthread_sigmask(how, &set, nullptr);
}

}  // namespace

void hold_signals_back() {
  set_mask(SIG_BLOCK);
  for (const int number : ignored) ::signal(number, SIG_IGN);
}

Signals::Signals(sealpost::event::EventLoop& loop, Handlers handlers) : handlers_(std::move(handlers)) {
  for (const int number : ours) {
    events_.emplace_back(evsignal_new(loop.base(), number, &Signals::arrived, this));
    if (!events_.back() || event_add(events_.back().get(), nullptr) != 0) throw std::bad_alloc();
  }
  set_mask(SIG_UNBLOCK);
}

Signals::~Signals() {
  // libevent puts the default actions back, and a thread made meanwhile would take them.
  hold_signals_back();
  events_.clear();
  for (const int number : ours) ::signal(number, SIG_IGN);
}

void Signals::FreeEvent::operator()(::event* event) const noexcept { event_free(event); }

void Signals::arrived(int number, short, void* self) {
  const Handlers& handlers = static_cast<Signals*>(self)->handlers_;
  if (number == SIGTERM || number == SIGINT) return handlers.stop();
  if (number == SIGQUIT) return handlers.stop_at_once();
  if (number == SIGCHLD) return handlers.child();
  handlers.open_log();
  if (number == SIGHUP) handlers.reload();
}

}  // namespace sealpost::app
