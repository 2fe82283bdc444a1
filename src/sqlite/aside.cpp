// SPDX-License-Identifier: Apache-2.0
#include "sqlite/aside.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/planted.hpp"
#include "sealpost/clock.hpp"

namespace sealpost::sqlite {
namespace {

constexpr int most_tries = 1000;

bool exists(const std::string& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0;
}

// Never over something that is there: what was put aside earlier may be the better copy.
bool move(const std::string& from, const std::string& to) {
  if (planted(Plant::overwrite_aside)) return ::rename(from.c_str(), to.c_str()) == 0;
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return true;
  if (errno != EINVAL && errno != ENOSYS) return false;
  if (exists(to)) {  // a file system without that call: the directory is ours alone
    errno = EEXIST;
    return false;
  }
  return ::rename(from.c_str(), to.c_str()) == 0;
}

std::string base_name(const std::string& path) {
  if (planted(Plant::overwrite_aside)) return path + ".damaged";
  std::string time = to_rfc3339(std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()));
  std::erase(time, ':');
  return path + ".damaged-" + time;
}

}  // namespace

Expected<std::string> set_aside(const std::string& path, Parts parts) {
  const std::string base = base_name(path);
  std::string aside = base;
  for (int number = 2; number < most_tries && !planted(Plant::overwrite_aside) &&
                       (exists(aside) || exists(aside + "-wal") || exists(aside + "-shm"));
       ++number)
    aside = base + "-" + std::to_string(number);
  // The log goes first: should the file itself not move, it is put back, and nothing has changed.
  bool moved[2] = {false, false};
  const char* const companions[2] = {"-wal", "-shm"};
  const auto fail = [&](const std::string& what) {
    Error error(Errc::io, "cannot move " + what + " to " + aside + ": " + std::strerror(errno));
    for (int i = 0; i < 2; ++i)
      if (moved[i]) move(aside + companions[i], path + companions[i]);
    return error;
  };
  for (int i = 0; i < 2; ++i) {
    const std::string from = path + companions[i];
    if (!exists(from)) continue;
    if (planted(Plant::forget_wal)) {
      ::remove(from.c_str());
      continue;
    }
    if (!move(from, aside + companions[i])) return fail(from);
    moved[i] = true;
  }
  if (parts == Parts::all && exists(path) && !move(path, aside)) return fail(path);
  return aside;
}

}  // namespace sealpost::sqlite
