// SPDX-License-Identifier: Apache-2.0
//
// Small files that must be there, and whole, after a power cut: what was written is synced, and so is the directory that
// names it. For the journal see spool/disk.hpp. Blocking: never on an event loop.
#pragma once

#include <string>
#include <string_view>

#include "base/handles.hpp"
#include "sealpost/expected.hpp"

namespace sealpost {

// Of the call that just failed, from errno: "PATH: STEP: No space left on device". Errc::no_space for a full disk or quota,
// Errc::unavailable where descriptors or memory are short, which passes, Errc::not_found, else Errc::io.
Error file_error(const std::string& path, const char* step);
// Errc::io, whatever it was: "PATH: No space left on device".
Error io_error(const std::string& path, int number);

// All of it, however often the call is interrupted. False: errno says why.
bool write_all(int fd, std::string_view octets) noexcept;
// The names in a directory, durably. False: errno says why.
bool sync_directory(const std::string& directory) noexcept;
// "data/rules" of "data/rules/current.json"; "." where no directory is named.
std::string directory_of(const std::string& path);
// Nothing has that name, be it a link that leads nowhere. What cannot be asked is not absent.
bool is_absent(const std::string& path) noexcept;

// A file that is not at `path` yet: written to `path`.new, private to the owner, and put in its place by commit(), so that
// there is the old one or the whole new one at any time. Without commit() the old one stays.
class FileReplacement {
 public:
  static Expected<FileReplacement> begin(const std::string& path);
  Expected<void> write(std::string_view octets);
  // The descriptor, open for reading and appending.
  Expected<FileDescriptor> commit();

 private:
  FileReplacement(std::string path, FileDescriptor fd) : path_(std::move(path)), fd_(std::move(fd)) {}
  Error give_up(const char* step);
  std::string path_;
  FileDescriptor fd_;
};

Expected<void> replace_file(const std::string& path, std::string_view octets);

}  // namespace sealpost
