// SPDX-License-Identifier: Apache-2.0
#include "sts/copy.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/digest.hpp"
#include "base/durable_file.hpp"
#include "base/random.hpp"
#include "base/text.hpp"

namespace sealpost::sts {

namespace {

using Json = nlohmann::json;

constexpr std::string_view magic = "sealpost-sts-copy ";
constexpr std::string_view format_version = "1 ";
constexpr std::size_t checksum_digits = 16;
constexpr std::size_t longest_line = 1 << 18;  // a 64 KiB body in base64 and its names fit
constexpr std::size_t flush_at = 1 << 20;

std::string checksum(std::string_view text) { return sha256_hex(text).substr(0, checksum_digits); }

std::string new_name() {
  std::array<std::uint8_t, 8> octets{};
  random_bytes(octets);
  return text::hex(octets);
}

// The name in the first line; empty when that line is none of ours.
Expected<std::string> name_in(std::string_view head, const std::string& path) {
  std::string_view line = head.substr(0, head.find('\n'));
  if (!line.starts_with(magic)) return std::string();
  line.remove_prefix(magic.size());
  if (line.starts_with(format_version)) return std::string(line.substr(format_version.size()));
  return Error(Errc::newer, path + " was made by a newer sealpost (format " +
                                text::printable(line.substr(0, line.find(' ')), 16) + ")");
}

std::int64_t to_microseconds(SystemTime time) { return time.time_since_epoch().count(); }
SystemTime from_microseconds(std::int64_t count) { return SystemTime(SystemTime::duration(count)); }

}  // namespace

std::string to_line(const CopyRecord& record) {
  Json json;
  json["domain"] = record.entry.domain;
  json["fetched"] = to_microseconds(record.entry.fetched);
  if (record.dropped) {
    json["dropped"] = true;
  } else {
    json["id"] = record.entry.id;
    json["expires"] = to_microseconds(record.entry.expires);
    json["body"] = text::base64(record.entry.body);
  }
  const std::string text =
      json.dump(-1, ' ', false, Json::error_handler_t::replace);  // a row may hold anything (T-54)
  return checksum(text) + " " + text + "\n";
}

Expected<CopyRecord> from_line(std::string_view line) {
  const auto invalid = [](const char* what) { return Error(Errc::invalid, what); };
  if (line.size() < checksum_digits + 2 || line[checksum_digits] != ' ') return invalid("no checksum");
  const std::string_view text = line.substr(checksum_digits + 1);
  if (line.substr(0, checksum_digits) != checksum(text)) return invalid("wrong checksum");
  const Json json = Json::parse(text, nullptr, false);
  const auto string = [&json](const char* key) { return json.value(key, Json()); };
  CopyRecord record;
  if (!json.is_object() || !string("domain").is_string() || !string("fetched").is_number_integer())
    return invalid("no domain or time");
  record.entry.domain = json["domain"];
  record.entry.fetched = from_microseconds(json["fetched"]);
  if (string("dropped").is_boolean()) {
    record.dropped = true;
    return record;
  }
  if (!string("id").is_string() || !string("body").is_string() || !string("expires").is_number_integer())
    return invalid("no policy");
  auto body = text::from_base64(json["body"].get_ref<const std::string&>());
  if (!body) return invalid("body is not base64");
  record.entry.id = json["id"];
  record.entry.body = std::move(*body);
  record.entry.expires = from_microseconds(json["expires"]);
  return record;
}

Expected<StsCopy> StsCopy::open(const std::string& path) {
  FileDescriptor fd(::open(path.c_str(), O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW));
  const bool writable = static_cast<bool>(fd);
  if (!fd && errno != ENOENT) fd = FileDescriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd) {
    if (errno == ENOENT) return Error(Errc::not_found, path + " does not exist");
    return file_error(path, "open");
  }
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return file_error(path, "fstat");
  if (!S_ISREG(status.st_mode)) return Error(Errc::io, path + ": is no regular file");
  std::array<char, 64> head{};
  const auto got = ::pread(fd.get(), head.data(), head.size(), 0);
  if (got < 0) return file_error(path, "read");  // unreadable is not empty
  const std::string_view header(head.data(), static_cast<std::size_t>(got));
  auto name = name_in(header, path);
  if (!name) return name.error();
  auto size = static_cast<std::uint64_t>(status.st_size);
  // A line that was cut off must not run into the next one.
  char last = '\n';
  if (size > 0 && ::pread(fd.get(), &last, 1, static_cast<off_t>(size - 1)) != 1)
    return file_error(path, "read");
  const bool torn = last != '\n';
  const bool ended = torn && writable && write_all(fd.get(), "\n");
  if (ended) ++size;
  StsCopy copy(std::move(fd), std::move(*name), size);
  if (ended) copy.torn_end_ = size;
  copy.broken_ = !writable || (torn && !ended);  // it is read all the same
  return copy;
}

