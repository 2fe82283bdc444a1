// SPDX-License-Identifier: Apache-2.0
#include "app/host.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace sealpost::app {
namespace {

constexpr rlim_t wanted_descriptors = 65'536;

}  // namespace

rlim_t raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  rlimit raised = limit;
  raised.rlim_cur = std::min(std::max(limit.rlim_cur, wanted_descriptors), limit.rlim_max);
  return ::setrlimit(RLIMIT_NOFILE, &raised) == 0 ? raised.rlim_cur : limit.rlim_cur;
}

Expected<void> make_private_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
    return Error(Errc::io, "data_dir " + path + " cannot be made: " + std::strerror(errno));
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0)
    return Error(Errc::io, "data_dir " + path + ": " + std::strerror(errno));
  if (status.st_uid != ::geteuid() || (status.st_mode & 0077) != 0)
    return Error(Errc::refused,
                 "data_dir " + path +
                     " must belong to the relay's user and be closed to others; run: chown it, chmod 700 " +
                     path);
  return {};
}

}  // namespace sealpost::app
