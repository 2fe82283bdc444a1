// SPDX-License-Identifier: Apache-2.0
#include "spool/posix_disk.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "base/handles.hpp"
#include "base/log.hpp"
#include "base/process.hpp"

namespace sealpost::spool {
namespace {

constexpr mode_t others = S_IRWXG | S_IRWXO;

// -errno of the last call when it failed.
template <class Result>
std::int64_t result_of(Result result) noexcept {
  return result < 0 ? -errno : static_cast<std::int64_t>(result);
}

class PosixFile final : public JournalFile {
 public:
  explicit PosixFile(FileDescriptor descriptor) noexcept
      : descriptor_(std::move(descriptor)), least_(std::max<std::int64_t>(size(), 0)) {}

  std::int64_t read_at(std::uint64_t offset, std::span<char> into) noexcept override {
    return result_of(::pread(descriptor_.get(), into.data(), into.size(), static_cast<off_t>(offset)));
  }
  std::int64_t read_cached_at(std::uint64_t offset, std::span<char> into) noexcept override {
    const iovec piece{into.data(), into.size()};
    return result_of(::preadv2(descriptor_.get(), &piece, 1, static_cast<off_t>(offset), RWF_NOWAIT));
  }
  std::int64_t size() noexcept override {
    struct stat status {};
    return ::fstat(descriptor_.get(), &status) != 0 ? -errno : static_cast<std::int64_t>(status.st_size);
  }
  std::int64_t write_at(std::uint64_t offset, std::span<const iovec> pieces) noexcept override {
    return result_of(::pwritev(descriptor_.get(), pieces.data(), static_cast<int>(pieces.size()),
                               static_cast<off_t>(offset)));
  }
  int allocate(std::uint64_t size) noexcept override {
    int error = EINTR;
    while (error == EINTR) error = ::posix_fallocate(descriptor_.get(), 0, static_cast<off_t>(size));
    if (error == 0) least_ = std::max(least_, static_cast<std::int64_t>(size));
    return -error;
  }
  bool detached() noexcept override {
    struct stat status {};
    return ::fstat(descriptor_.get(), &status) == 0 && (status.st_nlink == 0 || status.st_size < least_);
  }
  int sync_data() noexcept override { return static_cast<int>(result_of(::fdatasync(descriptor_.get()))); }
  void forget_cache() noexcept override { ::posix_fadvise(descriptor_.get(), 0, 0, POSIX_FADV_DONTNEED); }
  int close() noexcept override { return static_cast<int>(result_of(::close(descriptor_.release()))); }
  int fd() const noexcept { return descriptor_.get(); }

 private:
  FileDescriptor descriptor_;
  std::int64_t least_;  // octets it had when it was opened, or was given
};

// T-51: a name planted by someone else must not make us read or write their file.
bool is_private(int fd, uid_t owner) noexcept {
  struct stat status {};
  return ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_uid == owner &&
         status.st_nlink == 1 && (status.st_mode & others) == 0;
}

class PosixDisk final : public Disk {
 public:
  PosixDisk(FileDescriptor root, uid_t owner) noexcept : root_(std::move(root)), owner_(owner) {
    fill_reserve();
  }

