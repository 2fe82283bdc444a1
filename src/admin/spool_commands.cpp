// SPDX-License-Identifier: Apache-2.0
#include "admin/spool_commands.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/handles.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "spool/recovery.hpp"

namespace sealpost::admin {
namespace {

constexpr std::int64_t most_segment = std::int64_t{512} << 20;  // eight segments

std::string name_in_corrupt(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos || slash == 0) return "";
  const std::string folder = path.substr(0, slash), name = path.substr(slash + 1);
  return folder.ends_with("/" + spool::corrupt_directory) ? spool::corrupt_directory + "/" + name : "";
}

Error cannot_read(const std::string& path, int number) {
  return Error(number == ENOENT ? Errc::not_found : Errc::unavailable,
               path + ": " + spool::disk_error(-number, "read").detail);
}

class SpoolCommands {
 public:
  SpoolCommands(event::Loop& home, SpoolAccess access) : home_(home), access_(access) {}

  event::Task<Answer> recover(Json arguments) {
    const std::string path = arguments.value("file", std::string());
    if (!path.starts_with("/")) co_return Answer(400, "the file's whole path is wanted");
    std::function<Expected<std::string>()> work = [path] { return read_segment_file(path); };
    auto octets = co_await event::run_blocking<std::string>(access_.pool, home_, std::move(work));
    if (!octets)
      co_return Answer(octets.error().code == Errc::not_found ? 404 : 400, octets.error().detail,
                       "the relay reads it, as its own user");
    std::function<void(spool::StoredMessagePtr)> take = [this](spool::StoredMessagePtr message) {
      std::vector<spool::StoredMessagePtr> one(1, std::move(message));
      access_.dispatcher.recovered(one);
    };
    std::string reason = hold_reason(path);
    auto result = co_await spool::reimport(home_, access_.pool, access_.disk, access_.spool,
                                           std::move(*octets), std::move(reason), std::move(take));
    if (!result) {
      const bool bad = result.error().code == Errc::invalid;
      co_return Answer(bad ? 400 : 503, text::printable(path) + ": " + result.error().detail,
                       bad ? "" : "run it again: what was taken already is known then");
    }
    note_recovered(access_.disk, path);
    std::vector<std::string> left;
    if (access_.disk.list(spool::corrupt_directory, left) == 0 &&
        std::all_of(left.begin(), left.end(),
                    [](const std::string& name) { return name.ends_with(spool::recovered_suffix); }))
      access_.health.clear("journal corrupt/");
    log::info("spool_recovered", {{"file", path},
                                  {"taken", result->taken.size()},
                                  {"known", result->known.size()},
                                  {"finished", result->finished.size()},
                                  {"unreadable", result->unreadable.size()}});
    co_return Answer(to_json(*result));
  }

 private:
  event::Loop& home_;
  SpoolAccess access_;
};

}  // namespace

Expected<std::string> read_segment_file(const std::string& path) {
  const FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (fd.get() < 0) return cannot_read(path, errno);
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return cannot_read(path, errno);
  if (!S_ISREG(status.st_mode)) return Error(Errc::invalid, path + " is not a regular file");
  if (status.st_size > most_segment) return Error(Errc::too_long, path + " is larger than any segment");
  std::string octets(static_cast<std::size_t>(status.st_size), '\0');
  std::size_t got = 0;
  while (got < octets.size()) {
    const ssize_t read = ::pread(fd.get(), octets.data() + got, octets.size() - got, static_cast<off_t>(got));
    if (read < 0 && errno == EINTR) continue;
    if (read < 0 &&
        errno == EIO) {  // as at a start: what cannot be read is zeros, and the rest is worth having
      got += std::min<std::size_t>(4096 - got % 4096, octets.size() - got);
      continue;
    }
    if (read < 0) return cannot_read(path, errno);
    if (read == 0) break;
    got += static_cast<std::size_t>(read);
  }
  octets.resize(got);
  return octets;
}

std::string hold_reason(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return "recovered from " + text::printable(path.substr(slash + 1), 200) +
         ": whether it had been delivered before is not known";
}

Json to_json(const spool::Reimported& result) {
  return {{"taken", result.taken},
          {"known", result.known},
          {"finished", result.finished},
          {"unreadable", result.unreadable},
          {"unreadable_octets", result.unreadable_octets}};
}

void note_recovered(spool::Disk& disk, const std::string& path) {
  const std::string name = name_in_corrupt(path);
  if (name.empty() || name.ends_with(spool::recovered_suffix)) return;
  if (disk.rename(name, name + spool::recovered_suffix) == 0) disk.sync_directory(spool::corrupt_directory);
}

void serve_spool_commands(ControlServer& server, event::Loop& home, SpoolAccess access) {
  const auto commands = std::make_shared<SpoolCommands>(home, access);
  server.handle("spool.recover",
                [commands](Json arguments) { return commands->recover(std::move(arguments)); });
}

}  // namespace sealpost::admin
