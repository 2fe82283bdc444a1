// SPDX-License-Identifier: Apache-2.0
#include "app/clock_record.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "base/durable_file.hpp"
#include "base/text.hpp"

namespace sealpost::app {
namespace {

namespace fs = std::filesystem;

std::string record_path(const std::string& data_dir) { return data_dir + "/clock"; }

std::optional<SystemTime> written_at(const fs::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return std::nullopt;
  return SystemTime(std::chrono::seconds(status.st_mtim.tv_sec));
}

// Of what the relay itself writes, when the last was written.
std::optional<SystemTime> last_written(const std::string& data_dir) {
  std::optional<SystemTime> newest;
  for (const char* directory : {"", "/spool/journal"}) {
    std::error_code failure;
    for (fs::directory_iterator at(data_dir + directory, failure), end; !failure && at != end;
         at.increment(failure)) {
      const std::string name = at->path().extension();
      if (name != ".seg" && name != ".db") continue;
      const auto time = written_at(at->path());
      if (time && (!newest || *time > *newest)) newest = time;
    }
  }
  return newest;
}

Expected<std::string> read_whole(const std::string& path) {
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file) return file_error(path, "open");
  std::array<char, 64> text{};
  const ssize_t length = ::read(file.get(), text.data(), text.size());
  if (length < 0) return file_error(path, "read");
  return std::string(text.data(), static_cast<std::size_t>(length));
}

}  // namespace

ClockRecord read_clock_record(const std::string& data_dir, SystemTime wall) {
  const std::string path = record_path(data_dir);
  ClockRecord record;
  const auto text = read_whole(path);
  if (text) record.time = from_rfc3339(text::trim(*text, "\n"));
  if (record.time) return record;
  const bool absent = !text && text.error().code == Errc::not_found;
  const auto last = last_written(data_dir);
  if (!absent) {
    record.time = written_at(path);
    if (last && (!record.time || *last > *record.time)) record.time = last;
    record.trouble = text ? path + " holds no time" : text.error().detail;
  } else if (last && *last > wall) {
    record.time = last;
  }
  return record;
}

Expected<void> write_clock_record(const std::string& data_dir, SystemTime time) {
  return replace_file(record_path(data_dir), to_rfc3339(time) + "\n");
}

}  // namespace sealpost::app
