// SPDX-License-Identifier: Apache-2.0
#include "spool/write_again.hpp"

#include <algorithm>

#include "spool/record_codec.hpp"

namespace sealpost::spool {
namespace {

constexpr int tries =
    3;  // a passing error must not need a person; each writes all of it, so a success is one

Expected<void> write_and_sync(Disk& disk, const std::string& path, std::string_view octets,
                              std::span<const std::size_t> unreadable) {
  auto opened = disk.open(path, Disk::Access::write);
  if (!opened.file) return disk_error(opened.error, "open");
  std::size_t at = 0;
  while (at < octets.size()) {
    const std::size_t end = unreadable.empty() ? octets.size() : std::min(unreadable.front(), octets.size());
    if (at < end) {
      auto written = write_all(*opened.file, at, octets.substr(at, end - at));
      if (!written) return written.error();
    }
    at = end + page_size;
    if (!unreadable.empty()) unreadable = unreadable.subspan(1);
  }
  if (const int synced = opened.file->sync_data(); synced != 0) return disk_error(synced, "sync");
  return {};
}

}  // namespace

Expected<void> write_again(Disk& disk, const std::string& path, std::string_view octets,
                           std::span<const std::size_t> unreadable) {
  Expected<void> done = write_and_sync(disk, path, octets, unreadable);
  for (int i = 1; i < tries && !done; ++i) done = write_and_sync(disk, path, octets, unreadable);
  if (done) return {};
  return Error(done.error().code,
               path + " cannot be made durable (" + done.error().detail +
                   "): what was written last to the journal must be safe before mail is taken or "
                   "sent; check the disk, then start again");
}

}  // namespace sealpost::spool
