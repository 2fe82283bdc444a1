// SPDX-License-Identifier: Apache-2.0
//
// Ordinary accidents to the files between two runs: cut short, removed, a bit flipped. Mail may be lost with what held it,
// but never without a word: each is counted, named, kept where that is possible, and told as trouble.
#include <doctest.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "spool/segment_scan.hpp"
#include "spool_world.hpp"

#ifndef SPOOL_FIXTURES  // the build names the directory; tools that read this file alone need no real one
#define SPOOL_FIXTURES ""
#endif

using namespace sealpost;
using namespace sealpost::spool;
using Loss = SimDisk::Loss;

namespace {

std::string segment(std::uint64_t sequence) { return "journal/" + segment_name(sequence); }

std::string body_of(unsigned number) { return "body number " + std::to_string(number) + "\r\n"; }

bool has_trouble(const World& world, std::string_view cause) {
  const auto all = world.health.list();
  return std::any_of(all.begin(), all.end(), [&](const auto& trouble) { return trouble.cause == cause; });
}

bool any_name(const World& world, std::string_view prefix) {
  const auto names = world.disk.names();
  return std::any_of(names.begin(), names.end(), [&](const auto& name) { return name.starts_with(prefix); });
}

bool any_corrupt_holds(const World& world, std::string_view octets) {
  const auto names = world.disk.names();
  return std::any_of(names.begin(), names.end(), [&](const auto& name) {
    return name.starts_with("corrupt/") && world.disk.contents(name).find(octets) != std::string::npos;
  });
}

// What must be so after mail was lost: nobody can overlook it, now and at every later start.
void check_told(World& world) {
  CHECK(world.spool->counters().damaged > 0);
  CHECK(has_trouble(world, "journal damage"));
  CHECK(any_name(world, "corrupt/"));
  CHECK(has_trouble(world, "journal corrupt/"));
  world.stop();
  world.disk.crash(Loss::all);
  REQUIRE(world.start());
  CHECK(world.spool->counters().set_aside > 0);
  CHECK(has_trouble(world, "journal corrupt/"));
}

void store_some(World& world, unsigned first, unsigned last) {
  for (unsigned i = first; i <= last; ++i) REQUIRE(world.store(message_of(i, body_of(i))));
}

void stop(World& world, bool clean) {
  if (clean) world.spool->close();
  world.stop();
  world.disk.crash(clean ? Loss::all : Loss::kill);
}

// Several messages in one batch.
event::Task<void> store_one(World& world, NewMessage message) {
  const auto stored = co_await world.spool->store(world.loop, std::move(message));
  CHECK(stored.has_value());
}
void store_together(World& world, unsigned first, unsigned last, std::size_t size) {
  event::TaskScope scope(world.loop);
  for (unsigned i = first; i <= last; ++i)
    scope.spawn(store_one(world, message_of(i, std::string(size, 'z'))));
  world.loop.advance(std::chrono::seconds(1));
}

std::vector<ScannedRecord> records_of(const World& world, std::uint64_t sequence) {
  const std::string octets = world.disk.contents(segment(sequence));
  const auto header = decode_segment_header(octets);
  REQUIRE(header);
  return scan_segment(octets, seed_of(*header), SegmentFacts()).records;
}

void flip(World& world, std::uint64_t sequence, std::size_t at, unsigned bit) {
  const std::string name = segment(sequence);
  const char octet = static_cast<char>(world.disk.contents(name)[at] ^ (1 << bit));
  world.disk.overwrite(name, at, std::string_view(&octet, 1));
}

}  // namespace

TEST_CASE("D-03 D-21: without an accident nothing is told") {
  for (const bool clean : {true, false}) {
    World world;
    REQUIRE(world.start());
    for (unsigned life = 0; life < 4; ++life) {
      store_some(world, 10 * life + 1, 10 * life + 5);
      stop(world, clean);
      REQUIRE(world.start());
      CHECK(world.recovered.size() == 5 * (life + 1));
      CHECK(world.spool->counters().damaged == 0);
      CHECK(world.health.well());
      CHECK_FALSE(any_name(world, "corrupt/"));
    }
  }
}

