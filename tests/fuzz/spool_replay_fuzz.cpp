// SPDX-License-Identifier: Apache-2.0
//
// Recovery from any journal (D-03, D-11, D-21): it starts, it finds the same twice, and a message it does not hold has
// a body that reads. Who follows the journal is given what adds up to the same. Input: a script of records with checksums that hold, in groups and batches, and of octets that
// are changed afterwards.
#include <cstdint>
#include <deque>
#include <map>
#include <string>

#include "base/log.hpp"
#include "require.hpp"
#include "spool/batch.hpp"
#include "spool/bytes.hpp"
#include "spool/crc32c.hpp"
#include "spool/journal_reader.hpp"
#include "spool/recovery.hpp"
#include "spool/sim_disk.hpp"

using namespace sealpost;
using namespace sealpost::spool;

namespace {

constexpr std::uint32_t segment_size = 64u << 10;
const std::string segment_path = "journal/" + segment_name(1);

SegmentHeader the_header() {
  SegmentHeader header;
  header.sequence = 1;
  header.salt = 42;
  header.size = segment_size;
  return header;
}

// A script: 0xFF ends the records. Each record: type, flags, id, length of head and head, length of blob and blob.
// A flag of 0x80 ends the batch.
void write_records(ByteReader& script, JournalFile& file) {
  Batch batch;
  std::deque<std::string> blobs;
  batch.begin(the_header(), segment_header_size);
  while (!script.done() && !script.failed()) {
    RecordHeader header;
    header.type = script.get<std::uint8_t>();
    if (header.type == 0xFF) break;
    const auto flags = script.get<std::uint8_t>();
    header.flags = flags & (record_flag::more_follows | record_flag::continues);
    std::array<std::uint8_t, 16> id{};
    id[15] = script.get<std::uint8_t>() % 4;
    header.id = MessageId(id);
    const std::string_view head = script.take(script.get<std::uint16_t>());
    const std::string& blob = blobs.emplace_back(script.take(script.get<std::uint16_t>() % 2000));
    header.head_crc = crc32c(0, head);
    header.blob_crc = crc32c(0, blob);
    if (script.failed() || !batch.fits(record_header_size + head.size() + blob.size() + 8)) break;
    batch.add(header, head, blob);
    if ((flags & 0x80) == 0) continue;
    require(batch.write(file).has_value());
    batch.begin(the_header(), batch.end());
  }
  if (!batch.empty()) require(batch.write(file).has_value());
}

// The rest: an offset and an octet each. The version stays: a newer one is refused, as it must be.
void change_octets(ByteReader& script, SimDisk& disk) {
  while (!script.failed() && !script.done()) {
    const auto at = script.get<std::uint16_t>();
    const auto octet = static_cast<char>(script.get<std::uint8_t>());
    if (!script.failed() && (at < 8 || at >= 12))
      disk.overwrite(segment_path, at, std::string_view(&octet, 1));
  }
}

using Messages = std::map<MessageId, std::shared_ptr<StoredMessage>>;

Messages messages_of(const JournalState& state) {
  Messages found;
  for (const auto& message : state.recovered()) found[message->id] = message;
  return found;
}

// Ends, always forwards, and gives what recovery gave.
void check_reader(SegmentFiles& files, const Position& end, const Messages& recovered) {
  JournalReader reader(files);
  JournalState state;
  Position at{1, segment_header_size};
  for (;;) {
    auto piece = reader.read(at, end, 8192);
    require(piece.has_value());
    if (piece->next == at) break;
    require(piece->next > at && (piece->missed.empty() || piece->entries.empty()));
    for (JournalEntry& entry : piece->entries) state.apply(std::move(entry));
    at = piece->next;
  }
  require(at.segment == end.segment && at.offset >= end.offset);
  const Messages read = messages_of(state);
  require(read.size() == recovered.size());
  for (const auto& [id, message] : read) {
    const auto other = recovered.find(id);
    require(other != recovered.end() && other->second->progress == message->progress);
  }
}

Messages recover_from(SimDisk& disk) {
  SegmentFiles files(disk);
  MarkFiles marks(disk);
  JournalState state;
  const auto recovered = recover(disk, segment_size, files, marks, state);
  require(recovered.has_value());
  const Messages found = messages_of(state);
  check_reader(files, Position{1, recovered->previous_end}, found);
  return found;
}

void check_bodies(SimDisk& disk, const Messages& found) {
  const std::string octets = disk.contents(segment_path);
  for (const auto& [id, message] : found) {
    if (message->held) continue;
    for (const Extent& extent : message->body->look().extents) {
      require(extent.segment == 1 && std::uint64_t{extent.offset} + extent.length <= octets.size());
      require(crc32c(0, std::string_view(octets).substr(extent.offset, extent.length)) == extent.crc);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const bool quiet = (log::configure(-1, log::Format::text, log::Level::error), true);
  static_cast<void>(quiet);
  SimDisk disk;
  disk.put_file(segment_path,
                encode_segment_header(the_header()) + std::string(segment_size - segment_header_size, '\0'));
  ByteReader script(std::string_view(reinterpret_cast<const char*>(data), size));
  write_records(script, *disk.open(segment_path, Disk::Access::write).file);
  change_octets(script, disk);
  const auto found = recover_from(disk);
  check_bodies(disk, found);
  const auto again = recover_from(disk);
  require(found.size() == again.size());
  for (const auto& [id, message] : found) {
    const auto other = again.find(id);
    require(other != again.end() && other->second->progress == message->progress &&
            other->second->held == message->held && other->second->size == message->size);
  }
  return 0;
}
