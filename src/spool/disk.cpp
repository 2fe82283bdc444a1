// SPDX-License-Identifier: Apache-2.0
#include "spool/disk.hpp"

#include <cerrno>
#include <climits>
#include <system_error>

#include <algorithm>

namespace sealpost::spool {
namespace {

Errc code_of(int number) noexcept {
  switch (number) {
    case ENOSPC:
    case EDQUOT: return Errc::no_space;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EACCES:
    case EPERM:
    case ELOOP:
    case EROFS:
    case EAGAIN: return Errc::unavailable;
    case ENOENT: return Errc::not_found;
    case EEXIST: return Errc::exists;
    default: return Errc::io;
  }
}

// Drops the first `count` octets.
std::span<iovec> drop_front(std::span<iovec> pieces, std::size_t count) noexcept {
  while (!pieces.empty() && count >= pieces.front().iov_len) {
    count -= pieces.front().iov_len;
    pieces = pieces.subspan(1);
  }
  if (count > 0) {
    pieces.front().iov_base = static_cast<char*>(pieces.front().iov_base) + count;
    pieces.front().iov_len -= count;
  }
  return pieces;
}

}  // namespace

Error disk_error(std::int64_t result, std::string_view what) {
  const int number = static_cast<int>(-result);
  return Error(code_of(number), std::string(what) + ": " + std::generic_category().message(number));
}

Expected<void> write_all(JournalFile& file, std::uint64_t offset, std::span<iovec> pieces) {
  pieces = drop_front(pieces, 0);
  while (!pieces.empty()) {
    const auto some = pieces.first(std::min<std::size_t>(pieces.size(), IOV_MAX));
    const std::int64_t written = file.write_at(offset, some);
    if (written == -EINTR) continue;
    if (written == 0) return Error(Errc::io, "write: nothing was written");
    if (written < 0) return disk_error(written, "write");
    offset += static_cast<std::uint64_t>(written);
    pieces = drop_front(pieces, static_cast<std::size_t>(written));
  }
  return {};
}

Expected<void> write_all(JournalFile& file, std::uint64_t offset, std::string_view octets) {
  iovec piece{const_cast<char*>(octets.data()), octets.size()};
  return write_all(file, offset, std::span(&piece, 1));
}

Expected<std::size_t> read_full(JournalFile& file, std::uint64_t offset, std::span<char> into) {
  std::size_t got = 0;
  while (got < into.size()) {
    const std::int64_t read = file.read_at(offset + got, into.subspan(got));
    if (read == -EINTR) continue;
    if (read < 0) return disk_error(read, "read");
    if (read == 0) break;
    got += static_cast<std::size_t>(read);
  }
  return got;
}

}  // namespace sealpost::spool
