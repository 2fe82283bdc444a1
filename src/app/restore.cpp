// SPDX-License-Identifier: Apache-2.0
#include "app/restore.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include <nlohmann/json.hpp>

#include "app/clock_record.hpp"
#include "app/data_dir_lock.hpp"
#include "app/file_pieces.hpp"
#include "base/as_owner.hpp"
#include "base/durable_file.hpp"
#include "base/handles.hpp"
#include "privilege/identity.hpp"
#include "spool/inspect.hpp"
#include "spool/options.hpp"
#include "spool/posix_disk.hpp"

namespace sealpost::app {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using BeforeStep = std::function<void(const char*)>;

constexpr const char* staged = "/restore.new";
constexpr const char* decided = "/restore.ready";
constexpr const char* plan_name = "restore.json";
constexpr int most_tries = 10;

void tell(const BeforeStep& before_step, const char* step) {
  if (before_step) before_step(step);
}

struct Plan {
  std::string before;              // the directory in data_dir for what was there
  std::vector<std::string> names;  // of the new
  bool keep_queue = false;
};

Expected<Plan> read_plan(const std::string& path) {
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  std::string text(1 << 20, '\0');
  const ssize_t got = file ? ::read(file.get(), text.data(), text.size()) : -1;
  if (got < 0) return io_error(path, errno);
  const Json json = Json::parse(text.substr(0, static_cast<std::size_t>(got)), nullptr, false);
  try {
    Plan plan;
    plan.before = json.at("before").get<std::string>();
    plan.names = json.at("names").get<std::vector<std::string>>();
    plan.keep_queue = json.at("keep_queue").get<bool>();
    return plan;
  } catch (const Json::exception&) {
    return Error(Errc::damaged,
                 path + " cannot be read: a restore was cut off, and how it was to end is not known; " +
                     "what was there is in " + directory_of(path) + "/.. and, in part, in before-restore-*");
  }
}

bool is_there(const std::string& path) { return !is_absent(path); }

// Sockets are nobody's data; what is mounted there stays.
bool stays(const std::string& data_dir, const std::string& name) {
  struct stat status {};
  return is_of_restores(name) || is_of_the_disk(name) ||
         (::lstat((data_dir + "/" + name).c_str(), &status) == 0 && S_ISSOCK(status.st_mode));
}

// Why it could not be moved, which would otherwise be found out after the decision; empty: it can, as far as that can be told.
std::string why_not_movable(const std::string& data_dir, const std::string& name) {
  const std::string path = data_dir + "/" + name;
  struct statx found {
  }, above{};
  if (::statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &found) != 0 ||
      ::statx(AT_FDCWD, data_dir.c_str(), 0, STATX_BASIC_STATS, &above) != 0)
    return {};
  if ((found.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0)
    return std::string(
               "is a file system of its own and cannot be set aside; put the backup in place by hand") +
           (name == "spool" ? ", or say --keep-queue" : "");
  if ((found.stx_attributes & (STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND)) != 0)
    return "may not be moved; take that mark from it ('chattr -ia')";
  const uid_t who = static_cast<uid_t>(::setfsuid(static_cast<uid_t>(-1)));  // asks only
  if ((above.stx_mode & S_ISVTX) != 0 && who != 0 && found.stx_uid != who && above.stx_uid != who)
    return "belongs to uid " + std::to_string(found.stx_uid) +
           " in a directory where only its owner may move it; chown it";
  // Its entry ".." changes.
  if (S_ISDIR(found.stx_mode) && ::faccessat(AT_FDCWD, path.c_str(), W_OK, AT_EACCESS) != 0 &&
      errno == EACCES)
    return "is a directory that uid " + std::to_string(who) +
           " may not write to, so it cannot be moved; chown or chmod it";
  return {};
}

// Never over what has that name: whatever it is, somebody may miss it.
Expected<void> move(const std::string& from, const std::string& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return {};
  int number = errno;
  if (number == EINVAL ||
      number == ENOSYS) {  // a file system without that flag; the lock keeps others of ours away
    if (is_there(to))
      number = EEXIST;
    else if (::rename(from.c_str(), to.c_str()) == 0)
      return {};
    else
      number = errno;
  }
  if (number == EEXIST)
    return Error(Errc::io,
                 to + " is in the way of " + from + "; move one of them out of " + directory_of(to));
  return io_error(from + " to " + to, number);
}

// Each name is in one of three places, whatever was done before: an old one in data_dir, a new one still in restore.ready,
// a new one already in data_dir.
Expected<void> put_in_place(const std::string& data_dir, const BeforeStep& before_step) {
  const std::string ready = data_dir + decided;
  const auto plan = read_plan(ready + "/" + plan_name);
  if (!plan) return plan.error();
  const std::string before = data_dir + "/" + plan->before;
  const auto is_new = [&](const std::string& name) {
    return std::find(plan->names.begin(), plan->names.end(), name) != plan->names.end() &&
           is_absent(ready + "/" + name);
  };
  const auto there = names_in(data_dir);
  if (!there) return there.error();
  for (const std::string& name : *there) {
    if (stays(data_dir, name) || is_new(name) || (plan->keep_queue && name == "spool")) continue;
    tell(before_step, "set aside");
    if (::mkdir(before.c_str(), 0700) != 0 && errno != EEXIST) return io_error(before, errno);
    if (auto moved = move(data_dir + "/" + name, before + "/" + name); !moved) return moved;
  }
  if (is_there(before) && !sync_directory(before)) return io_error(before, errno);
  for (const std::string& name : plan->names) {
    if (is_absent(ready + "/" + name)) continue;
    tell(before_step, "put in place");
    if (auto moved = move(ready + "/" + name, data_dir + "/" + name); !moved) return moved;
  }
  if (!sync_directory(data_dir)) return io_error(data_dir, errno);
  tell(before_step, "end");
  if (auto ended = move(ready, data_dir + staged); !ended) return ended;
  if (!sync_directory(data_dir)) return io_error(data_dir, errno);
  std::error_code failure;
  fs::remove_all(data_dir + staged, failure);  // what is left of it is in nobody's way
  return {};
}

// What is where when moving could not go on.
Error unfinished(const std::string& data_dir, const Error& why) {
  const std::string ready = data_dir + decided;
  std::string waiting, former;
  if (const auto plan = read_plan(ready + "/" + plan_name)) {
    for (const std::string& name : plan->names)
      if (is_there(ready + "/" + name)) waiting += (waiting.empty() ? "" : ", ") + name;
    if (is_there(data_dir + "/" + plan->before)) former = data_dir + "/" + plan->before;
  }
  return Error(why.code,
               "a restore into " + data_dir + " is decided and could not be finished: " + why.detail + ". " +
                   (waiting.empty() ? std::string("All of the new is in its place")
                                    : "Still in " + ready + ", to be put in place: " + waiting) +
                   "; what was there " +
                   (former.empty() ? "has not been moved yet" : "is, as far as it was moved, in " + former) +
                   ". Nothing is lost. Remove the cause; then the start of the relay, or 'sealpost restore' "
                   "said again, ends it");
}

Expected<void> finish(const std::string& data_dir, const BeforeStep& before_step) {
  if (auto done = put_in_place(data_dir, before_step); !done) return unfinished(data_dir, done.error());
  return {};
}

RestoreFailure decided_already(Error error) {
  RestoreFailure failure(std::move(error));
  failure.decided = true;
  return failure;
}

class Restore {
 public:
  explicit Restore(const RestoreWish& wish) : wish_(wish) {}