  Opened open(const std::string& name, Access access) noexcept override {
    int flags = O_RDWR;
    if (access == Access::read) flags = O_RDONLY;
    if (access == Access::create) flags = O_RDWR | O_CREAT | O_EXCL;
    // O_NONBLOCK: a planted pipe must not stop us; it means nothing for the regular files that pass the
    // check.
    flags |= O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    FileDescriptor fd(::openat(root_.get(), name.c_str(), flags, 0600));
    // What writes the journal has a descriptor in reserve, so that it does not stand still while others hold them all.
    if (fd.get() < 0 && errno == EMFILE && access != Access::read && take_reserve())
      fd = FileDescriptor(::openat(root_.get(), name.c_str(), flags, 0600));
    if (fd.get() < 0 && errno == EACCES && give_back_to_us(name))
      fd = FileDescriptor(::openat(root_.get(), name.c_str(), flags, 0600));
    if (fd.get() < 0) return {nullptr, -errno};
    fill_reserve();
    if (!is_private(fd.get(), owner_)) return {nullptr, -EPERM};
    return {std::make_unique<PosixFile>(std::move(fd)), 0};
  }
  bool leads_to(const std::string& name, JournalFile& file) noexcept override {
    struct stat there {};
    if (::fstatat(root_.get(), name.c_str(), &there, AT_SYMLINK_NOFOLLOW) != 0) return errno != ENOENT;
    return is_still(name, static_cast<PosixFile&>(file).fd());
  }
  int rename(const std::string& from, const std::string& to) noexcept override {
    if (::renameat2(root_.get(), from.c_str(), root_.get(), to.c_str(), RENAME_NOREPLACE) == 0) return 0;
    if (errno != EINVAL && errno != ENOSYS) return -errno;
    // A file system without that flag. We hold the lock on the directory, so nobody makes the name in
    // between.
    if (::faccessat(root_.get(), to.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0) return -EEXIST;
    return status(::renameat(root_.get(), from.c_str(), root_.get(), to.c_str()));
  }
  int remove(const std::string& name) noexcept override {
    return status(::unlinkat(root_.get(), name.c_str(), 0));
  }
  int make_directory(const std::string& name) noexcept override {
    if (::mkdirat(root_.get(), name.c_str(), 0700) == 0) return status(::fsync(root_.get()));
    if (errno != EEXIST) return -errno;
    struct stat found {};
    if (::fstatat(root_.get(), name.c_str(), &found, AT_SYMLINK_NOFOLLOW) != 0) return -errno;
    const bool ours = S_ISDIR(found.st_mode) && found.st_uid == ::geteuid() && (found.st_mode & others) == 0;
    return ours ? 0 : -EPERM;
  }
  // Kept open: a segment can be begun and freed when no descriptor is to be had.
  int sync_directory(const std::string& name) noexcept override {
    const std::lock_guard lock(mutex_);
    FileDescriptor& fd = directories_[name];
    if (fd.get() >= 0 && !is_still(name, fd.get())) fd.reset();  // another one was put in its place
    if (fd.get() < 0)
      fd = FileDescriptor(
          ::openat(root_.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    return fd.get() < 0 ? -errno : status(::fsync(fd.get()));
  }
  int list(const std::string& directory, std::vector<std::string>& names) noexcept override {
    FileDescriptor fd(
        ::openat(root_.get(), directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (fd.get() < 0) return -errno;
    DIR* stream = ::fdopendir(fd.get());
    if (stream == nullptr) return -errno;
    fd.release();  // now the stream's
    errno = 0;
    while (const dirent* entry = ::readdir(stream)) {
      const std::string name = entry->d_name;
      if (name != "." && name != "..") names.push_back(name);
      errno = 0;
    }
    const int error = errno;
    ::closedir(stream);
    return -error;
  }
  int space(Space& space) noexcept override {
    struct statvfs found {};
    if (::fstatvfs(root_.get(), &found) != 0) return -errno;
    space.free = std::uint64_t{found.f_bavail} * found.f_frsize;
    space.total = std::uint64_t{found.f_blocks} * found.f_frsize;
    space.free_inodes = found.f_favail;
    space.inodes = found.f_files;
    return 0;
  }

 private:
  static int status(int result) noexcept { return result < 0 ? -errno : 0; }
  // A file of ours that a `chmod` has closed to us as well. One that is open to others is refused (T-51), not mended.
  bool give_back_to_us(const std::string& name) noexcept {
    struct stat found {};
    const bool closed = ::fstatat(root_.get(), name.c_str(), &found, AT_SYMLINK_NOFOLLOW) == 0 &&
                        S_ISREG(found.st_mode) && found.st_uid == owner_ && found.st_nlink == 1 &&
                        (found.st_mode & others) == 0;
    if (!closed || ::fchmodat(root_.get(), name.c_str(), 0600, 0) != 0) {
      errno = EACCES;
      return false;
    }
    log::warning("spool_file_mode",
                 {{"file", name}, {"why", "its owner could not open it"}, {"did", "chmod 600"}});
    return true;
  }
  bool is_still(const std::string& name, int fd) const noexcept {
    struct stat open {
    }, there{};
    return ::fstat(fd, &open) == 0 &&
           ::fstatat(root_.get(), name.c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0 &&
           open.st_dev == there.st_dev && open.st_ino == there.st_ino;
  }
  bool take_reserve() noexcept {
    const std::lock_guard lock(mutex_);
    if (reserve_.empty()) return false;
    reserve_.pop_back();
    return true;
  }
  void fill_reserve() noexcept {
    const std::lock_guard lock(mutex_);
    while (reserve_.size() < most_reserve) {
      FileDescriptor fd(::fcntl(root_.get(), F_DUPFD_CLOEXEC, 0));
      if (fd.get() < 0) return;
      reserve_.push_back(std::move(fd));
    }
  }
  static constexpr std::size_t most_reserve = 2;
  FileDescriptor root_;
  const uid_t owner_;  // of all files
  std::mutex mutex_;
  std::vector<FileDescriptor> reserve_;
  std::map<std::string, FileDescriptor> directories_;  // by name
};

Error refused(const std::string& directory, std::string_view why) {
  return Error(Errc::refused, "spool directory " + directory + ": " + std::string(why));
}

Expected<void> check_directory(int fd, const std::string& directory) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return disk_error(-errno, "spool directory " + directory);
  if (status.st_uid != ::geteuid())
    return refused(directory, "belongs to uid " + std::to_string(status.st_uid) + ", sealpost runs as uid " +
                                  std::to_string(::geteuid()) + "; chown it to that user");
  if ((status.st_mode & others) != 0) return refused(directory, "is open to other users; chmod 700 it");
  struct statfs system {};
  if (::fstatfs(fd, &system) != 0) return disk_error(-errno, "spool directory " + directory);
  if (is_remote_file_system(system.f_type))
    return refused(directory, "is on a network or user-space file system; put it on a local disk");
  if (system.f_type == TMPFS_MAGIC)
    log::warning("spool_volatile", {{"directory", directory}, {"why", "tmpfs forgets all mail at a reboot"}});
  return {};
}

}  // namespace

bool is_remote_file_system(std::int64_t type) noexcept {
  constexpr std::array<std::int64_t, 12> remote{
      NFS_SUPER_MAGIC,  SMB_SUPER_MAGIC,  SMB2_SUPER_MAGIC,        CIFS_SUPER_MAGIC,
      CODA_SUPER_MAGIC, NCP_SUPER_MAGIC,  AFS_SUPER_MAGIC,         V9FS_MAGIC,
      CEPH_SUPER_MAGIC, FUSE_SUPER_MAGIC, 0x0BD00BD0 /* Lustre */, 0x47504653 /* GPFS */};
  for (const std::int64_t magic : remote)
    if ((type & 0xFFFFFFFF) == (magic & 0xFFFFFFFF)) return true;
  return false;
}

Expected<std::unique_ptr<Disk>> open_posix_disk(const std::string& directory) {
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)
    return disk_error(-errno, "cannot make the spool directory " + directory);
  FileDescriptor root(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (root.get() < 0 && (errno == ELOOP || errno == ENOTDIR))
    return refused(directory, "is a symbolic link or not a directory; name the directory itself");
  if (root.get() < 0) return disk_error(-errno, "spool directory " + directory);
  auto checked = check_directory(root.get(), directory);
  if (!checked) return checked.error();
  if (::flock(root.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return disk_error(-errno, "cannot lock the spool directory " + directory);
    const std::string owner = lock_owner(root.get());
    return Error(Errc::exists, "spool directory " + directory + ": another sealpost is using it" +
                                   (owner.empty() ? "" : ", " + owner) + "; stop that one first");
  }
  return std::unique_ptr<Disk>(std::make_unique<PosixDisk>(std::move(root), ::geteuid()));
}

Expected<std::unique_ptr<Disk>> open_posix_disk_to_read(const std::string& directory) {
  FileDescriptor root(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (root.get() < 0) return disk_error(-errno, "spool directory " + directory);
  struct stat status {};
  if (::fstat(root.get(), &status) != 0) return disk_error(-errno, "spool directory " + directory);
  if (::flock(root.get(), LOCK_SH | LOCK_NB) != 0) {
    const std::string owner = lock_owner(root.get());
    return Error(Errc::exists,
                 "spool directory " + directory + " is in use" + (owner.empty() ? "" : " by " + owner));
  }
  return std::unique_ptr<Disk>(std::make_unique<PosixDisk>(std::move(root), status.st_uid));
}

}  // namespace sealpost::spool
