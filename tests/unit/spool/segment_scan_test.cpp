// SPDX-License-Identifier: Apache-2.0
#include "spool/segment_scan.hpp"

#include <doctest.h>

#include <deque>

#include "spool/batch.hpp"
#include "spool/crc32c.hpp"
#include "spool/sim_disk.hpp"
#include "spool_world.hpp"

using namespace sealpost;
using namespace sealpost::spool;

namespace {

// A segment of 64 KiB, written batch by batch.
struct Segment {
  Segment() {
    header.sequence = 3;
    header.salt = 99;
    header.size = 64u << 10;
    file = disk.open("segment", Disk::Access::create).file;
    REQUIRE(file->allocate(header.size) == 0);
    REQUIRE(write_all(*file, 0, encode_segment_header(header)));
  }
  // Each entry is a group: so many records.
  void batch(std::vector<unsigned> groups, std::size_t blob_size = 100) {
    Batch batch;
    batch.begin(header, end);
    for (const unsigned records : groups)
      for (unsigned i = 0; i < records; ++i) {
        const std::string& blob = blobs.emplace_back(blob_size, 'b');
        RecordHeader record;
        record.type = 1;
        record.id = id_of(++number);
        record.blob_crc = crc32c(0, blob);
        record.flags = static_cast<std::uint8_t>((i + 1 < records ? record_flag::more_follows : 0) |
                                                 (i > 0 ? record_flag::continues : 0));
        places.push_back(batch.end());
        batch.add(record, "", blob);
      }
    REQUIRE(batch.write(*file));
    end = batch.end();
  }
  SegmentScan scan(std::uint32_t known_end = 0) {
    const std::string octets = disk.contents("segment");
    SegmentFacts facts;
    facts.known_end = known_end;
    return scan_segment(octets, seed_of(header), facts);
  }
  void spoil(std::size_t at) { disk.overwrite("segment", at, "\xA5\xA5\xA5"); }
  void zero(std::size_t from, std::size_t to) {
    disk.overwrite("segment", from, std::string(to - from, '\0'));
  }

  SimDisk disk;
  SegmentHeader header;
  std::unique_ptr<JournalFile> file;
  std::uint32_t end = segment_header_size;
  std::deque<std::string> blobs;
  unsigned number = 0;
  std::vector<std::uint32_t> places;  // of records
};

}  // namespace

TEST_CASE("an empty segment ends where it begins") {
  Segment segment;
  CHECK(segment.scan().records.empty());
  CHECK(segment.scan().end == segment_header_size);
  CHECK(segment.scan().gaps.empty());
}

TEST_CASE("batches begin on pages, and the space between them is no damage") {
  Segment segment;
  segment.batch({1, 1, 2});
  segment.batch({1});
  CHECK(segment.places[4] % page_size == 0);
  for (const std::uint32_t known : {0u, segment.end}) {
    const SegmentScan scan = segment.scan(known);
    CHECK(scan.records.size() == 5);
    CHECK(scan.gaps.empty());
    CHECK(scan.end == segment.end);
  }
}

TEST_CASE("D-03: the last batch torn at any octet: what lies before is kept, nothing is called damage") {
  Segment segment;
  segment.batch({1, 1});
  const std::uint32_t acknowledged = segment.end;
  segment.batch({1, 1, 1});
  const std::string whole = segment.disk.contents("segment");
  for (std::uint32_t cut = acknowledged; cut < segment.end; ++cut) {
    segment.disk.overwrite("segment", 0, whole);
    segment.zero(cut, segment.end);
    const SegmentScan scan = segment.scan();
    CHECK(scan.gaps.empty());
    CHECK(scan.records.size() >= 2);
    CHECK(scan.end >= acknowledged);
    std::size_t whole_records = 2;
    for (std::size_t i = 2; i < 5; ++i)
      whole_records += cut >= segment.places[i] + record_header_size + 100 ? 1U : 0U;
    CHECK(scan.records.size() == whole_records);
  }
}

TEST_CASE("D-03: a hole in the last batch ends the journal there, whatever lies behind it") {
  Segment segment;
  segment.batch({1});
  segment.batch({1, 1, 1});
  segment.spoil(segment.places[2]);
  const SegmentScan scan = segment.scan();
  CHECK(scan.records.size() == 2);
  CHECK(scan.end == segment.places[2]);
  CHECK(scan.abandoned > 0);
  CHECK(scan.gaps.empty());
}