  // For root: what only who asks can read, while all else is done as the owner of data_dir.
  class Eyes {
   public:
    explicit Eyes(const struct stat& owner) noexcept : owner_(owner) {
      ::setfsuid(::geteuid());
      ::setfsgid(::getegid());
    }
    Eyes(const Eyes&) = delete;
    Eyes& operator=(const Eyes&) = delete;
    ~Eyes() {
      ::setfsgid(owner_.st_gid);
      ::setfsuid(owner_.st_uid);
    }

   private:
    const struct stat& owner_;
  };

  Expected<Restored, RestoreFailure> run() {
    auto checked = check_backup(wish_.backup);
    if (!checked) return RestoreFailure(checked.error());
    done_.backup = std::move(*checked);
    if (auto made = make_data_dir(); !made) return RestoreFailure(made.error());
    const auto locked = lock_data_dir(wish_.data_dir, NamesAre::moved);
    if (!locked) return RestoreFailure(locked.error());
    if (auto queue = look_at_queue(); !queue) return RestoreFailure(queue.error());
    const AsOwner hands(owner_);
    if (is_there(wish_.data_dir + decided)) {  // cut off, and decided
      if (auto ended = finish(wish_.data_dir, wish_.before_step); !ended)
        return decided_already(ended.error());
      return decided_already(
          Error(Errc::exists, "a restore into " + wish_.data_dir +
                                  " had been cut off and is finished now; say again what you want"));
    }
    if (auto allowed = look_at_former(); !allowed) return RestoreFailure(allowed.error());
    if (auto decision = prepare(); !decision) {
      std::error_code failure;
      fs::remove_all(wish_.data_dir + staged, failure);
      return RestoreFailure(decision.error());
    }
    if (!sync_directory(wish_.data_dir))
      return decided_already(unfinished(wish_.data_dir, io_error(wish_.data_dir, errno)));
    if (auto ended = finish(wish_.data_dir, wish_.before_step); !ended) return decided_already(ended.error());
    const std::string before = wish_.data_dir + "/" + plan_.before;
    if (is_there(before)) done_.kept_in = before;
    return done_;
  }