Expected<StsCopy> StsCopy::rewrite(const std::string& path, const Next& next) {
  auto replacement = FileReplacement::begin(path);
  if (!replacement) return replacement.error();
  std::string name = new_name();
  std::string buffer = std::string(magic) + std::string(format_version) + name + "\n";
  std::uint64_t size = 0;
  const auto flush = [&] {
    size += buffer.size();
    auto written = replacement->write(buffer);
    buffer.clear();
    return written;
  };
  while (true) {
    CopyRecord record;
    auto given = next(record);
    if (!given) return given.error();
    if (!*given) break;
    buffer += to_line(record);
    if (buffer.size() < flush_at) continue;
    if (auto written = flush(); !written) return written.error();
  }
  if (auto written = flush(); !written) return written.error();
  auto fd = replacement->commit();
  if (!fd) return fd.error();
  return StsCopy(std::move(*fd), std::move(name), size);
}

Expected<void> StsCopy::append(const CopyRecord& record) {
  if (broken_)
    return Error(Errc::io, "the copy of the MTA-STS cache failed earlier and was not replaced yet");
  const std::string line = to_line(record);
  if (!write_all(fd_.get(), line)) {
    broken_ = true;
    return file_error("copy of the MTA-STS cache", "write");
  }
  if (::fdatasync(fd_.get()) != 0) {
    broken_ = true;
    return file_error("copy of the MTA-STS cache", "fdatasync");
  }
  size_ += line.size();
  return {};
}

StsCopy::Place StsCopy::place(const std::string& path) const {
  struct stat here {};
  struct stat there {};
  if (::lstat(path.c_str(), &there) != 0) return errno == ENOENT ? Place::gone : Place::ours;
  if (::fstat(fd_.get(), &here) != 0) return Place::ours;
  return here.st_dev == there.st_dev && here.st_ino == there.st_ino ? Place::ours : Place::others;
}

Expected<StsCopy::Damage> StsCopy::replay(std::uint64_t offset,
                                          const std::function<void(CopyRecord)>& apply) const {
  std::string buffer;
  Damage damage;
  bool skipping = false;  // inside a line longer than any of ours
  std::array<char, 65536> block;
  while (true) {
    const auto got = ::pread(fd_.get(), block.data(), block.size(), static_cast<off_t>(offset));
    if (got < 0) return file_error("copy of the MTA-STS cache", "read");
    if (got == 0) {
      damage.torn = damage.torn || !buffer.empty();
      return damage;
    }
    const std::uint64_t place = offset - buffer.size();  // of the buffer in the file
    offset += static_cast<std::uint64_t>(got);
    buffer.append(block.data(), static_cast<std::size_t>(got));
    std::size_t begin = 0;
    for (auto end = buffer.find('\n'); end != std::string::npos; end = buffer.find('\n', begin)) {
      const std::string_view line(buffer.data() + begin, end - begin);
      begin = end + 1;
      const bool torn = place + begin == torn_end_;
      if (std::exchange(skipping, false) || line.empty() || line.starts_with(magic)) continue;
      auto record = from_line(line);
      if (record) {
        apply(std::move(*record));
      } else if (torn) {
        damage.torn = true;
      } else {
        ++damage.lines;
      }
    }
    buffer.erase(0, begin);
    if (buffer.size() > longest_line) {
      damage.lines += skipping ? 0 : 1;
      skipping = true;
      buffer.clear();
    }
  }
}

}  // namespace sealpost::sts
