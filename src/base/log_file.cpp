// SPDX-License-Identifier: Apache-2.0
#include "base/log_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace sealpost::log {
namespace {

// Lines of ours begin with a year or, as JSON, with a brace.
bool may_be_a_log(const std::string& path) {
  const FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd) return true;  // write-only is a way to keep logs, too
  std::array<char, 1> first{};
  if (::read(fd.get(), first.data(), first.size()) <= 0) return true;
  return first[0] == '{' || (first[0] >= '0' && first[0] <= '9');
}

constexpr const char *a_directory = "is a directory; name a file in it",
                     *a_link = "is a symbolic link, which is not followed; name the file itself",
                     *a_block_device = "is a block device; a log would overwrite what is on it",
                     *no_log =
                         "holds something that is not a log of sealpost; name another file, or move it away";

}  // namespace

std::string log_file_objection(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) return {};
  if (S_ISDIR(status.st_mode)) return a_directory;
  if (S_ISLNK(status.st_mode)) return a_link;
  if (S_ISBLK(status.st_mode)) return a_block_device;
  if (S_ISSOCK(status.st_mode)) return "is a socket; name a file";
  return S_ISREG(status.st_mode) && status.st_size > 0 && !may_be_a_log(path) ? no_log : "";
}

Expected<FileDescriptor> open_log_file(const std::string& path) {
  const auto refused = [&path](const std::string& why) {
    return Error(Errc::invalid, "log file " + path + " " + why);
  };
  // Without waiting for the reader of a FIFO.
  FileDescriptor fd(::open(
      path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0640));
  if (!fd) {
    const int number = errno;
    if (number == EISDIR) return refused(a_directory);
    if (number == ELOOP) return refused(a_link);
    if (number == ENXIO) return refused("is a FIFO or socket that nobody reads; start its reader first");
    if (number == ENOENT) return refused("cannot be made: its directory does not exist");
    return Error(Errc::io, "log file " + path + " cannot be opened: " + std::strerror(number));
  }
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0)
    return Error(Errc::io, "log file " + path + ": " + std::strerror(errno));
  if (S_ISBLK(status.st_mode)) return refused(a_block_device);
  if (S_ISREG(status.st_mode) && status.st_size > 0 && !may_be_a_log(path)) return refused(no_log);
  ::fcntl(fd.get(), F_SETFL, ::fcntl(fd.get(), F_GETFL) & ~O_NONBLOCK);
  return fd;
}

}  // namespace sealpost::log
