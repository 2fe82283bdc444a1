// SPDX-License-Identifier: Apache-2.0
//
// Who the relay's process is: started as root, it becomes the configured user and keeps, until its listeners are bound, the
// one right to bind low ports (T-53).
#pragma once

#include <sys/types.h>

#include <string>

#include "sealpost/expected.hpp"

namespace sealpost::privilege {

struct User {
  std::string name;
  uid_t uid = 0;
  gid_t gid = 0;
};
// Errc::not_found: no such user, and how to make one.
Expected<User> find_user(const std::string& name);

bool is_root() noexcept;
// From root to `user` with its groups; all capabilities but CAP_NET_BIND_SERVICE go. Before threads exist.
Expected<void> become(const User& user);
// Of capabilities that the process has or was lent (by root, or a service manager that starts it as a user), all but this
// one go; no matter when it has none. This thread and those it makes. Before threads exist.
enum class Kept { bind_low_ports, read_all_files };
Expected<void> keep_only(Kept kept);
// The rest goes too, from the bounding set as well, and no program can bring any back. All threads must have been made by
// this one afterwards, or hold none already.
Expected<void> drop_all();

std::string user_name();     // of the process, or its number
std::string capabilities();  // those in force, "none" or a list
bool no_new_privileges() noexcept;

}  // namespace sealpost::privilege
