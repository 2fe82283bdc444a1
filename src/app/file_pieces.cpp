// SPDX-License-Identifier: Apache-2.0
#include "app/file_pieces.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "base/durable_file.hpp"

namespace sealpost::app {

Expected<std::vector<std::string>> names_in(const std::string& directory) {
  namespace fs = std::filesystem;
  std::vector<std::string> names;
  std::error_code failure;
  for (fs::directory_iterator entry(directory, failure), end; !failure && entry != end;
       entry.increment(failure))
    names.push_back(entry->path().filename().string());
  if (failure) return Error(Errc::io, directory + ": " + failure.message());
  std::sort(names.begin(), names.end());
  return names;
}

FileDescriptor open_to_read(const std::string& path) noexcept {
  return FileDescriptor(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
}

Expected<void> read_through(const FileDescriptor& fd, const std::string& path,
                            const std::function<Expected<void>(std::string_view)>& take) {
  std::vector<char> piece(1 << 20);
  for (;;) {
    const ssize_t got = ::read(fd.get(), piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return io_error(path, errno);
    if (got == 0) return {};
    if (auto taken = take({piece.data(), static_cast<std::size_t>(got)}); !taken) return taken;
  }
}

Expected<std::uint64_t> copy_octets(const FileDescriptor& from, const std::string& path,
                                    const std::string& to) {
  const FileDescriptor target(::open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!target) return io_error(to, errno);
  std::uint64_t octets = 0;
  const auto done = read_through(from, path, [&](std::string_view piece) -> Expected<void> {
    if (!write_all(target.get(), piece)) return io_error(to, errno);
    octets += piece.size();
    return {};
  });
  if (!done) return done.error();
  return octets;
}

}  // namespace sealpost::app
