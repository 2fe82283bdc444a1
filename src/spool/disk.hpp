// SPDX-License-Identifier: Apache-2.0
//
// Disk: the storage calls the journal makes, and nothing else makes one. PosixDisk does them, SimDisk
// (sim_disk.hpp) keeps, loses and tears what was not synced. Results are those of the system calls, so that
// what copes with short counts, EINTR and errors lies above this seam and is tested: octets or 0 when it went
// well, -errno otherwise. Names are relative to the spool directory: "journal/..." and "corrupt/...".
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sealpost/expected.hpp"

namespace sealpost::spool {

class JournalFile {
 public:
  virtual ~JournalFile() = default;
  // Any thread: reading.
  virtual std::int64_t read_at(std::uint64_t offset, std::span<char> into) noexcept = 0;
  // As read_at, but -EAGAIN when it would have to wait for the device, -EOPNOTSUPP when that cannot be told.
  virtual std::int64_t read_cached_at(std::uint64_t offset, std::span<char> into) noexcept = 0;
  virtual std::int64_t size() noexcept = 0;
  // One thread at a time: the rest.
  virtual std::int64_t write_at(std::uint64_t offset, std::span<const iovec> pieces) noexcept = 0;
  virtual int allocate(std::uint64_t size) noexcept = 0;
  virtual int sync_data() noexcept = 0;
  // Somebody has deleted it, put another file in its place, or cut it short: what is written to it now does not last.
  virtual bool detached() noexcept { return false; }
  // Its contents are not worth memory: what is written next should not find them there.
  virtual void forget_cache() noexcept = 0;
  virtual int close() noexcept = 0;  // once; the destructor closes without telling
};

struct Space {
  std::uint64_t free = 0, total = 0;          // octets for us
  std::uint64_t free_inodes = 0, inodes = 0;  // inodes 0: the file system has no such bound
};

class Disk {
 public:
  enum class Access : std::uint8_t { read, write, create };  // create: it must not exist
  struct Opened {
    std::unique_ptr<JournalFile> file;  // null: see error
    int error = 0;                      // -EPERM: a file, but not a private regular one of ours (T-51)
  };

  virtual ~Disk() = default;
  virtual Opened open(const std::string& name, Access access) noexcept = 0;
  virtual int rename(const std::string& from,
                     const std::string& to) noexcept = 0;  // never over an existing name
  // False: the name leads to nothing, or to another file than this open one of this disk.
  virtual bool leads_to(const std::string& name, JournalFile& file) noexcept = 0;
  virtual int remove(const std::string& name) noexcept = 0;
  virtual int make_directory(const std::string& name) noexcept = 0;  // 0 when it exists already
  virtual int sync_directory(const std::string& name) noexcept = 0;
  virtual int list(const std::string& directory,
                   std::vector<std::string>& names) noexcept = 0;  // without prefix
  virtual int space(Space& space) noexcept = 0;                    // any thread
};

// The error for a failed call: ENOSPC and EDQUOT are no_space, what says nothing about the data (descriptors,
// memory, permission) is unavailable, everything else is io.
Error disk_error(std::int64_t result, std::string_view what);

// Everything or an error: goes on after short counts and EINTR.
Expected<void> write_all(JournalFile& file, std::uint64_t offset, std::span<iovec> pieces);
Expected<void> write_all(JournalFile& file, std::uint64_t offset, std::string_view octets);
// Octets read: fewer than asked only at the end of the file.
Expected<std::size_t> read_full(JournalFile& file, std::uint64_t offset, std::span<char> into);

}  // namespace sealpost::spool
