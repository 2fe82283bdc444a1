// SPDX-License-Identifier: Apache-2.0
//
// docs/spool-format.md ends in a worked example. Here the code writes it and reads it, so the page stays true.
#include <doctest.h>
#include <fmt/format.h>

#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include "spool/batch.hpp"
#include "spool/crc32c.hpp"
#include "spool/segment_scan.hpp"
#include "spool/sim_disk.hpp"
#include "spool_world.hpp"

using namespace sealpost;
using namespace sealpost::spool;

namespace {

SegmentHeader example_header() {
  SegmentHeader header;
  header.sequence = 42;
  header.salt = 0x0123456789ABCDEF;
  header.node = 7;
  header.size = 64u << 20;
  header.previous_end = 0x2000;
  header.created = SystemTime(std::chrono::seconds(1'769'904'000));  // 2026-02-01T00:00:00Z
  header.oldest = 40;
  header.first_batch = 1000;
  return header;
}

const std::string example_body = "Subject: hi\r\n\r\nHello\r\n";

MessageRecord example_message() {
  MessageRecord record;
  record.envelope.arrival = SystemTime(std::chrono::seconds(1'769'904'001));
  record.envelope.body = BodyType::eight_bit_mime;
  record.envelope.reverse_path = "a@b.example";
  record.envelope.recipients.emplace_back("c@d.example");
  return record;
}

OutcomeRecord example_outcome() {
  OutcomeRecord record;
  record.outcome.when = SystemTime(std::chrono::seconds(1'769'904'002));
  Answer answer;
  answer.status = "2.0.0";
  answer.host = "mx.d.example";
  answer.address = "192.0.2.25";
  record.outcome.recipients.emplace_back(0, RecipientState::delivered, "250 ok",
                                         std::make_shared<const Answer>(std::move(answer)));
  return record;
}

RecordHeader header_of(const Record& record, const EncodedHead& head, const std::string& blob) {
  RecordHeader header;
  header.type = static_cast<std::uint8_t>(type_of(record));
  header.id = *MessageId::parse("01KGAFMHZ80000000000000001");
  header.flags = head.flags;
  header.head_crc = crc32c(0, head.octets);
  header.blob_crc = crc32c(0, blob);
  return header;
}

// One batch with a message and its outcome, as the file would hold it.
std::string example_file() {
  const Record message = example_message(), outcome = example_outcome();
  const EncodedHead message_head = encode_head(message), outcome_head = encode_head(outcome);
  Batch batch;
  batch.begin(example_header(), segment_header_size, 1000);
  batch.add(header_of(message, message_head, example_body), message_head.octets, example_body);
  batch.add(header_of(outcome, outcome_head, ""), outcome_head.octets, "");
  SimDisk disk;
  auto file = disk.open("example", Disk::Access::create).file;
  REQUIRE(write_all(*file, 0, encode_segment_header(example_header())));
  REQUIRE(batch.write(*file));
  return disk.contents("example");
}

std::map<std::size_t, std::string> dump(std::string_view octets) {
  std::map<std::size_t, std::string> lines;
  for (std::size_t at = 0; at < octets.size(); at += 16) {
    const std::string_view row = octets.substr(at, 16);
    if (row.find_first_not_of('\0') == std::string_view::npos) continue;
    std::string line;
    for (const char c : row)
      line += fmt::format("{}{:02x}", line.empty() ? "" : " ", static_cast<unsigned char>(c));
    lines[at] = line;
  }
  return lines;
}

std::map<std::size_t, std::string> dump_in_page() {
  std::ifstream page(SPOOL_FORMAT_PAGE);
  REQUIRE(page.is_open());
  std::map<std::size_t, std::string> lines;
  bool inside = false;
  for (std::string line; std::getline(page, line);) {
    if (line.starts_with("```")) inside = line == "```hexdump";
    if (!inside || line.size() < 57 || line.starts_with("```")) continue;
    lines[std::stoul(line.substr(0, 8), nullptr, 16)] = line.substr(10, 47);
  }
  return lines;
}

}  // namespace

TEST_CASE("the worked example in docs/spool-format.md is what the code writes") {
  const auto written = dump(example_file());
  std::string text;
  for (const auto& [at, row] : written) text += fmt::format("{:08x}  {}\n", at, row);
  INFO("the example as written now:\n" << text);
  CHECK(dump_in_page() == written);
}

TEST_CASE("the worked example reads back") {
  const std::string file = example_file();
  const auto header = decode_segment_header(file);
  REQUIRE(header);
  CHECK(*header == example_header());
  const SegmentScan scan = scan_segment(file, seed_of(*header), SegmentFacts());
  REQUIRE(scan.records.size() == 2);
  CHECK(scan.gaps.empty());
  CHECK(scan.end == 2 * segment_header_size);
  const auto& record = scan.records[0];
  const auto message = decode_head(
      record.header.type,
      std::string_view(file).substr(record.offset + record_header_size, record.header.head_length));
  REQUIRE(message);
  CHECK(std::get<MessageRecord>(message->record).envelope.recipients[0].address == "c@d.example");
  CHECK(std::string_view(file).substr(record.offset + record_header_size + record.header.head_length,
                                      record.header.blob_length) == example_body);
}
