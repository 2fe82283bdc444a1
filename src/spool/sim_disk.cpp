// SPDX-License-Identifier: Apache-2.0
#include "spool/sim_disk.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace sealpost::spool {
namespace {
constexpr std::size_t sector = 512;
constexpr int half = 1;
}  // namespace

class SimDisk::File final : public JournalFile {
 public:
  File(SimDisk& disk, InodePtr inode)
      : disk_(disk), inode_(std::move(inode)), generation_(disk.generation_), least_(inode_->seen.size()) {}

  std::int64_t read_at(std::uint64_t offset, std::span<char> into) noexcept override {
    const std::lock_guard lock(disk_.mutex_);
    if (const int error = begin()) return error;
    if (disk_.unreadable_ > 0 && disk_.unreadable_-- > 0) return -EIO;
    return read(offset, into);
  }
  std::int64_t read_cached_at(std::uint64_t offset, std::span<char> into) noexcept override {
    const std::lock_guard lock(disk_.mutex_);
    if (disk_.unreadable_ > 0) return -EAGAIN;
    return generation_ == disk_.generation_ ? read(offset, into) : -EIO;  // memory, not storage: not counted
  }
  std::int64_t size() noexcept override {
    const std::lock_guard lock(disk_.mutex_);
    if (const int error = begin()) return error;
    return static_cast<std::int64_t>(inode_->seen.size());
  }
  std::int64_t write_at(std::uint64_t offset, std::span<const iovec> pieces) noexcept override {
    const std::lock_guard lock(disk_.mutex_);
    std::string octets;
    for (const iovec& piece : pieces) octets.append(static_cast<const char*>(piece.iov_base), piece.iov_len);
    if (generation_ != disk_.generation_) return -EIO;
    const int error = disk_.begin_call(true);
    if (error < 0 && !disk_.cut_now()) return error;
    if (error == half) octets.resize(octets.size() > 1 ? octets.size() / 2 : 1);
    const auto count = static_cast<std::int64_t>(octets.size());
    if (const int failed = disk_.write(*inode_, offset, std::move(octets))) return failed;
    return error < 0 ? error : count;
  }
  int allocate(std::uint64_t size) noexcept override {
    const std::lock_guard lock(disk_.mutex_);
    if (const int error = begin()) return error;
    if (size <= inode_->seen.size()) return 0;
    const std::uint64_t written = disk_.octets_written_;  // blocks given, not written
    const int failed =
        disk_.write(*inode_, inode_->seen.size(), std::string(size - inode_->seen.size(), '\0'));
    disk_.octets_written_ = written;
    least_ = std::max(least_, inode_->seen.size());
    return failed;
  }
  int sync_data() noexcept override {
    const std::lock_guard lock(disk_.mutex_);
    if (generation_ != disk_.generation_) return -EIO;
    const int error = disk_.begin_call();
    if (error != 0 && disk_.stopped() && !disk_.cut_now()) return error;  // nobody asks the disk any more
    if (error != 0 && !disk_.stopped()) {
      disk_.fail_sync(*inode_);
      return error;
    }
    if (error == 0 && disk_.broken_syncs()) {
      disk_.fail_sync(*inode_);
      return -EIO;
    }
    if (error != 0 && disk_.random_() % 2 == 0) return error;  // it did not get that far
    ++disk_.syncs_;
    for (const Write& write : inode_->unsynced) put_octets(inode_->durable, write.offset, write.octets);
    inode_->unsynced.clear();
    return error;
  }
  bool detached() noexcept override {
    const std::lock_guard lock(disk_.mutex_);
    const auto& names = disk_.seen_;
    return generation_ == disk_.generation_ &&
           (inode_->seen.size() < least_ ||
            std::none_of(names.begin(), names.end(), [this](const auto& at) { return at.second == inode_; }));
  }
  bool is_at(const std::map<std::string, InodePtr>& names, const std::string& name) const {
    if (generation_ != disk_.generation_) return true;  // of before a crash: nobody has it any more
    const auto at = names.find(name);
    return at != names.end() && at->second == inode_;
  }
  void forget_cache() noexcept override {}
  int close() noexcept override {
    const std::lock_guard lock(disk_.mutex_);
    return begin();
  }

 private:
  int begin() { return generation_ == disk_.generation_ ? disk_.begin_call() : -EIO; }
  std::int64_t read(std::uint64_t offset, std::span<char> into) const {
    if (offset >= inode_->seen.size()) return 0;
    const std::size_t count = std::min<std::size_t>(into.size(), inode_->seen.size() - offset);
    std::copy_n(inode_->seen.data() + offset, count, into.data());
    return static_cast<std::int64_t>(count);
  }