TEST_CASE("D-03: the last segment is cut short after an orderly stop") {
  for (const std::size_t to : {std::size_t{0}, std::size_t{1000}, 2 * page_size, 3 * page_size + 700}) {
    CAPTURE(to);
    World world;
    REQUIRE(world.start());
    store_some(world, 1, 4);
    stop(world, true);
    world.disk.put_file(segment(1), world.disk.contents(segment(1)).substr(0, to));
    REQUIRE(world.start());
    CHECK(world.recovered.size() < 4);
    check_told(world);
  }
}

TEST_CASE("D-03: octets of the last segment read as zeros after an orderly stop") {
  for (std::size_t page = 1; page <= 5; ++page) {  // four batches and the one that notes the stop
    CAPTURE(page);
    World world;
    REQUIRE(world.start());
    store_some(world, 1, 4);
    stop(world, true);
    world.disk.overwrite(segment(1), page * page_size, std::string(page_size, '\0'));
    REQUIRE(world.start());
    CHECK(world.recovered.size() == (page == 5 ? 4 : 3));
    check_told(world);
  }
}

TEST_CASE("D-03 D-21: a segment is missing: the last, one in the middle, the oldest") {
  for (const bool clean : {true, false})
    for (const std::uint64_t gone : {1U, 2U, 3U, 4U}) {
      CAPTURE(clean);
      CAPTURE(gone);
      World world;
      REQUIRE(world.start());
      for (unsigned life = 1; life <= 4; ++life) {
        store_some(world, 10 * life, 10 * life + 4);
        stop(world, clean);
        if (life < 4) REQUIRE(world.start());
      }
      world.disk.remove(segment(gone));
      world.disk.sync_directory(journal_directory);
      REQUIRE(world.start());
      CHECK(world.recovered.size() == 15);
      CHECK(any_name(world, "corrupt/" + std::to_string(gone) + ".missing"));
      check_told(world);
      CHECK(world.store(message_of(99, "works")));
    }
}

TEST_CASE("D-21: segments under a wrong name get their own again, and none of their mail is missing") {
  struct Row {
    const char* what;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> renames;
    std::size_t mails;
  };
  const Row rows[] = {{"one far away", {{2, 33}}, 20},
                      {"the last, one further", {{4, 5}}, 20},
                      {"two changed places", {{2, 9}, {3, 2}, {9, 3}}, 20},
                      {"three in a circle", {{1, 9}, {2, 1}, {3, 2}, {9, 3}}, 20},
                      {"all one further", {{4, 5}, {3, 4}, {2, 3}, {1, 2}}, 20}};
  for (const Row& row : rows)
    for (const bool clean : {true, false}) {
      CAPTURE(row.what);
      CAPTURE(clean);
      World world;
      REQUIRE(world.start());
      for (unsigned life = 1; life <= 4; ++life) {
        store_some(world, 10 * life, 10 * life + 4);
        stop(world, clean);
        if (life < 4) REQUIRE(world.start());
      }
      for (const auto& [from, to] : row.renames) REQUIRE(world.disk.rename(segment(from), segment(to)) == 0);
      world.disk.sync_directory(journal_directory);
      REQUIRE(world.start());
      CHECK(world.recovered.size() == row.mails);
      CHECK(world.spool->counters().damaged == 0);
      CHECK_FALSE(any_name(world, "corrupt/"));
      CHECK(world.store(message_of(99, "works")));
      REQUIRE(world.restart(Loss::all));
      CHECK(world.recovered.size() == row.mails + 1);
    }
}

