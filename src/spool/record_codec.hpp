// SPDX-License-Identifier: Apache-2.0
//
// The octets of segment headers and records (docs/spool-format.md). Pure. Everything read is checked against
// its bounds and, for addresses, against the grammar again (T-54): a valid checksum says that we wrote it,
// not that it is sane.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "sealpost/expected.hpp"
#include "spool/record.hpp"

namespace sealpost::spool {

constexpr std::uint32_t format_version = 2;
constexpr std::uint32_t oldest_format_version = 1;  // read, never written: see docs/spool-format.md
constexpr std::size_t page_size = 4096;             // batches begin on pages: see Batch
constexpr std::size_t segment_header_size = 4096;   // records begin here
constexpr std::size_t record_header_size = 48;
constexpr std::size_t max_head = 16u << 20;

struct SegmentHeader {
  std::uint32_t version = format_version;
  std::uint64_t sequence = 0;
  std::uint64_t salt = 0;  // random: what a stranger writes into a mail body can never pass for a record
  std::uint64_t node = 0;
  std::uint32_t size = 0;          // octets of the file
  std::uint32_t previous_end = 0;  // how far the segment before this one can be trusted; 0: there was none
  SystemTime created{};
  // From version 2 on, 0 before: when this segment was begun, all segments with smaller numbers had been freed; and the
  // number of its first batch, counted through the whole journal.
  std::uint64_t oldest = 0;
  std::uint64_t first_batch = 0;
  bool operator==(const SegmentHeader&) const = default;
};
// The last page holds the header again: without one, all the mail of a segment could not be read.
inline std::uint32_t records_end(const SegmentHeader& header) noexcept {
  return header.size - static_cast<std::uint32_t>(page_size);
}
std::string encode_segment_header(const SegmentHeader& header);  // segment_header_size octets
// Errc::unavailable: a version newer than ours, and header.version says which (D-26). Errc::invalid: damaged,
// or not a segment.
Expected<SegmentHeader> decode_segment_header(std::string_view octets);
// What every record checksum of a segment starts from.
std::uint32_t seed_of(const SegmentHeader& header) noexcept;

namespace record_flag {
constexpr std::uint8_t more_follows = 1;  // the group goes on with the next record
constexpr std::uint8_t continues = 2;     // not the first record of its group
constexpr std::uint8_t ends_batch = 4;    // the next record begins on the next page
constexpr std::uint8_t attributes = 8;    // they follow the head that its type has
constexpr std::uint8_t known = 15;  // any other: of a later release; the record's message is held (D-11)
}  // namespace record_flag

struct RecordHeader {
  RecordHeader() = default;
  std::uint8_t type = 0;
  std::uint8_t flags = 0;
  std::uint32_t head_length = 0;
  std::uint32_t blob_length = 0;
  std::uint32_t head_crc =
      0;  // CRC-32C of the head, and of the blob: not seeded, so any thread can compute them
  std::uint32_t blob_crc = 0;
  std::uint32_t batch = 0;  // where in the file the batch of this record begins: all before it is durable
  // Of the same batch: the lower half of its number, 0 before version 2; and how many pages before it hold nothing that
  // counts: what a torn batch left there, behind which a start went on.
  std::uint32_t number = 0;
  std::uint16_t void_pages = 0;
  MessageId id;
};
constexpr std::size_t to_page_end(std::size_t octets) noexcept {
  return (octets + page_size - 1) / page_size * page_size;
}
constexpr std::size_t padded(std::size_t octets) noexcept { return (octets + 7) & ~std::size_t{7}; }
inline std::size_t footprint(const RecordHeader& header) noexcept {
  return padded(record_header_size + std::size_t{header.head_length} + header.blob_length);
}
// Writes record_header_size octets; head, blob and zeros up to footprint() follow. The checksum of the header covers those
// of head and blob, and is seeded: what an earlier use of the file left behind never passes for a record.
void store_record_header(char* into, const RecordHeader& header, std::uint32_t seed) noexcept;
// The record header at the start of `octets` when its checksum holds and the whole record fits. Cheap on
// purpose: a search for the next record after damage tries it everywhere, over octets that strangers wrote.
bool decode_record_header(std::string_view octets, std::uint32_t seed, RecordHeader& header) noexcept;
// The same for who has not read all of the record yet: it must fit into `room`.
bool decode_record_header(std::string_view octets, std::size_t room, std::uint32_t seed,
                          RecordHeader& header) noexcept;

// Parts of the same for octets that may be damaged: does the checksum hold, whatever else they say; the batch's number.
bool header_holds(std::string_view octets, std::uint32_t seed) noexcept;
std::uint32_t header_number(std::string_view octets) noexcept;

RecordType type_of(const Record& record) noexcept;
struct EncodedHead {
  std::string octets;
  std::uint8_t flags = 0;  // that its record must have
};
EncodedHead encode_head(const Record& record);
struct DecodedHead {
  Record record;        // UnknownRecord for a type this release does not know
  bool beyond = false;  // it says more than this release understands: its message is held (D-11)
};
// `flags` of its record: what follows the head it knows. Errc::invalid: the head breaks its own grammar.
Expected<DecodedHead> decode_head(std::uint8_t type, std::string_view head, std::uint8_t flags = 0);
// Can it be written? Errc::too_long names the field.
Expected<void> check_bounds(const Envelope& envelope);

}  // namespace sealpost::spool
