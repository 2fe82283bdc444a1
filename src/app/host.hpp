// SPDX-License-Identifier: Apache-2.0
//
// What the relay asks of the host before it starts: descriptors, and a directory of its own.
#pragma once

#include <sys/resource.h>

#include <string>

#include "sealpost/expected.hpp"

namespace sealpost::app {

// Raises the limit of open files as far as is useful and allowed (T-27). The limit that now holds.
rlim_t raise_descriptor_limit();

// Makes the directory if it is missing. Errc::refused: it is another user's, or open to others (T-51).
Expected<void> make_private_directory(const std::string& path);

}  // namespace sealpost::app