TEST_CASE("D-21: a copy of a segment under another name is put aside, and the segment stays") {
  World world;
  REQUIRE(world.start());
  for (unsigned life = 1; life <= 3; ++life) {
    store_some(world, 10 * life, 10 * life + 4);
    stop(world, true);
    if (life < 3) REQUIRE(world.start());
  }
  const std::string octets = world.disk.contents(segment(2));
  {
    const auto copy = world.disk.open(segment(7), Disk::Access::create);
    REQUIRE(copy.file);
    REQUIRE(write_all(*copy.file, 0, octets));
    REQUIRE(copy.file->sync_data() == 0);
  }
  world.disk.sync_directory(journal_directory);
  REQUIRE(world.start());
  CHECK(world.recovered.size() == 15);
  check_told(world);
}

TEST_CASE("D-21: the whole journal is gone, and the marks beside it say what there was") {
  World world;
  REQUIRE(world.start());
  store_some(world, 1, 3);
  stop(world, true);
  for (const std::string& name : world.disk.names())
    if (name.starts_with("journal/")) world.disk.remove(name);
  world.disk.sync_directory(journal_directory);
  REQUIRE(world.start());
  CHECK(world.recovered.empty());
  const auto troubles = world.health.list();
  CHECK(std::any_of(troubles.begin(), troubles.end(), [](const auto& trouble) {
    return trouble.what.find("held 3 unfinished messages") != std::string::npos;
  }));
  check_told(world);
}

TEST_CASE("D-21: segments that were freed are not missed") {
  World world;
  REQUIRE(world.start());
  for (unsigned i = 1; i <= 60; ++i) {
    REQUIRE(world.store(message_of(i, std::string(9000, 'x'))));
    if (i % 7 != 0) REQUIRE(world.finish(outcome_of(i, RecipientState::delivered)));
  }
  for (unsigned i = 7; i <= 60; i += 7) REQUIRE(world.finish(outcome_of(i, RecipientState::delivered)));
  stop(world, false);
  REQUIRE(world.start());
  CHECK(world.spool->counters().damaged == 0);
  CHECK(world.health.well());
}

TEST_CASE(
    "D-03: one bit is flipped in the last batch after a crash: it may have been acknowledged, so it is "
    "told") {
  World original;
  REQUIRE(original.start());
  store_some(original, 1, 2);
  store_together(original, 11, 18, 300);
  stop(original, false);
  const auto records = records_of(original, 1);
  REQUIRE(records.size() == 10);
  for (std::size_t i = 2; i < records.size(); ++i)
    for (const std::size_t in_record : {0u, 5u, 13u, 21u, 24u, 30u, 45u, 60u, 200u}) {
      const std::size_t at = records[i].offset + in_record;
      CAPTURE(i);
      CAPTURE(in_record);
      World world;
      for (const auto& name : original.disk.names()) world.disk.put_file(name, original.disk.contents(name));
      flip(world, 1, at, 3);
      REQUIRE(world.start());
      CHECK(world.spool->counters().damaged > 0);
      CHECK(has_trouble(world, "journal damage"));
      CHECK(any_name(world, "corrupt/1-"));
    }
}

TEST_CASE("D-03: the same when the batch held one message alone, in a file that was used before") {
  for (const std::size_t in_record : {0u, 5u, 13u, 21u, 24u, 30u, 45u}) {
    CAPTURE(in_record);
    World world;
    REQUIRE(world.start());
    for (int life = 0; life < 3; ++life) REQUIRE(world.restart(Loss::kill));  // segments are used again
    REQUIRE(world.store(message_of(1, body_of(1))));
    std::uint64_t last = 0;
    for (const auto& name : world.disk.names())
      if (const auto sequence = parse_segment_name(name.substr(name.find('/') + 1)))
        last = std::max(last, *sequence);
    stop(world, false);
    CHECK(last > 2);
    flip(world, last, segment_header_size + in_record, 2);
    REQUIRE(world.start());
    CHECK(world.recovered.empty());
    check_told(world);
  }
}

