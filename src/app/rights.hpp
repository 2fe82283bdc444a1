// SPDX-License-Identifier: Apache-2.0
//
// Which rights the relay's process has, and when it gives them up (T-53, T-62; docs/privileges.md). In order:
//
//   1. settle_in()  before threads, the log and the data: become `user`, no dumps, a data directory of our own
//   2.              sockets are bound, which may need the one capability left
//   3. confine()    before any other thread: no capability, no new privileges, the filter, Landlock
#pragma once

#include <sys/types.h>

#include <string>

#include "config/config.hpp"
#include "privilege/confine.hpp"

namespace sealpost::app {

class Rights {
 public:
  explicit Rights(pid_t key_process) noexcept : key_process_(key_process) {}

  // Errc::not_found, refused or io: what to do is in the words.
  Expected<void> settle_in(const Config& config);
  Expected<void> confine(const Config& config);

  pid_t key_process() const noexcept { return key_process_; }
  bool keys_are_gone() const noexcept;  // asks the system, after SIGCHLD
  const privilege::Walls& walls() const noexcept { return walls_; }
  // Empty, or what is not as it should be, for the log.
  const std::string& warning() const noexcept { return warning_; }

 private:
  pid_t key_process_;
  privilege::Walls walls_;
  std::string warning_;
};

}  // namespace sealpost::app
