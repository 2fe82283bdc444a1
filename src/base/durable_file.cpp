// SPDX-License-Identifier: Apache-2.0
#include "base/durable_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace sealpost {
namespace {

Errc code_of(int number) noexcept {
  switch (number) {
    case ENOSPC:
    case EDQUOT: return Errc::no_space;
    case EMFILE:
    case ENFILE:
    case ENOMEM: return Errc::unavailable;
    case ENOENT: return Errc::not_found;
    default: return Errc::io;
  }
}

std::string fresh_name(const std::string& path) { return path + ".new"; }

}  // namespace

Error file_error(const std::string& path, const char* step) {
  const int number = errno;
  return Error(code_of(number), path + ": " + step + ": " + std::strerror(number));
}

Error io_error(const std::string& path, int number) {
  return Error(Errc::io, path + ": " + std::strerror(number));
}

bool write_all(int fd, std::string_view octets) noexcept {
  while (!octets.empty()) {
    const auto written = ::write(fd, octets.data(), octets.size());
    if (written < 0 && errno == EINTR) continue;
    if (written == 0) errno = EIO;
    if (written <= 0) return false;
    octets.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

bool sync_directory(const std::string& directory) noexcept {
  const FileDescriptor fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return fd && ::fsync(fd.get()) == 0;
}

std::string directory_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

bool is_absent(const std::string& path) noexcept {
  struct stat status {};
  return ::lstat(path.c_str(), &status) != 0 && errno == ENOENT;
}

Expected<FileReplacement> FileReplacement::begin(const std::string& path) {
  const std::string fresh = fresh_name(path);
  ::unlink(fresh.c_str());  // of a process that ended half-way; never written through (T-51)
  FileDescriptor fd(
      ::open(fresh.c_str(), O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return file_error(fresh, "create");
  return FileReplacement(path, std::move(fd));
}

Expected<void> FileReplacement::write(std::string_view octets) {
  return write_all(fd_.get(), octets) ? Expected<void>() : give_up("write");
}

// On a full disk what is half written only takes room.
Error FileReplacement::give_up(const char* step) {
  const std::string fresh = fresh_name(path_);
  Error error = file_error(fresh, step);
  ::unlink(fresh.c_str());
  return error;
}

Expected<FileDescriptor> FileReplacement::commit() {
  if (::fsync(fd_.get()) != 0) return give_up("sync");
  if (std::rename(fresh_name(path_).c_str(), path_.c_str()) != 0) return give_up("rename");
  const std::string directory = directory_of(path_);
  if (!sync_directory(directory)) return file_error(directory, "sync");
  return std::move(fd_);
}

Expected<void> replace_file(const std::string& path, std::string_view octets) {
  auto replacement = FileReplacement::begin(path);
  if (!replacement) return replacement.error();
  if (auto written = replacement->write(octets); !written) return written;
  auto done = replacement->commit();
  return done ? Expected<void>() : Expected<void>(done.error());
}

}  // namespace sealpost
