// SPDX-License-Identifier: Apache-2.0
//
// Landlock (landlock(7)): a process gives up rights to files for good. No library wraps it in Debian 12; three calls do.
#pragma once

#include <string>
#include <vector>

namespace sealpost::privilege {

// From now on this thread and those it makes write, make and remove files below these directories only, besides writing to
// /dev/null, and execute none. Reading stays as it was. "in force", or why not.
std::string write_only_in(const std::vector<std::string>& directories);

}  // namespace sealpost::privilege
