// SPDX-License-Identifier: Apache-2.0
//
// Spools of earlier and later releases (D-11, D-26).
#include <fstream>
#include <map>
#include <sstream>

#include "accidents.hpp"

#ifndef SPOOL_FIXTURES  // the build names the directory; tools that read this file alone need no real one
#define SPOOL_FIXTURES ""
#endif

using namespace sealpost;
using namespace sealpost::spool;
using Loss = SimDisk::Loss;

TEST_CASE("D-26: a spool written in format version 1 is read, and what is written to it is of the new one") {
  World world;
  std::ifstream fixture(SPOOL_FIXTURES "/format-1.txt");
  REQUIRE(fixture.is_open());
  std::map<std::string, std::string> files;
  std::string name;
  for (std::string line; std::getline(fixture, line);) {
    if (line.starts_with("#")) continue;
    std::istringstream words(line);
    if (line.starts_with("file ")) {
      std::size_t size = 0;
      std::string file;
      words >> file >> name >> size;
      files[name].resize(size);
      continue;
    }
    std::size_t at = 0;
    std::string hex;
    words >> std::hex >> at >> hex;
    for (std::size_t i = 0; i < hex.size(); i += 2)
      files[name][at + i / 2] = static_cast<char>(std::stoul(hex.substr(i, 2), nullptr, 16));
  }
  REQUIRE(files.size() == 2);
  for (const auto& [file, octets] : files) world.disk.put_file(file, octets);
  REQUIRE(world.start());
  CHECK(world.health.well());
  REQUIRE(world.recovered.size() == 4);
  CHECK(world.body(world.found(1)).value() == "Subject: one\r\n\r\nwaits\r\n");
  CHECK(world.found(1)->last_reply == "451 4.7.1 later");
  CHECK(world.found(2)->progress[1].state == RecipientState::delivered);
  CHECK(world.found(4)->held);
  CHECK(world.body(world.found(4)).value() == std::string(3000, 'p') + "the end\r\n");
  CHECK(world.body(world.found(6)).value() == "Subject: bounce\r\n\r\nof five\r\n");
  store_some(world, 50, 55);
  const auto header = decode_segment_header(world.disk.contents(segment(3)));
  REQUIRE(header);
  CHECK(header->version == format_version);
  CHECK(header->node != 0);  // version 1 had none
  REQUIRE(world.restart(Loss::all));
  CHECK(world.recovered.size() == 10);
  CHECK(world.health.well());
}

TEST_CASE("D-26: one flipped bit in the version of a header is damage, not a newer format") {
  for (unsigned bit = 0; bit < 8; ++bit) {
    World world;
    REQUIRE(world.start());
    store_some(world, 1, 2);
    stop(world, true);
    flip(world, 1, 8, bit);
    REQUIRE(world.start());
    CHECK(world.recovered.size() == 2);
  }
}

TEST_CASE("a journal knows whose it is, from its first start on and without its marks too") {
  World world;
  REQUIRE(world.start());
  store_some(world, 1, 2);
  const auto node_of = [&](std::uint64_t sequence) {
    return decode_segment_header(world.disk.contents(segment(sequence))).value().node;
  };
  const std::uint64_t node = node_of(1);
  CHECK(node != 0);
  REQUIRE(world.restart(Loss::all));
  CHECK(node_of(2) == node);
  stop(world, true);
  for (const char* mark : {"mark-0", "mark-1"}) static_cast<void>(world.disk.remove(mark));
  REQUIRE(world.start());
  CHECK(node_of(3) == node);
  World other;
  REQUIRE(other.start());
  store_some(other, 1, 2);
  CHECK(decode_segment_header(other.disk.contents(segment(1))).value().node != node);
}

TEST_CASE("D-11: a record with a flag of a later release is applied, and its message held") {
  World world;
  REQUIRE(world.start());
  REQUIRE(world.store(message_of(1, body_of(1))));
  stop(world, false);
  const std::string octets = world.disk.contents(segment(1));
  const auto header = decode_segment_header(octets).value();
  RecordHeader record;
  REQUIRE(decode_record_header(std::string_view(octets).substr(page_size), seed_of(header), record));
  record.flags |= 0x10;
  std::string changed(record_header_size, '\0');
  store_record_header(changed.data(), record, seed_of(header));
  world.disk.overwrite(segment(1), page_size, changed);
  REQUIRE(world.start());
  REQUIRE(world.found(1));
  CHECK(world.found(1)->held);
  CHECK(world.body(world.found(1)).value() == body_of(1));
}
