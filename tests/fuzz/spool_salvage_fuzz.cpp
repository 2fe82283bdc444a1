// SPDX-License-Identifier: Apache-2.0
//
// `spool recover` on any file (D-03, T-54): it ends, what it gives back has checksums that hold, and no message comes out
// that could not be written. Input: one octet, then the file. 0: as it is. 1: behind the page of a stretch. 2: as a segment
// with a header that holds. 3: records made of the input with a header and checksums that hold, spoilt every so often.
#include <cstdint>
#include <string>

#include "base/log.hpp"
#include "require.hpp"
#include "spool/crc32c.hpp"
#include "spool/damage.hpp"
#include "spool/journal_mark.hpp"
#include "spool/salvage.hpp"

using namespace sealpost;
using namespace sealpost::spool;

namespace {

SegmentHeader the_header() {
  SegmentHeader header;
  header.sequence = 7;
  header.salt = 42;
  header.size = 64u << 10;
  return header;
}

// Each record: type, flags, length of the head, the head; every fourth is spoilt by the octet behind it.
std::string records_from(std::string_view script) {
  std::string out = encode_segment_header(the_header());
  for (unsigned number = 0; script.size() > 3 && out.size() < (1u << 20); ++number) {
    RecordHeader header;
    header.type = static_cast<std::uint8_t>(script[0]);
    header.flags = static_cast<std::uint8_t>(script[1]);
    const std::string_view head = script.substr(3, static_cast<unsigned char>(script[2]));
    script.remove_prefix(3 + head.size());
    header.head_length = static_cast<std::uint32_t>(head.size());
    header.head_crc = crc32c(0, head);
    const std::size_t at = out.size();
    out.resize(at + footprint(header), '\0');
    store_record_header(out.data() + at, header, seed_of(the_header()));
    out.replace(at + record_header_size, head.size(), head);
    if (number % 4 == 3 && !script.empty()) out[at + number % 48] = script[0];
  }
  return out;
}

void check(const std::string& file) {
  const auto found = salvage(file);
  if (!found) return;
  std::uint64_t octets = found->unreadable;
  for (const SalvagedRecord& record : found->records) {
    require(record.blob.data() >= file.data() &&
            record.blob.data() + record.blob.size() <= file.data() + file.size());
    require(!record.blob_intact || crc32c(0, record.blob) == record.header.blob_crc);
    if (const auto* message = std::get_if<MessageRecord>(&record.record))
      require(check_bounds(message->envelope).has_value());
    octets += record_header_size;
  }
  require(octets <= file.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const bool quiet = (log::configure(-1, log::Format::text, log::Level::error), true);
  static_cast<void>(quiet);
  if (size == 0) return 0;
  const std::string rest(data + 1, data + size);
  Stretch stretch;
  stretch.header = the_header();
  stretch.from = 8192;
  if (data[0] == 0) check(rest);
  if (data[0] == 1) check(encode_stretch_page(stretch, 8192 + rest.size()) + rest);
  if (data[0] == 2) check(encode_segment_header(the_header()) + rest);
  if (data[0] == 3) check(records_from(rest));
  const auto mark =
      decode_mark(rest);  // the same octets as a mark: what is read is what writing it again gives
  if (mark) require(decode_mark(encode_mark(*mark)).value() == *mark);
  return 0;
}