TEST_CASE(
    "D-03: what was synced before a later batch began is damage when it is gone, and the rest is read on") {
  Segment segment;
  segment.batch({1, 1, 1});
  segment.batch({1});
  segment.spoil(segment.places[1]);
  const SegmentScan scan = segment.scan();
  CHECK(scan.records.size() == 3);
  REQUIRE(scan.gaps.size() == 1);
  CHECK(scan.gaps[0].from == segment.places[1]);
  CHECK(scan.gaps[0].to == segment.places[2]);
  CHECK(scan.end == segment.end);
}

TEST_CASE("D-03: the last record of a batch is missed too, though only filling would follow it") {
  Segment segment;
  segment.batch({1, 1});
  segment.batch({1});
  segment.zero(segment.places[1], segment.places[1] + 152);
  const SegmentScan scan = segment.scan();
  CHECK(scan.records.size() == 2);
  REQUIRE(scan.gaps.size() == 1);
  CHECK(scan.gaps[0].from == segment.places[1]);
}

TEST_CASE("D-07: what lies behind the end that the next segment states does not exist") {
  Segment segment;
  segment.batch({1});
  const std::uint32_t stated = segment.end;
  segment.batch({1, 1});  // its sync failed, and it was refused
  const SegmentScan scan = segment.scan(stated);
  CHECK(scan.records.size() == 1);
  CHECK(scan.end == stated);
  CHECK(scan.gaps.empty());
}

TEST_CASE("D-03: a sealed segment that ends too early is damaged") {
  Segment segment;
  segment.batch({1});
  segment.batch({1});
  segment.zero(segment.places[1], segment.end);
  const SegmentScan scan = segment.scan(segment.end);
  CHECK(scan.records.size() == 1);
  REQUIRE(scan.gaps.size() == 1);
  CHECK(scan.gaps[0].to == segment.end);
}

TEST_CASE("D-03: a damaged blob leaves its record in place, and says so") {
  Segment segment;
  segment.batch({1, 1}, 1000);
  segment.batch({1});
  segment.spoil(segment.places[0] + record_header_size + 500);
  const SegmentScan scan = segment.scan();
  REQUIRE(scan.records.size() == 3);
  CHECK_FALSE(scan.records[0].blob_intact);
  CHECK(scan.records[0].head_intact);
  CHECK(scan.records[1].intact());
  CHECK(scan.gaps.empty());
}

TEST_CASE("D-17: a group whose end is missing at the tail is no group") {
  Segment segment;
  segment.batch({1, 3});
  segment.zero(segment.places[3], segment.end);
  const SegmentScan scan = segment.scan();
  CHECK(scan.records.size() == 1);
  CHECK(scan.end == segment.places[1]);
}

TEST_CASE("D-03: records of an earlier use of the file are not seen, even with the same number") {
  Segment segment;
  segment.batch({1, 1, 1});
  segment.batch({1, 1});
  segment.header.salt = 100;
  segment.disk.overwrite("segment", 0, encode_segment_header(segment.header));
  CHECK(segment.scan().records.empty());
  segment.end = segment_header_size;
  segment.batch({1});
  CHECK(segment.scan().records.size() == 1);
  CHECK(segment.scan().end == segment.end);
}

TEST_CASE("T-54: a mail body that looks like records is not read as records, not even after damage") {
  Segment segment;
  SegmentHeader guessed = segment.header;
  guessed.salt = 0;  // a stranger knows the format and the number, not the salt
  RecordHeader forged;
  forged.type = 8;
  std::string body;
  for (unsigned i = 0; i < 100; ++i) {
    std::string octets(record_header_size, '\0');
    store_record_header(octets.data(), forged, seed_of(guessed));
    body += octets;
  }
  Batch batch;
  batch.begin(segment.header, segment.end);
  RecordHeader header;
  header.type = 2;
  header.blob_crc = crc32c(0, body);
  batch.add(header, "", body);
  REQUIRE(batch.write(*segment.file));
  const std::uint32_t at = segment.end;
  segment.end = batch.end();
  segment.batch({1});
  segment.spoil(at);  // the header of the message
  const SegmentScan scan = segment.scan();
  CHECK(scan.records.size() == 1);
  CHECK(scan.gaps.size() == 1);
}