 private:
  Expected<void> make_data_dir() {
    struct stat source {};
    if (::stat(wish_.backup.c_str(), &source) != 0) return io_error(wish_.backup, errno);
    owner_ = source;
    if (privilege::is_root() && !wish_.user.empty()) {
      const auto user = privilege::find_user(wish_.user);
      if (!user) return user.error();
      owner_.st_uid = user->uid;
      owner_.st_gid = user->gid;
    }
    if (::mkdir(wish_.data_dir.c_str(), 0700) == 0) {
      if (privilege::is_root() && ::chown(wish_.data_dir.c_str(), owner_.st_uid, owner_.st_gid) != 0)
        return io_error(wish_.data_dir, errno);
      return {};
    }
    if (errno != EEXIST) return io_error(wish_.data_dir, errno);
    if (::stat(wish_.data_dir.c_str(), &owner_) != 0) return io_error(wish_.data_dir, errno);
    return {};
  }

  // Others than relays lock the spool alone. Ours is held until the end.
  Expected<void> look_at_queue() {
    const std::string spool = wish_.data_dir + "/spool";
    if (is_absent(spool)) {
      done_.former_messages = 0;
      return {};
    }
    auto disk = spool::open_posix_disk_to_read(spool);
    if (!disk) return disk.error();
    former_ = std::move(*disk);
    const auto found = spool::inspect(*former_, spool::SpoolOptions().segment_size);
    if (found && found->damaged == 0) done_.former_messages = found->messages;
    return {};
  }

  // What is newer than the backup, or other than it, goes only when that was said.
  Expected<void> look_at_former() {
    const auto names = names_in(wish_.data_dir);
    if (!names) return names.error();
    for (const std::string& name : *names) {
      if (stays(wish_.data_dir, name) || (name == "spool" && wish_.queue == FormerQueue::keep)) continue;
      if (const std::string why = why_not_movable(wish_.data_dir, name); !why.empty())
        return Error(Errc::invalid, wish_.data_dir + "/" + name + " " + why);
    }
    const bool occupied = std::any_of(names->begin(), names->end(), [&](const std::string& name) {
      if (name != "spool") return !stays(wish_.data_dir, name);
      std::error_code failure;
      return !fs::is_empty(wish_.data_dir + "/spool", failure);
    });
    occupied_ = occupied;
    if (!occupied) return {};
    const std::uint64_t waiting = done_.former_messages.value_or(0);
    const std::string mail = done_.former_messages ? std::to_string(waiting) + " messages wait in its queue"
                                                   : "its queue cannot be read whole";
    if (!wish_.replace)
      return Error(Errc::exists,
                   wish_.data_dir + " holds the data of a relay, " + how_old() + "; " + mail +
                       ". With --replace the backup takes its place, and all of it is kept in " +
                       wish_.data_dir + "/before-restore-TIME");
    if ((waiting > 0 || !done_.former_messages) && wish_.queue == FormerQueue::refuse)
      return Error(Errc::exists, wish_.data_dir + ": " + mail +
                                     ". Say --keep-queue, and it stays the queue, or " +
                                     "--set-queue-aside, and it is kept in " + wish_.data_dir +
                                     "/before-restore-TIME and not delivered");
    return {};
  }