TEST_CASE("D-03: and when several octets of its header are gone, by the number of the batch that is due") {
  for (const std::size_t in_record : {0u, 4u, 12u, 24u, 36u}) {
    CAPTURE(in_record);
    World world;
    REQUIRE(world.start());
    for (int life = 0; life < 3; ++life) REQUIRE(world.restart(Loss::kill));
    REQUIRE(world.store(message_of(1, body_of(1))));
    std::uint64_t last = 0;
    for (const auto& name : world.disk.names())
      if (const auto sequence = parse_segment_name(name.substr(name.find('/') + 1)))
        last = std::max(last, *sequence);
    stop(world, false);
    world.disk.overwrite(segment(last), segment_header_size + in_record, std::string(7, '\x5A'));
    REQUIRE(world.start());
    CHECK(world.recovered.empty());
    check_told(world);
  }
}

TEST_CASE("D-03 D-08: a torn batch, a start on a full disk, then room: nothing acknowledged later is lost") {
  for (const bool clean : {true, false})
    for (std::size_t cut = 1; cut <= 4; ++cut) {
      CAPTURE(cut);
      World world;
      REQUIRE(world.start());
      REQUIRE(world.store(message_of(1, body_of(1))));
      store_together(world, 11, 13, 6000);
      stop(world, false);
      // Of the batch only the first pages reached the disk: the first message, and the header of the second.
      const auto records = records_of(world, 1);
      REQUIRE(records.size() == 4);
      const std::size_t torn = records[1].header.batch + cut * page_size;
      world.disk.overwrite(segment(1), torn,
                           std::string(world.options.segment_size - page_size - torn, '\0'));
      for (const std::string& name : world.disk.names())
        if (name.starts_with("journal/spare-")) world.disk.remove(name);
      world.disk.sync_directory(journal_directory);
      // What is left of the first message that is not whole.
      const auto broken = std::find_if(records.begin(), records.end(),
                                       [torn](const auto& record) { return record.end > torn; });
      REQUIRE(broken != records.end());
      REQUIRE(broken->offset < torn);
      const std::string left = world.disk.contents(segment(1)).substr(broken->offset, torn - broken->offset);
      world.disk.set_capacity(0);
      REQUIRE(world.start());
      CHECK_FALSE(world.store(message_of(50, "no room")));
      CHECK(world.finish(outcome_of(1, RecipientState::pending, 0, "451 later")));  // deliveries go on
      world.disk.heal();
      world.loop.advance(std::chrono::seconds(3));
      for (unsigned i = 100; i < 110; ++i) REQUIRE(world.store(message_of(i, std::string(3000, 'n'))));
      stop(world, clean);
      REQUIRE(world.start());
      for (unsigned i = 100; i < 110; ++i) {
        REQUIRE(world.found(i));
        CHECK(world.body(world.found(i)).value() == std::string(3000, 'n'));
      }
      REQUIRE(world.found(1));
      CHECK(world.found(1)->last_reply == "451 later");
      REQUIRE(world.restart(Loss::all));
      for (unsigned i = 100; i < 110; ++i) CHECK(world.found(i));
      // The torn tail had no room in corrupt/ at first: a start with room copies it, before its segment is used again.
      for (const auto& message : world.recovered)
        for (std::uint32_t i = 0; i < message->progress.size(); ++i) {
          Outcome outcome = outcome_of(1, RecipientState::delivered, i);
          outcome.id = message->id;
          REQUIRE(world.finish(std::move(outcome)));
        }
      CHECK(any_corrupt_holds(world, left));
      CHECK(has_trouble(world, "journal corrupt/"));
      CHECK_FALSE(any_name(world, segment(1)));
    }
}

