// SPDX-License-Identifier: Apache-2.0
#include "spool/journal_mark.hpp"

#include <cerrno>
#include <utility>

#include "spool/bytes.hpp"
#include "spool/crc32c.hpp"
#include "spool/record_codec.hpp"

namespace sealpost::spool {
namespace {

constexpr std::string_view mark_magic = "SEALMARK";
constexpr std::size_t fields = mark_size - 4;
const std::string root = ".";

std::string file_name(std::size_t number) { return "mark-" + std::to_string(number); }

}  // namespace

std::string encode_mark(const Mark& mark) {
  std::string out(mark_magic);
  put(out, format_version);
  put(out, static_cast<std::uint32_t>(mark.clean ? 1 : 0));
  put(out, mark.turn);
  put(out, mark.node);
  put(out, mark.oldest);
  put(out, mark.current);
  put(out, mark.batches);
  put(out, mark.messages);
  put(out, mark.end);
  for (const std::uint64_t segment : mark.torn) put(out, segment);
  out.resize(fields, '\0');
  put(out, crc32c(0, out));
  return out;
}

Expected<Mark> decode_mark(std::string_view octets) {
  if (octets.size() < mark_size || octets.substr(0, mark_magic.size()) != mark_magic)
    return Error(Errc::invalid, "it is no mark");
  ByteReader in(octets.substr(mark_magic.size(), fields - mark_magic.size()));
  const auto version = in.get<std::uint32_t>();
  if (version > format_version)
    return Error(Errc::unavailable, "format version " + std::to_string(version) +
                                        ", this release knows up to " + std::to_string(format_version));
  if (ByteReader(octets.substr(fields, 4)).get<std::uint32_t>() != crc32c(0, octets.substr(0, fields)))
    return Error(Errc::invalid, "its checksum is wrong");
  Mark mark;
  mark.clean = (in.get<std::uint32_t>() & 1) != 0;
  mark.turn = in.get<std::uint64_t>();
  mark.node = in.get<std::uint64_t>();
  mark.oldest = in.get<std::uint64_t>();
  mark.current = in.get<std::uint64_t>();
  mark.batches = in.get<std::uint64_t>();
  mark.messages = in.get<std::uint64_t>();
  mark.end = in.get<std::uint32_t>();
  for (std::uint64_t& segment : mark.torn) segment = in.get<std::uint64_t>();
  return mark;
}

Expected<MarkFiles::Found> MarkFiles::read() {
  Found found;
  for (std::size_t i = 0; i < files; ++i) {
    auto opened = disk_.open(file_name(i), Disk::Access::read);
    if (opened.error == -ENOENT) continue;
    found.any = true;
    spoiled_[i] = true;  // until it has been read well
    Expected<Mark> mark = Error(Errc::io, "");
    if (!opened.file) {
      mark = disk_error(opened.error, "open");
    } else {
      std::string octets(mark_size, '\0');
      auto read = read_full(*opened.file, 0, octets);
      if (!read && read.error().code == Errc::io) read = read_full(*opened.file, 0, octets);  // may pass
      if (read) octets.resize(*read);
      mark = read ? decode_mark(octets) : Expected<Mark>(read.error());
      if (!mark && mark.error().code == Errc::unavailable && read)
        return Error(Errc::unavailable, file_name(i) + ": " + mark.error().detail);
    }
    if (!mark) {
      found.unreadable = file_name(i) + ": " + mark.error().detail;
      continue;
    }
    spoiled_[i] = false;
    if (!found.mark || mark->turn > found.mark->turn) {
      found.mark = *mark;
      turn_ = mark->turn;
      holding_ = i;
    }
  }
  // A mark whose writing was cut off is nothing new while the other one can be read.
  if (found.mark && found.unreadable.find("checksum") != std::string::npos) found.unreadable.clear();
  return found;
}

Expected<void> MarkFiles::write(Mark mark) {
  const std::size_t number = turn_ == 0 ? 0 : 1 - holding_;
  mark.turn = turn_ + 1;
  auto written = write_file(number, encode_mark(mark));
  if (!written) {
    open_[number].reset();
    spoiled_[number] = true;
    return Error(written.error().code, "spool/" + file_name(number) + ": " + written.error().detail);
  }
  turn_ = mark.turn;
  holding_ = number;
  return {};
}

Expected<void> MarkFiles::write_file(std::size_t number, const std::string& octets) {
  const std::string name = file_name(number);
  bool made = false;
  if (spoiled_[number]) {
    if (const int removed = disk_.remove(name); removed != 0 && removed != -ENOENT)
      return disk_error(removed, "remove");
    spoiled_[number] = false;
  }
  if (!open_[number]) {
    auto opened = disk_.open(name, Disk::Access::write);
    if (opened.error == -ENOENT) {
      opened = disk_.open(name, Disk::Access::create);
      made = true;
    }
    if (!opened.file) return disk_error(opened.error, "open");
    open_[number] = std::move(opened.file);
  }
  auto written = write_all(*open_[number], 0, octets);
  if (!written) return written;
  if (const int synced = open_[number]->sync_data(); synced != 0) return disk_error(synced, "sync");
  if (const int synced = made ? disk_.sync_directory(root) : 0; synced != 0)
    return disk_error(synced, "sync the spool directory");
  return {};
}

}  // namespace sealpost::spool
