// SPDX-License-Identifier: Apache-2.0
//
// SimDisk: a disk in memory for tests and simulation. Files and names have a state that everybody sees and
// one that would survive a power cut; what was not synced can be kept, lost or torn. Any call can be made to
// fail, and the power can be cut at any call. A sync that fails leaves, as on Linux, its writes seen by everybody and
// beyond the reach of any later sync: a power cut shows which of them never were on the disk. Seeded: the same calls and seed give the same disk.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "spool/disk.hpp"

namespace sealpost::spool {

class SimDisk final : public Disk {
 public:
  explicit SimDisk(std::uint64_t seed = 1) : random_(seed) {}

  // Call `number` (from 1; calls() tells how many there were) gives this error instead of being done. Or, for
  // a write, short_write: half of it is done. Several may be planned.
  static constexpr int short_write = 0;
  void fail_at(std::uint64_t number, int error);
  // From call `number` on nothing is done any more: all calls give -EIO. The call itself may or may not have
  // reached the disk when the power was cut.
  void stop_at(std::uint64_t number);
  std::uint64_t calls() const;

  // What a restart finds. kill: the process is gone, the system lives: everything written is there, though not
  // safer than before. Afterwards calls work again and are counted from 0; files that were open stay dead.
  enum class Loss : std::uint8_t { kill, all, some };
  void crash(Loss loss);

  // Each holds until changed. Room for allocate() and for new octets; unlimited by default.
  void set_capacity(std::uint64_t octets);
  void set_space(const Space& space);
  void break_syncs(bool broken);              // every sync_data() fails with EIO
  void break_syncs_at(std::uint64_t number);  // ... from call `number` on
  void unreadable(int reads);                 // so many reads fail with EIO
  void heal();                                // no faults planned any more, and room enough

  // For tests: what lies there, and damage to it.
  std::vector<std::string> names() const;
  std::string contents(const std::string& name) const;
  void overwrite(const std::string& name, std::size_t offset, std::string_view octets);
  void put_file(const std::string& name, std::string octets);
  void truncate(const std::string& name, std::size_t size);
  std::uint64_t syncs() const;
  std::uint64_t octets_written() const;

  Opened open(const std::string& name, Access access) noexcept override;
  int rename(const std::string& from, const std::string& to) noexcept override;
  bool leads_to(const std::string& name, JournalFile& file) noexcept override;
  int remove(const std::string& name) noexcept override;
  int make_directory(const std::string& name) noexcept override;
  int sync_directory(const std::string& name) noexcept override;
  int list(const std::string& directory, std::vector<std::string>& names) noexcept override;
  int space(Space& space) noexcept override;

 private:
  struct Write {
    std::size_t offset = 0;
    std::string octets;
  };
  struct Inode {
    std::string seen;  // what reads give
    std::string durable;
    std::vector<Write> unsynced;  // in order
  };
  using InodePtr = std::shared_ptr<Inode>;
  struct NameChange {
    std::string gone, come;  // either may be empty
    InodePtr inode;          // of `come`
  };
  class File;
  friend class File;

  int begin_call(bool is_write = false);  // 0: do it; 1: do half of it; otherwise the error
  bool broken_syncs() const { return broken_syncs_ || (break_syncs_at_ != 0 && calls_ >= break_syncs_at_); }
  bool stopped() const { return stop_at_ != 0 && calls_ >= stop_at_; }
  bool cut_now() const {
    return stop_at_ != 0 && calls_ == stop_at_;
  }  // this is the call at which the power is cut
  void change_name(NameChange change);
  static void apply(std::map<std::string, InodePtr>& names, const NameChange& change);
  static void put_octets(std::string& into, std::size_t offset, std::string_view octets);
  void settle(Inode& inode, Loss loss);
  void fail_sync(Inode& inode);
  int write(Inode& inode, std::uint64_t offset, std::string octets);
  std::uint64_t used() const;

  mutable std::mutex mutex_;
  std::mt19937_64 random_;
  std::map<std::string, InodePtr> seen_, durable_;
  std::vector<NameChange> unsynced_names_;
  std::map<std::uint64_t, int> faults_;
  std::uint64_t stop_at_ = 0;
  std::uint64_t break_syncs_at_ = 0;
  std::uint64_t calls_ = 0;
  std::uint64_t generation_ = 0;
  std::uint64_t capacity_ = ~std::uint64_t{0};
  std::uint64_t syncs_ = 0, octets_written_ = 0;
  bool broken_syncs_ = false;
  int unreadable_ = 0;
  Space space_{std::uint64_t{1} << 40, std::uint64_t{1} << 40, 1u << 20, 1u << 20};
};

}  // namespace sealpost::spool
