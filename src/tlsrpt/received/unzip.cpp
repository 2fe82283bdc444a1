// SPDX-License-Identifier: Apache-2.0
#include "tlsrpt/received/unzip.hpp"

#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <optional>

namespace sealpost::tlsrpt {
namespace {

// Little-endian fields at fixed places (APPNOTE 4.3.7, 4.3.12, 4.3.16).
constexpr std::string_view local_mark = "PK\x03\x04", entry_mark = "PK\x01\x02", end_mark = "PK\x05\x06";
constexpr std::size_t local_size = 30, entry_size = 46, end_size = 22, most_comment = 0xffff;
constexpr std::uint32_t stored = 0, deflated = 8;
constexpr std::uint32_t flag_encrypted = 1;

std::uint32_t number(std::string_view octets, std::size_t at, std::size_t size) noexcept {
  std::uint32_t value = 0;
  for (std::size_t i = size; i > 0; --i) value = value << 8 | static_cast<unsigned char>(octets[at + i - 1]);
  return value;
}

// Nothing when it does not lie within `octets` whole.
std::optional<std::string_view> piece(std::string_view octets, std::size_t at, std::size_t size) noexcept {
  if (at > octets.size() || size > octets.size() - at) return std::nullopt;
  return octets.substr(at, size);
}

struct Entry {
  std::uint32_t flags = 0, method = 0, checksum = 0, packed = 0, size = 0, local = 0;
};

Expected<std::string> inflate_raw(std::string_view packed, std::size_t size) {
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) return Error(Errc::unavailable, "zlib cannot begin");
  std::string out(size + 1, '\0');  // one octet more than it says it holds: more than that is a lie
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int state = inflate(&stream, Z_FINISH);
  const std::size_t got = stream.total_out;
  inflateEnd(&stream);
  if (state != Z_STREAM_END || got != size) return Error(Errc::invalid, "its packed data is broken");
  out.resize(size);
  return out;
}

Expected<std::string> content(std::string_view archive, const Entry& entry, const ZipBounds& bounds) {
  if ((entry.flags & flag_encrypted) != 0) return Error(Errc::invalid, "it is encrypted");
  if (entry.method != stored && entry.method != deflated)
    return Error(Errc::invalid, "it is packed in a way that is not known here (method " +
                                    std::to_string(entry.method) + ")");
  if (entry.size > bounds.octets)
    return Error(Errc::too_long, "more than " + std::to_string(bounds.octets) + " octets when unpacked");
  const auto head = piece(archive, entry.local, local_size);
  if (!head || !head->starts_with(local_mark))
    return Error(Errc::invalid, "its place in the archive is wrong");
  const std::size_t begin = entry.local + local_size + number(*head, 26, 2) + number(*head, 28, 2);
  const auto data = piece(archive, begin, entry.packed);
  if (!data) return Error(Errc::invalid, "the archive is cut off before its end");
  if (entry.method == stored && entry.packed != entry.size) return Error(Errc::invalid, "its sizes differ");
  Expected<std::string> octets =
      entry.method == stored ? Expected<std::string>(std::string(*data)) : inflate_raw(*data, entry.size);
  if (!octets) return octets;
  const auto checksum =
      crc32(0, reinterpret_cast<const Bytef*>(octets->data()), static_cast<uInt>(octets->size()));
  if (checksum != entry.checksum) return Error(Errc::invalid, "its checksum is wrong");
  return octets;
}

// The record at the end says where the directory is; behind it there is only a comment.
std::optional<std::size_t> find_end(std::string_view archive) noexcept {
  const std::size_t farthest =
      archive.size() > end_size + most_comment ? archive.size() - end_size - most_comment : 0;
  if (archive.size() < end_size) return std::nullopt;
  for (std::size_t at = archive.size() - end_size + 1; at-- > farthest;) {
    if (archive.substr(at).starts_with(end_mark)) return at;
  }
  return std::nullopt;
}

}  // namespace

bool is_zip(std::string_view octets) noexcept {
  return octets.starts_with(local_mark) || octets.starts_with(end_mark);
}

Expected<std::vector<ZippedFile>> unzip(std::string_view archive, const ZipBounds& bounds) {
  const auto end = find_end(archive);
  if (!end) return Error(Errc::invalid, "not a complete zip archive");
  const std::string_view record = archive.substr(*end, end_size);
  const std::size_t files = number(record, 10, 2);
  std::size_t at = number(record, 16, 4);
  if (files == 0xffff || at == 0xffffffff)
    return Error(Errc::invalid, "a zip64 archive, which is not read here");
  if (files > bounds.files)
    return Error(Errc::too_long, "more than " + std::to_string(bounds.files) + " files in one zip archive");
  std::vector<ZippedFile> all;
  std::size_t total = 0;
  for (std::size_t i = 0; i < files; ++i) {
    const auto head = piece(archive, at, entry_size);
    if (!head || !head->starts_with(entry_mark))
      return Error(Errc::invalid, "the directory of the zip archive is broken");
    Entry entry;
    entry.flags = number(*head, 8, 2);
    entry.method = number(*head, 10, 2);
    entry.checksum = number(*head, 16, 4);
    entry.packed = number(*head, 20, 4);
    entry.size = number(*head, 24, 4);
    entry.local = number(*head, 42, 4);
    const std::size_t name_size = number(*head, 28, 2);
    const auto name = piece(archive, at + entry_size, name_size);
    if (!name) return Error(Errc::invalid, "the directory of the zip archive is broken");
    at += entry_size + name_size + number(*head, 30, 2) + number(*head, 32, 2);
    if (name->ends_with('/')) continue;  // a folder
    total += std::min<std::size_t>(entry.size, bounds.octets);
    if (total > bounds.total)
      return Error(Errc::too_long,
                   "more than " + std::to_string(bounds.total) + " octets when all of it is unpacked");
    all.push_back(ZippedFile{std::string(*name), content(archive, entry, bounds)});
  }
  return all;
}

}  // namespace sealpost::tlsrpt
