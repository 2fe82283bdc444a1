// SPDX-License-Identifier: Apache-2.0
#include "privilege/landlock.hpp"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "base/handles.hpp"

namespace sealpost::privilege {
namespace {

constexpr std::uint64_t truncate_right =
    1ULL << 14U;  // LANDLOCK_ACCESS_FS_TRUNCATE, newer than Debian 12's header

constexpr std::uint64_t writing = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
                                  LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |
                                  LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |
                                  LANDLOCK_ACCESS_FS_MAKE_SYM;
constexpr std::uint64_t never = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
                                LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO;

int create(const landlock_ruleset_attr* attributes, std::size_t size, unsigned flags) noexcept {
  return static_cast<int>(::syscall(SYS_landlock_create_ruleset, attributes, size, flags));
}

std::string failed(const char* what) { return std::string("off: ") + what + ": " + std::strerror(errno); }

// True also for a path that is not there: nothing can be done below it.
bool allow(int rules, const std::string& path, std::uint64_t rights) noexcept {
  const FileDescriptor place(::open(path.c_str(), O_PATH | O_CLOEXEC));
  if (!place) return errno == ENOENT;
  landlock_path_beneath_attr beneath{};
  beneath.allowed_access = rights;
  beneath.parent_fd = place.get();
  return ::syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) == 0;
}

}  // namespace

std::string write_only_in(const std::vector<std::string>& directories) {
  const int version = create(nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (version < 1) return "off: not in this kernel";
  // Renaming between two directories is refused wholly by version 1, and allowed where files may be made since 2.
  const std::uint64_t refer = version >= 2 ? LANDLOCK_ACCESS_FS_REFER : 0;
  const std::uint64_t rights = writing | refer | (version >= 3 ? truncate_right : 0);
  landlock_ruleset_attr attributes{};
  attributes.handled_access_fs = rights | never;
  const FileDescriptor rules(create(&attributes, sizeof attributes, 0));
  if (!rules) return failed("no rule set");
  for (const std::string& directory : directories) {
    if (!allow(rules.get(), directory, rights)) return failed(directory.c_str());
  }
  const std::uint64_t to_a_file = LANDLOCK_ACCESS_FS_WRITE_FILE | (version >= 3 ? truncate_right : 0);
  if (!allow(rules.get(), "/dev/null", to_a_file)) return failed("/dev/null");
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failed("no_new_privs");
  if (::syscall(SYS_landlock_restrict_self, rules.get(), 0) != 0)
    return failed("the kernel does not take it");
  return "in force";
}

}  // namespace sealpost::privilege
