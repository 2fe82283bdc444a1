// SPDX-License-Identifier: Apache-2.0
//
// Ordinary accidents to the files between two runs: cut short, removed, a bit flipped. Mail may be lost with what held it,
// but never without a word: each is counted, named, kept where that is possible, and told as trouble.
#include "accidents.hpp"

using namespace sealpost;
using namespace sealpost::spool;
using Loss = SimDisk::Loss;

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
    const std::uint64_t last = newest_segment(world);
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
    const std::uint64_t last = newest_segment(world);
    stop(world, false);
    world.disk.overwrite(segment(last), segment_header_size + in_record, std::string(7, '\x5A'));
    REQUIRE(world.start());
    CHECK(world.recovered.empty());
    check_told(world);
  }
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