  SimDisk& disk_;
  InodePtr inode_;
  std::uint64_t generation_;
  std::size_t least_;
};

void SimDisk::fail_at(std::uint64_t number, int error) {
  const std::lock_guard lock(mutex_);
  faults_[number] = error;
}

void SimDisk::stop_at(std::uint64_t number) {
  const std::lock_guard lock(mutex_);
  stop_at_ = number;
}

std::uint64_t SimDisk::calls() const {
  const std::lock_guard lock(mutex_);
  return calls_;
}

void SimDisk::heal() {
  const std::lock_guard lock(mutex_);
  faults_.clear();
  capacity_ = ~std::uint64_t{0};
  broken_syncs_ = false;
  break_syncs_at_ = 0;
  unreadable_ = 0;
}

int SimDisk::begin_call(bool is_write) {
  ++calls_;
  if (stopped()) return -EIO;
  const auto fault = faults_.find(calls_);
  if (fault == faults_.end()) return 0;
  if (fault->second == short_write) return is_write ? half : 0;
  return -fault->second;
}

int SimDisk::write(Inode& inode, std::uint64_t offset, std::string octets) {
  const std::size_t end = offset + octets.size();
  if (end > inode.seen.size() && used() + (end - inode.seen.size()) > capacity_) return -ENOSPC;
  put_octets(inode.seen, offset, octets);
  octets_written_ += octets.size();
  inode.unsynced.push_back(Write{offset, std::move(octets)});
  return 0;
}

std::uint64_t SimDisk::used() const {
  std::uint64_t sum = 0;
  for (const auto& [name, inode] : seen_) sum += inode->seen.size();
  return sum;
}

void SimDisk::put_octets(std::string& into, std::size_t offset, std::string_view octets) {
  if (into.size() < offset + octets.size()) into.resize(offset + octets.size());
  std::copy(octets.begin(), octets.end(), into.begin() + static_cast<std::ptrdiff_t>(offset));
}

void SimDisk::apply(std::map<std::string, InodePtr>& names, const NameChange& change) {
  if (!change.gone.empty()) names.erase(change.gone);
  if (!change.come.empty()) names[change.come] = change.inode;
}

void SimDisk::change_name(NameChange change) {
  apply(seen_, change);
  unsynced_names_.push_back(std::move(change));
}

void SimDisk::crash(Loss loss) {
  const std::lock_guard lock(mutex_);
  ++generation_;
  calls_ = 0;
  stop_at_ = 0;
  break_syncs_at_ = 0;
  faults_.clear();
  if (loss == Loss::kill) return;  // what was not synced still is not
  for (const NameChange& change : unsynced_names_)
    if (loss == Loss::some && random_() % 2 == 0) apply(durable_, change);
  unsynced_names_.clear();
  seen_ = durable_;
  for (const auto& [name, inode] : durable_) settle(*inode, loss);
}

void SimDisk::settle(Inode& inode, Loss loss) {
  for (const Write& write : inode.unsynced) {
    const auto fate = loss == Loss::all ? 1 : random_() % 3;
    if (fate == 0) put_octets(inode.durable, write.offset, write.octets);
    if (fate != 2) continue;
    for (std::size_t at = 0; at < write.octets.size();) {  // torn: each sector by itself
      const std::size_t step = std::min(sector - (write.offset + at) % sector, write.octets.size() - at);
      if (random_() % 2 == 0)
        put_octets(inode.durable, write.offset + at, std::string_view(write.octets).substr(at, step));
      at += step;
    }
  }
  inode.unsynced.clear();
  inode.seen = inode.durable;
}

// As on Linux: some of it may have been written, and the next sync would succeed as if all had.
void SimDisk::fail_sync(Inode& inode) {
  for (const Write& write : inode.unsynced)
    if (random_() % 2 == 0) put_octets(inode.durable, write.offset, write.octets);
  inode.unsynced.clear();
}

void SimDisk::set_capacity(std::uint64_t octets) {
  const std::lock_guard lock(mutex_);
  capacity_ = octets;
}

void SimDisk::set_space(const Space& space) {
  const std::lock_guard lock(mutex_);
  space_ = space;
}

void SimDisk::break_syncs(bool broken) {
  const std::lock_guard lock(mutex_);
  broken_syncs_ = broken;
}

