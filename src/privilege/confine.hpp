// SPDX-License-Identifier: Apache-2.0
//
// What a process gives up for good (T-53, T-62): the means that code of an attacker would look for first. Each call
// takes effect at once, for all threads where it says so, and cannot be undone.
#pragma once

#include <string>
#include <vector>

#include "sealpost/expected.hpp"

namespace sealpost::privilege {

// No core dump, no ptrace by the same user, nothing of /proc/PID for others.
void forbid_dumps() noexcept;

// The key process: reads files, signs, answers; no more. All its threads. False: the kernel did not take the filter.
bool confine_key_process() noexcept;

struct Walls {
  std::string seccomp;   // "in force", or why not
  std::string landlock;  // the same
};
// The relay, once everything is open and bound: no other program, no change of identity, no tracing, mounting, kernel or
// clock calls; files are written, made and removed in `writable` (directories) only, and none is executed. All threads that
// exist now and later. A path that is not there is passed over.
Walls confine_relay(const std::vector<std::string>& writable);

}  // namespace sealpost::privilege
