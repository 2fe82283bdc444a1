// SPDX-License-Identifier: Apache-2.0
#include "privilege/identity.hpp"

#include <cap-ng.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace sealpost::privilege {
namespace {

Error failed(const std::string& what) { return Error(Errc::refused, what + ": " + std::strerror(errno)); }

}  // namespace

Expected<User> find_user(const std::string& name) {
  passwd entry{};
  passwd* found = nullptr;
  std::array<char, 16384> space{};
  ::getpwnam_r(name.c_str(), &entry, space.data(), space.size(), &found);
  if (found == nullptr)
    return Error(Errc::not_found, "there is no user '" + name +
                                      "' on this machine; make it: useradd --system --shell "
                                      "/usr/sbin/nologin " +
                                      name);
  User user;
  user.name = name;
  user.uid = entry.pw_uid;
  user.gid = entry.pw_gid;
  return user;
}

bool is_root() noexcept { return ::geteuid() == 0; }

Expected<void> become(const User& user) {
  capng_clear(CAPNG_SELECT_BOTH);
  capng_update(CAPNG_ADD, static_cast<capng_type_t>(CAPNG_EFFECTIVE | CAPNG_PERMITTED), CAP_NET_BIND_SERVICE);
  if (::initgroups(user.name.c_str(), user.gid) != 0)
    return failed("cannot take the groups of '" + user.name + "'");
  if (capng_change_id(static_cast<int>(user.uid), static_cast<int>(user.gid),
                      static_cast<capng_flags_t>(CAPNG_CLEAR_BOUNDING)) != 0)
    return failed("cannot become user '" + user.name + "'");
  if (::setuid(0) == 0 && user.uid != 0)
    return Error(Errc::refused, "the way back to root is open after becoming '" + user.name + "'");
  return {};
}

Expected<void> keep_only(Kept kept) {
  const unsigned number = kept == Kept::bind_low_ports ? CAP_NET_BIND_SERVICE : CAP_DAC_READ_SEARCH;
  if (capng_get_caps_process() != 0) return failed("cannot read the process's capabilities");
  const bool had = capng_have_capability(CAPNG_PERMITTED, number) != 0;
  capng_clear(CAPNG_SELECT_CAPS);  // what is not inheritable any more is no longer ambient either
  if (had) capng_update(CAPNG_ADD, static_cast<capng_type_t>(CAPNG_EFFECTIVE | CAPNG_PERMITTED), number);
  if (capng_apply(CAPNG_SELECT_CAPS) != 0) return failed("cannot drop capabilities");
  return {};
}

Expected<void> drop_all() {
  capng_clear(CAPNG_SELECT_BOTH);
  // Without CAP_SETPCAP the bounding set stays as it is; become() has emptied it, and no_new_privs makes it moot.
  if (capng_apply(CAPNG_SELECT_CAPS) != 0) return failed("cannot drop capabilities");
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failed("cannot set no_new_privs");
  return {};
}

std::string user_name() {
  passwd entry{};
  passwd* found = nullptr;
  std::array<char, 16384> space{};
  ::getpwuid_r(::geteuid(), &entry, space.data(), space.size(), &found);
  return found != nullptr ? std::string(entry.pw_name) : std::to_string(::geteuid());
}

std::string capabilities() {
  if (capng_get_caps_process() != 0) return "unknown";
  if (capng_have_capabilities(CAPNG_SELECT_CAPS) == CAPNG_NONE) return "none";
  char* text = capng_print_caps_text(CAPNG_PRINT_BUFFER, CAPNG_EFFECTIVE);
  std::string names = text != nullptr ? text : "unknown";
  std::free(text);
  return names;
}

bool no_new_privileges() noexcept { return ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1; }

}  // namespace sealpost::privilege