void SimDisk::unreadable(int reads) {
  const std::lock_guard lock(mutex_);
  unreadable_ = reads;
}

void SimDisk::break_syncs_at(std::uint64_t number) {
  const std::lock_guard lock(mutex_);
  break_syncs_at_ = number;
}

std::vector<std::string> SimDisk::names() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> all;
  for (const auto& [name, inode] : seen_) all.push_back(name);
  return all;
}

std::string SimDisk::contents(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const auto at = seen_.find(name);
  return at == seen_.end() ? std::string() : at->second->seen;
}

void SimDisk::overwrite(const std::string& name, std::size_t offset, std::string_view octets) {
  const std::lock_guard lock(mutex_);
  Inode& inode = *seen_.at(name);
  put_octets(inode.seen, offset, octets);
  put_octets(inode.durable, offset, octets);
}

void SimDisk::put_file(const std::string& name, std::string octets) {
  const std::lock_guard lock(mutex_);
  auto inode = std::make_shared<Inode>();
  inode->seen = inode->durable = std::move(octets);
  seen_[name] = durable_[name] = std::move(inode);
}

void SimDisk::truncate(const std::string& name, std::size_t size) {
  const std::lock_guard lock(mutex_);
  Inode& inode = *seen_.at(name);
  inode.seen.resize(size);
  inode.durable.resize(size);
  inode.unsynced.clear();
}

std::uint64_t SimDisk::syncs() const {
  const std::lock_guard lock(mutex_);
  return syncs_;
}

std::uint64_t SimDisk::octets_written() const {
  const std::lock_guard lock(mutex_);
  return octets_written_;
}

Disk::Opened SimDisk::open(const std::string& name, Access access) noexcept {
  const std::lock_guard lock(mutex_);
  if (const int error = begin_call()) return {nullptr, error};
  const auto at = seen_.find(name);
  if (access == Access::create) {
    if (at != seen_.end()) return {nullptr, -EEXIST};
    auto inode = std::make_shared<Inode>();
    change_name(NameChange{"", name, inode});
    return {std::make_unique<File>(*this, std::move(inode)), 0};
  }
  if (at == seen_.end()) return {nullptr, -ENOENT};
  return {std::make_unique<File>(*this, at->second), 0};
}

int SimDisk::rename(const std::string& from, const std::string& to) noexcept {
  const std::lock_guard lock(mutex_);
  const int error = begin_call();
  if (error != 0 && !cut_now()) return error;
  const auto at = seen_.find(from);
  if (at == seen_.end()) return -ENOENT;
  if (seen_.contains(to)) return -EEXIST;
  change_name(NameChange{from, to, InodePtr(at->second)});
  return error;
}

bool SimDisk::leads_to(const std::string& name, JournalFile& file) noexcept {
  const std::lock_guard lock(mutex_);
  return static_cast<File&>(file).is_at(seen_, name);
}

int SimDisk::remove(const std::string& name) noexcept {
  const std::lock_guard lock(mutex_);
  const int error = begin_call();
  if (error != 0 && !cut_now()) return error;
  if (!seen_.contains(name)) return -ENOENT;
  change_name(NameChange{name, "", nullptr});
  return error;
}

int SimDisk::make_directory(const std::string&) noexcept {
  const std::lock_guard lock(mutex_);
  return begin_call();
}

int SimDisk::sync_directory(const std::string& name) noexcept {
  const std::lock_guard lock(mutex_);
  const int error = begin_call();
  if (error != 0 && !cut_now()) return error;
  if (error != 0 && random_() % 2 == 0) return error;
  const auto inside = [&](const std::string& path) {
    if (name == ".") return !path.empty() && path.find('/') == std::string::npos;
    return path.starts_with(name + "/");
  };
  std::erase_if(unsynced_names_, [&](const NameChange& change) {
    if (!inside(change.gone) && !inside(change.come)) return false;
    apply(durable_, change);
    return true;
  });
  return error;
}

int SimDisk::list(const std::string& directory, std::vector<std::string>& names) noexcept {
  const std::lock_guard lock(mutex_);
  if (const int error = begin_call()) return error;
  const std::string prefix = directory + "/";
  bool any = false;
  for (const auto& [name, inode] : seen_) {
    if (!name.starts_with(prefix)) continue;
    any = true;
    names.push_back(name.substr(prefix.size()));
  }
  return any ? 0 : -ENOENT;
}

int SimDisk::space(Space& space) noexcept {
  const std::lock_guard lock(mutex_);
  space = space_;
  return 0;
}

}  // namespace sealpost::spool