TEST_CASE(
    "D-03 D-18: a torn batch without room for its copy is copied later, though a spare segment was ready") {
  for (const bool written : {true, false}) {
    CAPTURE(written);
    World world;
    REQUIRE(world.start());
    REQUIRE(world.store(message_of(1, body_of(1))));
    store_together(world, 11, 13, 6000);
    stop(world, false);
    const std::size_t torn = records_of(world, 1)[1].header.batch + page_size;
    world.disk.overwrite(segment(1), torn, std::string(world.options.segment_size - page_size - torn, '\0'));
    const std::string torn_page = world.disk.contents(segment(1)).substr(torn - page_size, page_size);
    REQUIRE(any_name(world, "journal/spare-"));
    world.disk.set_capacity(0);
    REQUIRE(world.start());
    CHECK(has_trouble(world, "journal damage"));
    CHECK_FALSE(any_name(world, "corrupt/"));
    if (written) CHECK(world.finish(outcome_of(1, RecipientState::pending, 0, "451 later")));
    stop(world, false);
    world.disk.heal();
    REQUIRE(world.start());
    CHECK(any_corrupt_holds(world, torn_page));
    CHECK(has_trouble(world, "journal damage"));
    CHECK(world.recovered.size() == 1);
    REQUIRE(world.restart(Loss::all));  // once is enough
    CHECK(world.spool->counters().damaged == 0);
    CHECK(has_trouble(world, "journal corrupt/"));
  }
}

TEST_CASE("D-03 D-18: and when its segment is needed no more before the next start, all of it is kept") {
  World world;
  REQUIRE(world.start());
  store_together(world, 11, 13, 6000);
  stop(world, false);
  const std::size_t torn = 2 * page_size;
  world.disk.overwrite(segment(1), torn, std::string(world.options.segment_size - page_size - torn, '\0'));
  const std::string torn_page = world.disk.contents(segment(1)).substr(page_size, page_size);
  world.disk.set_capacity(0);
  REQUIRE(world.start());
  CHECK(world.recovered.empty());
  world.disk.heal();
  world.loop.advance(std::chrono::seconds(3));
  unsigned stored = 0;
  for (; stored < 1000 && !any_name(world, segment(2)); ++stored)
    REQUIRE(world.store(message_of(100 + stored, std::string(3000, 'n'))));
  REQUIRE(any_name(world, segment(2)));
  for (unsigned i = 0; i < stored; ++i) REQUIRE(world.finish(outcome_of(100 + i, RecipientState::delivered)));
  world.loop.advance(std::chrono::seconds(3));
  CHECK_FALSE(any_name(world, segment(1)));
  REQUIRE(any_name(world, "corrupt/" + segment_name(1)));
  CHECK(any_corrupt_holds(world, torn_page));
}

TEST_CASE(
    "D-03 D-18: a torn end that nothing can be written behind, no room for its copy, a spare: it is noted "
    "first") {
  for (const bool marks : {true, false}) {
    CAPTURE(marks);
    World world;
    REQUIRE(world.start());
    REQUIRE(world.store(message_of(1, body_of(1))));
    store_together(world, 11, 13, 6000);
    stop(world, false);
    const std::size_t torn = records_of(world, 1)[1].header.batch + page_size;
    world.disk.put_file(segment(1),
                        world.disk.contents(segment(1)).substr(0, torn));  // where it ends is not known
    const std::string torn_page = world.disk.contents(segment(1)).substr(torn - page_size, page_size);
    REQUIRE(any_name(world, "journal/spare-"));
    if (!marks)
      for (const char* name : {"mark-0", "mark-1"}) world.disk.remove(name);
    world.disk.sync_directory(".");
    world.disk.set_capacity(0);
    REQUIRE(world.start());
    CHECK_FALSE(any_name(world, "corrupt/"));
    // Without a place to note it, nothing is acknowledged that would make it unreachable.
    CHECK(any_name(world, segment(2)) == marks);
    CHECK(world.spool->healthy() == marks);
    if (!marks) {
      CHECK_FALSE(world.store(message_of(50, "no room")));
      world.disk.heal();
      world.loop.advance(std::chrono::seconds(3));
    }
    CHECK(world.finish(outcome_of(1, RecipientState::pending, 0, "451 later")));
    stop(world, false);
    world.disk.heal();
    REQUIRE(world.start());
    CHECK(world.found(1)->last_reply == "451 later");
    CHECK(any_corrupt_holds(world, torn_page));
    REQUIRE(world.restart(Loss::all));  // once is enough
    CHECK(world.spool->counters().damaged == 0);
  }
}

