// SPDX-License-Identifier: Apache-2.0
#include "app/host.hpp"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <limits>

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

DescriptorBudget share_out(std::uint64_t descriptors, std::uint64_t sessions_wanted, std::size_t listeners,
                           unsigned workers, std::uint64_t besides) {
  constexpr std::uint64_t for_storage_and_names = 128;
  DescriptorBudget budget;
  const std::uint64_t limit = std::min<std::uint64_t>(descriptors, std::numeric_limits<std::uint32_t>::max());
  const std::uint64_t needed = for_storage_and_names + workers * (4 + listeners) + besides;
  const std::uint64_t reserved = std::min(needed, limit * 3 / 4);  // with very few everybody gets something
  const std::uint64_t rest = limit - reserved;
  const std::uint64_t inbound = std::max<std::uint64_t>(1, std::min(sessions_wanted, rest / 2));
  budget.limit = static_cast<std::uint32_t>(limit);
  budget.reserved = static_cast<std::uint32_t>(reserved);
  budget.inbound = static_cast<std::uint32_t>(inbound);
  budget.outbound = static_cast<std::uint32_t>(std::max<std::uint64_t>(1, rest / 2));
  return budget;
}

std::uint32_t descriptors_in_use() {
  std::error_code failed;
  std::uint32_t count = 0;
  for (std::filesystem::directory_iterator fd("/proc/self/fd", failed), end; !failed && fd != end;
       fd.increment(failed))
    ++count;
  rlimit most{};
  const bool none_left = failed == std::errc::too_many_files_open;  // not even one to look with
  if (none_left && ::getrlimit(RLIMIT_NOFILE, &most) == 0)
    return static_cast<std::uint32_t>(
        std::min<rlim_t>(most.rlim_cur, std::numeric_limits<std::uint32_t>::max()));
  return count > 0 ? count - 1 : 0;  // without the one that looks
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
