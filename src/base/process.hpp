// SPDX-License-Identifier: Apache-2.0
//
// Other processes of this machine, in words for who must find the one that is in the way.
#pragma once

#include <string>

namespace sealpost {

// "pid 4711 (sealpost)"; without the name where that cannot be seen.
std::string process_in_words(const std::string& pid);

// The process that holds a lock on the open file or directory `fd` (flock, fcntl), as above; empty when none is seen: it
// ended meanwhile, or runs in a container of its own.
std::string lock_owner(int fd);

}  // namespace sealpost
