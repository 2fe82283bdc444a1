// SPDX-License-Identifier: Apache-2.0
#include "app/data_dir_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>
#include <thread>

#include "base/durable_file.hpp"
#include "base/process.hpp"

namespace sealpost::app {
namespace {

constexpr auto between_looks = std::chrono::milliseconds(100);

Error refused_for(const std::string& data_dir, NamesAre names, int fd) {
  const std::string owner = lock_owner(fd);
  return Error(Errc::exists,
               "data directory " + data_dir + " is in use" +
                   (owner.empty() ? std::string() : " by " + owner) +
                   (names == NamesAre::used ? ": a restore into it is under way; try again when it is done"
                                            : "; stop that first"));
}

}  // namespace

Expected<FileDescriptor> lock_data_dir(const std::string& data_dir, NamesAre names, Duration patience) {
  FileDescriptor directory(::open(data_dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return io_error(data_dir, errno);
  const int kind = names == NamesAre::moved ? LOCK_EX : LOCK_SH;
  for (Duration waited{};; waited += between_looks) {
    if (::flock(directory.get(), kind | LOCK_NB) == 0) return directory;
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) return io_error("cannot lock " + data_dir, errno);
    if (waited >= patience) return refused_for(data_dir, names, directory.get());
    std::this_thread::sleep_for(between_looks);
  }
}

}  // namespace sealpost::app
