// SPDX-License-Identifier: Apache-2.0
#include "spool/inspect.hpp"

#include <cerrno>
#include <memory>

namespace sealpost::spool {
namespace {

// Takes everything and keeps nothing.
class UnchangedFile final : public JournalFile {
 public:
  std::int64_t read_at(std::uint64_t, std::span<char>) noexcept override { return 0; }
  std::int64_t read_cached_at(std::uint64_t, std::span<char>) noexcept override { return 0; }
  std::int64_t size() noexcept override { return 0; }
  std::int64_t write_at(std::uint64_t, std::span<const iovec> pieces) noexcept override {
    std::int64_t octets = 0;
    for (const iovec& piece : pieces) octets += static_cast<std::int64_t>(piece.iov_len);
    return octets;
  }
  int allocate(std::uint64_t) noexcept override { return 0; }
  int sync_data() noexcept override { return 0; }
  void forget_cache() noexcept override {}
  int close() noexcept override { return 0; }
};

class UnchangedDisk final : public Disk {
 public:
  explicit UnchangedDisk(Disk& real) noexcept : real_(real) {}
  Opened open(const std::string& name, Access access) noexcept override {
    if (access == Access::read) return real_.open(name, access);
    return {std::make_unique<UnchangedFile>(), 0};
  }
  int rename(const std::string&, const std::string&) noexcept override { return 0; }
  bool leads_to(const std::string&, JournalFile&) noexcept override { return true; }
  int remove(const std::string&) noexcept override { return 0; }
  int make_directory(const std::string&) noexcept override { return 0; }
  int sync_directory(const std::string&) noexcept override { return 0; }
  int list(const std::string& directory, std::vector<std::string>& names) noexcept override {
    return real_.list(directory, names);
  }
  int space(Space& space) noexcept override { return real_.space(space); }

 private:
  Disk& real_;
};

// A start, but for what it would change.
struct Start {
  explicit Start(Disk& disk) : unchanged(disk) {}
  Expected<Recovered> recover(std::uint32_t segment_size) {
    return spool::recover(unchanged, segment_size, files, marks, state);
  }
  UnchangedDisk unchanged;
  SegmentFiles files{unchanged};
  MarkFiles marks{unchanged};
  JournalState state;
};

}  // namespace

Expected<Inspection> inspect(Disk& disk, std::uint32_t segment_size) {
  Start start(disk);
  auto recovered = start.recover(segment_size);
  if (!recovered) return recovered.error();
  Inspection found;
  found.messages = start.state.live_messages();
  found.records = recovered->records;
  found.segments = start.files.count();
  found.damaged = recovered->damaged;
  found.damages = std::move(recovered->damages);
  for (Damage& damage : found.damages)
    damage.to_be_kept = !damage.kept.empty() && disk.open(damage.kept, Disk::Access::read).error == -ENOENT;
  found.set_aside = std::move(recovered->set_aside);
  found.marks = std::move(recovered->marks);
  return found;
}

Expected<std::vector<StoredMessagePtr>> unfinished(Disk& disk, std::uint32_t segment_size) {
  Start start(disk);
  auto recovered = start.recover(segment_size);
  if (!recovered) return recovered.error();
  const auto messages = start.state.recovered();
  return std::vector<StoredMessagePtr>(messages.begin(), messages.end());
}

}  // namespace sealpost::spool
