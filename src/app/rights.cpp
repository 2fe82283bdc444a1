// SPDX-License-Identifier: Apache-2.0
#include "app/rights.hpp"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "app/host.hpp"
#include "privilege/identity.hpp"

namespace sealpost::app {
namespace {

std::string folder_of(const std::string& path) {
  return std::filesystem::absolute(path).lexically_normal().parent_path().string();
}

// Made by root for the user, who could not in a directory of root's.
Expected<void> make_directory(const std::string& what, const std::string& path, mode_t mode,
                              const privilege::User& user) {
  if (::mkdir(path.c_str(), mode) != 0)
    return errno == EEXIST ? Expected<void>()
                           : Error(Errc::io, what + " " + path + " cannot be made: " + std::strerror(errno));
  if (::chmod(path.c_str(), mode) != 0 || ::chown(path.c_str(), user.uid, user.gid) != 0)
    return Error(Errc::io,
                 what + " " + path + " cannot be given to '" + user.name + "': " + std::strerror(errno));
  return {};
}

Expected<void> make_directories(const Config& config, const privilege::User& user) {
  if (auto made = make_directory("data_dir", config.data_dir, 0700, user); !made) return made;
  // Below /run it is gone with each boot. Others may look in and find a socket that is closed to them.
  return make_directory("the folder of control.socket,", folder_of(config.control_socket), 0755, user);
}

}  // namespace

Expected<void> Rights::settle_in(const Config& config) {
  if (privilege::is_root() && !config.user.empty()) {
    const auto user = privilege::find_user(config.user);
    if (!user) return user.error();
    if (auto made = make_directories(config, *user); !made) return made;
    if (auto became = privilege::become(*user); !became) return became;
  } else if (privilege::is_root()) {
    warning_ = "it runs as root; make a user for it and name it: user = \"sealpost\"";
  } else if (!config.user.empty() && config.user != privilege::user_name()) {
    warning_ = "it was not started as root, so it stays '" + privilege::user_name() +
               "' and does not become '" + config.user + "'";
  }
  // A service manager that starts us as the user may have lent more, for the key process.
  if (!privilege::is_root()) {
    if (auto kept = privilege::keep_only(privilege::Kept::bind_low_ports); !kept) return kept;
  }
  privilege::forbid_dumps();  // after the change of identity, which allows them again
  return make_private_directory(config.data_dir);
}

Expected<void> Rights::confine(const Config& config) {
  if (auto dropped = privilege::drop_all(); !dropped) return dropped;
  if (!config.sandbox) {
    walls_.seccomp = walls_.landlock = "off: sandbox = false";
    return {};
  }
  ::setenv("SQLITE_TMPDIR", config.data_dir.c_str(),
           1);  // large sorts go to a file, and only there is one possible
  std::vector<std::string> writable{config.data_dir, folder_of(config.control_socket)};
  if (!config.log.file.empty()) writable.push_back(folder_of(config.log.file));
  if (!config.ledger.copy_heads_to.empty()) writable.push_back(folder_of(config.ledger.copy_heads_to));
  walls_ = privilege::confine_relay(writable);
  return {};
}

bool Rights::keys_are_gone() const noexcept { return ::waitpid(key_process_, nullptr, WNOHANG) != 0; }

}  // namespace sealpost::app