  std::string how_old() const {
    const auto former = read_clock_record(wish_.data_dir, SystemTime::max()).time;
    if (!former || !done_.backup.clock) return "other than the backup";
    return "last used at " + to_rfc3339(*former) +
           (*former > *done_.backup.clock ? ", later than the backup (" : ", not later than the backup (") +
           to_rfc3339(*done_.backup.clock) + ")";
  }

  // Until the decision, which is its last step.
  Expected<void> prepare() {
    std::error_code failure;
    fs::remove_all(wish_.data_dir + staged, failure);  // of one that was cut off before it was decided
    if (auto done = stage(); !done) return done;
    // An empty one is nothing to keep.
    if (!occupied_ && !plan_.keep_queue) ::rmdir((wish_.data_dir + "/spool").c_str());
    tell(wish_.before_step, "decide");
    return move(wish_.data_dir + staged, wish_.data_dir + decided);
  }

  Expected<void> stage() {
    const std::string place = wish_.data_dir + staged;
    const bool take_queue = wish_.queue != FormerQueue::keep;
    plan_.keep_queue = !take_queue && former_ != nullptr;
    std::string time;
    for (const char c : to_rfc3339(wish_.now))
      if (c != '-' && c != ':') time += c;
    const std::string first = "before-restore-" + time;
    plan_.before = first;
    for (int n = 2; is_there(wish_.data_dir + "/" + plan_.before); ++n)  // two within a second
      plan_.before = first + "-" + std::to_string(n);
    tell(wish_.before_step, "stage");
    if (::mkdir(place.c_str(), 0700) != 0) return io_error(place, errno);
    for (const std::string& name : done_.backup.names) {
      if (is_left_out(name)) continue;
      if (stays(wish_.data_dir, name))
        return Error(Errc::invalid, wish_.data_dir + "/" + name + " is a socket, and in the way of " +
                                        wish_.backup + "/" + name + "; remove it");
      tell(wish_.before_step, "copy");
      if (auto copied = copy(wish_.backup + "/" + name, place + "/" + name); !copied) return copied;
      if (is_there(place + "/" + name)) plan_.names.push_back(name);
    }
    done_.queue = plan_.keep_queue                       ? QueueNow::former
                  : take_queue && done_.backup.with_mail ? QueueNow::of_backup
                                                         : QueueNow::empty;
    if (!plan_.keep_queue && is_absent(place + "/spool")) {
      if (::mkdir((place + "/spool").c_str(), 0700) != 0) return io_error(place + "/spool", errno);
      plan_.names.emplace_back("spool");
    }
    if (auto same = compare(place); !same) return same;
    const Json plan{
        {"format", 1}, {"before", plan_.before}, {"names", plan_.names}, {"keep_queue", plan_.keep_queue}};
    if (auto written = replace_file(place + "/" + plan_name, plan.dump() + "\n"); !written) return written;
    const FileDescriptor directory(::open(place.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory || ::syncfs(directory.get()) != 0) return io_error(place, errno);
    return {};
  }

  bool is_left_out(const std::string& name) const {
    return is_of_restores(name) || is_of_the_disk(name) ||
           (wish_.queue == FormerQueue::keep && name == "spool");
  }

  // The copy, against what the backup says of itself.
  Expected<void> compare(const std::string& place) const {
    if (!done_.backup.list) return {};
    const auto digests = digests_of(place);
    if (!digests) return digests.error();
    const auto& listed = done_.backup.list->files;
    for (const auto& [path, digest] : *digests)
      if (const auto wanted = listed.find(path); wanted == listed.end() || wanted->second != digest)
        return Error(Errc::io, place + "/" + path + " was not written as it was read; is the disk in order?");
    for (const auto& [path, unused] : listed)
      if (digests->count(path) == 0 && !is_left_out(path.substr(0, path.find('/'))))
        return Error(Errc::io, wish_.backup + "/" + path + " went away while it was copied");
    return {};
  }

  Expected<void> copy(const std::string& from, const std::string& to) const {
    struct stat status {};
    Expected<std::vector<std::string>> names = std::vector<std::string>();
    {
      const Eyes eyes(owner_);
      if (::lstat(from.c_str(), &status) != 0) return io_error(from, errno);
      if (S_ISDIR(status.st_mode)) names = names_in(from);
    }
    if (S_ISREG(status.st_mode)) return copy_file(from, to);
    if (!S_ISDIR(status.st_mode)) return {};
    if (!names) return names.error();
    if (::mkdir(to.c_str(), 0700) != 0) return io_error(to, errno);
    for (const std::string& name : *names)
      if (auto copied = copy(from + "/" + name, to + "/" + name); !copied) return copied;
    return {};
  }

  FileDescriptor open_source(const std::string& path) const {
    const Eyes eyes(owner_);
    return open_to_read(path);
  }

  Expected<void> copy_file(const std::string& from, const std::string& to) const {
    const FileDescriptor source = open_source(from);
    if (!source) return io_error(from, errno);
    const auto copied = copy_octets(source, from, to);
    return copied ? Expected<void>() : copied.error();
  }

  const RestoreWish& wish_;
  Restored done_;
  Plan plan_;
  struct stat owner_ {};
  std::unique_ptr<spool::Disk> former_;
  bool occupied_ = false;
};

}  // namespace

bool is_of_restores(const std::string& name) noexcept {
  return name == staged + 1 || name == decided + 1 || name.starts_with("before-restore-");
}

bool is_restore_cut_off(const std::string& data_dir) noexcept { return is_there(data_dir + decided); }

bool is_of_the_disk(const std::string& name) noexcept { return name == "lost+found"; }

Expected<Restored, RestoreFailure> restore(const RestoreWish& wish) {
  ::umask(0077);
  RestoreWish absolute = wish;
  absolute.backup = fs::absolute(wish.backup).lexically_normal().string();
  absolute.data_dir = fs::absolute(wish.data_dir).lexically_normal().string();
  for (std::string* path : {&absolute.backup, &absolute.data_dir})
    if (path->size() > 1 && path->back() == '/') path->pop_back();
  if (absolute.backup == absolute.data_dir)
    return RestoreFailure(Error(Errc::invalid, absolute.backup + " is the data directory itself"));
  return Restore(absolute).run();
}

// Looked at under the lock that stays, and ended under the one that moves: between the two another restore may have come.
Expected<HeldDataDir> hold_data_dir(const std::string& data_dir, Duration patience,
                                    const BeforeStep& before_step) {
  HeldDataDir held;
  for (int tries = 0; tries < most_tries; ++tries) {
    auto used = lock_data_dir(data_dir, NamesAre::used, patience);
    if (!used) return used.error();
    if (is_absent(data_dir + decided)) {
      held.lock = std::move(*used);
      return held;
    }
    used->reset();
    const auto moved = lock_data_dir(data_dir, NamesAre::moved, patience);
    if (!moved) return moved.error();
    if (is_absent(data_dir + decided)) continue;  // somebody was quicker
    struct stat owner {};
    if (::stat(data_dir.c_str(), &owner) != 0) return io_error(data_dir, errno);
    const AsOwner hands(owner);
    if (auto done = finish(data_dir, before_step); !done) return done.error();
    held.restored = true;
  }
  return Error(Errc::exists,
               data_dir + ": one restore after the other is under way; try again when they are done");
}

}  // namespace sealpost::app
