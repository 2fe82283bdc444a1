// SPDX-License-Identifier: Apache-2.0
//
// What a service manager is told: that the relay takes mail, reads its configuration again, ends, lives (sd_notify(3),
// systemd.service(5) Type=notify). Datagrams to NOTIFY_SOCKET; without one nothing is sent.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/handles.hpp"
#include "sealpost/clock.hpp"

namespace sealpost::app {

class ServiceManager {
 public:
  // Reads and removes NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID. Call once, before other threads exist.
  static ServiceManager of_environment();

  ServiceManager() = default;  // none
  // `address`: a path, or `@name` for a name without a file (unix(7), abstract). Anything else: none, and why in the log.
  explicit ServiceManager(const std::string& address, std::optional<Duration> watchdog = {});

  // How long it waits for alive() before it ends the relay; nothing: it does not.
  std::optional<Duration> watchdog() const noexcept { return watchdog_; }

  // All wait for a manager that is behind, a second at most; one that is gone is ignored.
  void ready() const { send("READY=1"); }
  void reloading() const;               // until the next ready()
  void stopping(Duration limit) const;  // it ends in `limit` at most, whatever the manager's own is
  void alive() const { send("WATCHDOG=1"); }
  void status(std::string_view words) const;  // one line for people

 private:
  void send(std::string_view message) const;

  FileDescriptor socket_;
  std::string address_;  // as the kernel has it
  std::optional<Duration> watchdog_;
};

}  // namespace sealpost::app
