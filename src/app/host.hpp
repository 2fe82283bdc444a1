// SPDX-License-Identifier: Apache-2.0
//
// What the relay asks of the host before it starts: descriptors, and a directory of its own.
#pragma once

#include <sys/resource.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "sealpost/expected.hpp"

namespace sealpost::app {

// Raises the limit of open files as far as is useful and allowed (T-27). The limit that now holds.
rlim_t raise_descriptor_limit();

// How the descriptors are shared out (T-27). `reserved` stay for what must never be short of them: journal (directory,
// segments, spares), databases with their logs and readers, log, control socket and control.http, DNS and policy fetches, listeners and
// loops of the workers, and what else is named (`besides`). Inbound sessions get half of the rest at most, connections out the other: a reload may ask for
// more sessions, and nothing that is taken then belongs to somebody else.
struct DescriptorBudget {
  std::uint32_t limit = 0, reserved = 0, inbound = 0, outbound = 0;
};
DescriptorBudget share_out(std::uint64_t descriptors, std::uint64_t sessions_wanted, std::size_t listeners,
                           unsigned workers, std::uint64_t besides = 0);
std::uint32_t descriptors_in_use();  // all there may be, when not even one is left to count with

// Makes the directory if it is missing. Errc::refused: it is another user's, or open to others (T-51).
Expected<void> make_private_directory(const std::string& path);

}  // namespace sealpost::app
