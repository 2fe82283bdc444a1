// SPDX-License-Identifier: Apache-2.0
//
// Owners for what C libraries hand out. The aliases for one library are in a header of its own beside this
// one (openssl_handles.hpp, sqlite/handles.hpp), so that nobody needs the headers of a library they do not
// use.
#pragma once

#include <unistd.h>

#include <cstdio>
#include <memory>
#include <utility>

namespace sealpost {

// using SslPtr = std::unique_ptr<SSL, FreeWith<SSL_free>>;
template <auto Free>
struct FreeWith {
  template <class T>
  void operator()(T* p) const noexcept {
    Free(p);
  }
};

using FilePtr = std::unique_ptr<std::FILE, FreeWith<std::fclose>>;

// A file descriptor with one owner. Where a failing close loses data (D-07), release() it and call close
// yourself.
class FileDescriptor {
 public:
  FileDescriptor() noexcept = default;
  explicit FileDescriptor(int fd) noexcept : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(other.release()) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }
  ~FileDescriptor() { reset(); }

  int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }
  int release() noexcept { return std::exchange(fd_, -1); }
  void reset(int fd = -1) noexcept {
    if (fd_ >= 0) ::close(fd_);
    fd_ = fd;
  }

 private:
  int fd_ = -1;
};

}  // namespace sealpost
