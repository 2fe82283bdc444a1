// SPDX-License-Identifier: Apache-2.0
#include "config/whole_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>

#include "base/digest.hpp"
#include "base/handles.hpp"

namespace sealpost::app {
namespace {

constexpr int tries = 3;

Error trouble(int number, const std::string& path) {
  const std::string why = std::strerror(number);
  std::error_code ignored;
  switch (number) {
    case ENOENT:
      if (std::filesystem::is_symlink(path, ignored))
        return Error(Errc::io, "is a link to " + std::filesystem::read_symlink(path, ignored).string() +
                                   ", which is not there; restore that file, or remove the link");
      return Error(Errc::io, "is not there; restore the file");
    case ELOOP: return Error(Errc::io, "its links lead in a circle; make it a file, or a link to one");
    case EACCES:
    case EPERM:
      return Error(Errc::io, "cannot be read by user " + std::to_string(::geteuid()) + ": " + why +
                                 "; give that user the right to read it and to enter its folders");
    case EIO: return Error(Errc::io, "cannot be read: " + why + "; the disk is failing, restore the file");
    default: return Error(Errc::io, "cannot be read: " + why);
  }
}

std::string_view kind_of(mode_t mode) noexcept {
  if (S_ISDIR(mode)) return "a directory";
  if (S_ISFIFO(mode)) return "a pipe";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

SourceFile stamp_of(const std::string& path, const struct stat& status) {
  using namespace std::chrono;
  SourceFile file;
  file.path = path;
  file.owner = status.st_uid;
  file.modified = SystemTime(
      duration_cast<microseconds>(seconds(status.st_mtim.tv_sec) + nanoseconds(status.st_mtim.tv_nsec)));
  file.device = status.st_dev;
  file.inode = status.st_ino;
  file.size = static_cast<std::uint64_t>(status.st_size);
  return file;
}

// Nothing: it changed meanwhile.
Expected<std::optional<WholeFile>> read_once(const std::string& path, std::uint64_t longest) {
  // Without waiting: opening a pipe would wait for a writer.
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (file.get() < 0) return trouble(errno, path);
  struct stat before {};
  if (::fstat(file.get(), &before) != 0) return trouble(errno, path);
  if (!S_ISREG(before.st_mode))
    return Error(Errc::invalid, "is " + std::string(kind_of(before.st_mode)) + " and no file; name a file");
  WholeFile whole;
  whole.source = stamp_of(path, before);
  std::array<char, 65536> piece{};
  for (;;) {
    const ssize_t got = ::read(file.get(), piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return trouble(errno, path);
    if (got == 0) break;
    whole.text.append(piece.data(), static_cast<std::size_t>(got));
    if (whole.text.size() > longest)
      return Error(Errc::invalid, "is longer than " + std::to_string(longest >> 20) +
                                      " MiB; split it, or name another file");
  }
  struct stat after {};
  if (::stat(path.c_str(), &after) != 0) return std::optional<WholeFile>();
  if (stamp_of(path, after) != whole.source || whole.text.size() != whole.source.size)
    return std::optional<WholeFile>();
  whole.source.sha256 = sha256_hex(whole.text);
  return std::optional<WholeFile>(std::move(whole));
}

}  // namespace

Expected<WholeFile> read_whole_file(const std::string& path, std::uint64_t longest) {
  for (int i = 0; i < tries; ++i) {
    auto read = read_once(path, longest);
    if (!read) return read.error();
    if (*read) return std::move(**read);
  }
  return Error(Errc::io, "is being written at this moment; try again when it is complete");
}

bool still_the_same(const SourceFiles& files) {
  return std::all_of(files.begin(), files.end(), [](const SourceFile& file) {
    struct stat status {};
    if (::stat(file.path.c_str(), &status) != 0) return false;
    SourceFile now = stamp_of(file.path, status);
    now.sha256 = file.sha256;
    return now == file;
  });
}

}  // namespace sealpost::app