TEST_CASE(
    "D-03 D-09: gone on behind a torn end and rolled with nothing written there: what was not whole stays "
    "that") {
  for (const bool room : {true, false}) {
    CAPTURE(room);
    World world;
    REQUIRE(world.start());
    REQUIRE(world.store(message_of(1, body_of(1))));
    store_together(world, 11, 13, 6000);
    stop(world, false);
    const auto records = records_of(world, 1);
    REQUIRE(records.size() == 4);
    world.disk.overwrite(segment(1), records[2].offset + 200,
                         std::string(100, '\0'));  // of 12; 13 is whole behind it
    const std::string behind = world.disk.contents(segment(1)).substr(records[3].offset, 300);
    REQUIRE(any_name(world, "journal/spare-"));
    world.disk.set_capacity(0);
    REQUIRE(world.start());
    CHECK(world.found(11));
    CHECK_FALSE(world.found(13));
    CHECK_FALSE(any_name(world, segment(2)));
    if (room) world.disk.heal();
    world.loop.advance(std::chrono::seconds(3));
    // Longer than what is left of the segment.
    const auto stored = world.store(message_of(100, std::string(44'000, 'n')));
    CHECK(stored);
    stop(world, false);
    world.disk.heal();
    REQUIRE(world.start());
    CHECK(world.found(100));
    CHECK(world.found(11));
    CHECK_FALSE(world.found(12));
    CHECK_FALSE(world.found(13));  // its client was not told 250, and has sent it again
    CHECK(any_corrupt_holds(world, behind));
    REQUIRE(world.restart(Loss::all));
    CHECK(world.spool->counters().damaged == 0);
  }
}

TEST_CASE("D-07 D-08: where the end of the last segment is not known, nothing is written behind it") {
  World world;
  REQUIRE(world.start());
  store_some(world, 1, 3);
  stop(world, false);
  world.disk.put_file(segment(1), world.disk.contents(segment(1)).substr(0, 8 * page_size));  // cut short
  for (const std::string& name : world.disk.names())
    if (name.starts_with("journal/spare-")) world.disk.remove(name);
  world.disk.sync_directory(journal_directory);
  const std::string before = world.disk.contents(segment(1));
  world.disk.set_capacity(0);
  REQUIRE(world.start());
  CHECK(world.recovered.size() == 3);
  CHECK(world.spool->room_for(0).error().code == Errc::no_space);
  CHECK_FALSE(world.spool->healthy());
  CHECK(has_trouble(world, "journal"));
  CHECK_FALSE(world.store(message_of(50, "no room")));
  CHECK((world.disk.contents(segment(1)) == before));
  world.disk.heal();
  world.loop.advance(std::chrono::seconds(3));
  CHECK(world.spool->healthy());
  CHECK_FALSE(has_trouble(world, "journal"));
  CHECK(world.store(message_of(51, "room")));
  REQUIRE(world.restart(Loss::all));
  CHECK(world.recovered.size() == 4);
}

TEST_CASE("D-03: a page that the disk cannot read behind the last record is told") {
  unsigned told = 0;
  for (std::uint64_t call = 1; call <= 60; ++call) {
    World world;
    REQUIRE(world.start());
    store_some(world, 1, 2);
    stop(world, false);
    world.disk.fail_at(call, EIO);
    world.disk.fail_at(call + 4, EIO);
    if (!world.start()) continue;
    if (any_name(world, "corrupt/1-") && world.recovered.size() == 2) {
      ++told;
      CHECK(has_trouble(world, "journal damage"));
    }
  }
  CHECK(told > 0);
}

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
