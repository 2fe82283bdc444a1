// SPDX-License-Identifier: Apache-2.0
#include "spool/recovery.hpp"

#include <doctest.h>

#include "accidents.hpp"
#include "spool/batch.hpp"

using namespace sealpost;
using namespace sealpost::spool;
using Loss = SimDisk::Loss;

namespace {

// Where the body of a message lies, by what it holds.
std::size_t offset_of(const World& world, const std::string& file, std::string_view text) {
  const std::size_t at = world.disk.contents(file).find(text);
  REQUIRE(at != std::string::npos);
  return at;
}

std::map<std::string, std::string> everything(const World& world) {
  std::map<std::string, std::string> all;
  for (const std::string& name : world.disk.names()) all[name] = world.disk.contents(name);
  return all;
}

std::string kept(const World& world, std::string_view prefix) {
  for (const std::string& name : world.disk.names())
    if (name.starts_with(prefix)) return world.disk.contents(name);
  return "";
}

// Segment 1: messages 1 to 3 in batches of their own; sealed by a restart. Segment 2: message 4.
void fill(World& world) {
  REQUIRE(world.start());
  for (unsigned i = 1; i <= 3; ++i)
    REQUIRE(world.store(message_of(i, "body number " + std::to_string(i) + "\r\n")));
  REQUIRE(world.restart(Loss::all));
  REQUIRE(world.store(message_of(4, "body number 4\r\n")));
  world.stop();
}

}  // namespace

TEST_CASE("D-18 D-21: recovery twice changes nothing") {
  World world;
  fill(world);
  REQUIRE(world.start());
  const auto first = world.recovered;
  for (int again = 0; again < 3; ++again) {
    REQUIRE(world.restart(Loss::all));
    REQUIRE(world.recovered.size() == first.size());
    for (std::size_t i = 0; i < first.size(); ++i) {
      CHECK(world.recovered[i]->id == first[i]->id);
      CHECK(world.recovered[i]->progress == first[i]->progress);
      CHECK(world.body(world.recovered[i]).value() == "body number " + std::to_string(i + 1) + "\r\n");
    }
    CHECK_FALSE(any_name(world, "corrupt/"));
  }
}

TEST_CASE("D-21: starts without mail use segments again instead of piling them up") {
  World world;
  REQUIRE(world.start());
  for (int i = 0; i < 10; ++i) REQUIRE(world.restart(Loss::all));
  CHECK(world.disk.names().size() <= 6);  // two of them marks
}

TEST_CASE("D-03: a damaged record in a sealed segment is set aside, the rest is read on") {
  World world;
  fill(world);
  const std::size_t at = offset_of(world, segment(1), "user0@target.example");  // the head of message 1
  world.disk.overwrite(segment(1), at, "X");
  REQUIRE(world.start());
  CHECK(world.recovered.size() == 3);
  CHECK_FALSE(world.found(1));
  CHECK(world.found(4));
  CHECK(any_name(world, "corrupt/1-4096-"));
  const auto octets = kept(world, "corrupt/1-4096-");
  CHECK(octets.find("body number 1") != std::string::npos);
  REQUIRE(world.restart(Loss::all));  // the same again
  CHECK(world.recovered.size() == 3);
}

TEST_CASE("D-03: octets that are no record any more are set aside too") {
  World world;
  fill(world);
  world.disk.overwrite(segment(1), page_size * 2, std::string(40, '\x5A'));  // the header of message 2
  REQUIRE(world.start());
  CHECK(world.recovered.size() == 3);
  CHECK_FALSE(world.found(2));
  CHECK(kept(world, "corrupt/1-8192-").find("body number 2") != std::string::npos);
}

TEST_CASE("D-03: a message with a damaged body is held, visibly") {
  World world;
  fill(world);
  world.disk.overwrite(segment(1), offset_of(world, segment(1), "body number 2"), "B");
  REQUIRE(world.start());
  REQUIRE(world.found(2));
  CHECK(world.found(2)->held);
  CHECK(world.found(2)->hold_reason.find("damaged") != std::string::npos);
  CHECK(world.body(world.found(2)).error().code == Errc::io);
  CHECK_FALSE(world.found(1)->held);
}

TEST_CASE(
    "D-03: in the last segment, what a later batch proves to have been synced is damage, not a torn tail") {
  World world;
  REQUIRE(world.start());
  for (unsigned i = 1; i <= 3; ++i) REQUIRE(world.store(message_of(i, "body number " + std::to_string(i))));
  world.stop();
  world.disk.overwrite(segment(1), page_size * 2, std::string(40, '\x5A'));
  REQUIRE(world.start());
  CHECK(world.found(1));
  CHECK_FALSE(world.found(2));
  CHECK(world.found(3));
  CHECK(any_name(world, "corrupt/1-8192-"));
}

TEST_CASE("D-11: a damaged outcome holds its message") {
  World world;
  REQUIRE(world.start());
  REQUIRE(world.store(message_of(1, "body")));
  REQUIRE(world.finish(outcome_of(1, RecipientState::pending, 0, "451 come back later")));
  REQUIRE(world.restart(Loss::all));
  world.stop();
  world.disk.overwrite(segment(1), offset_of(world, segment(1), "come back later"), "X");
  REQUIRE(world.start());
  REQUIRE(world.found(1));
  CHECK(world.found(1)->held);
}

TEST_CASE("D-17: a damaged record takes its whole group with it") {
  World world;
  REQUIRE(world.start());
  REQUIRE(world.store(message_of(1, "original")));
  std::vector<NewMessage> dsns;
  dsns.push_back(message_of(2, "the bounce message"));
  REQUIRE(world.finish(outcome_of(1, RecipientState::failed), std::move(dsns)));
  REQUIRE(world.restart(Loss::all));
  world.stop();
  world.disk.overwrite(segment(1), offset_of(world, segment(1), "the bounce message"), "X");
  REQUIRE(world.start());
  CHECK_FALSE(world.found(2));
  REQUIRE(world.found(1));  // not failed without a word to its sender: it is tried again
  CHECK(world.found(1)->progress[0].state == RecipientState::pending);
}

TEST_CASE(
    "D-21: a segment whose header is damaged in both places is moved to corrupt/, and the rest is served") {
  for (const char* spoil : {"XXXXXXXX", "SEALPOST\1\0\0\0XXXX"}) {
    World world;
    fill(world);
    const std::string_view octets(spoil, spoil[0] == 'X' ? 8 : 16);
    world.disk.overwrite(segment(1), 0, octets);
    REQUIRE(world.start());
    CHECK(world.recovered.size() == 4);  // the last page says the same
    world.stop();
    world.disk.overwrite(segment(1), world.options.segment_size - page_size, octets);
    REQUIRE(world.start());
    CHECK(world.recovered.size() == 1);
    CHECK(world.found(4));
    CHECK(any_name(world, "corrupt/" + segment_name(1)));
    REQUIRE(world.restart(Loss::all));
    CHECK(world.found(4));
    CHECK(any_name(world, "corrupt/" + segment_name(1)));
  }
}

TEST_CASE("D-21: pages that cannot be read are damage, a file that cannot be opened now is not") {
  World world;
  fill(world);
  std::uint64_t start_calls = 0;
  REQUIRE(world.start());
  start_calls = world.disk.calls();
  world.stop();
  unsigned refused = 0, damaged = 0;
  for (std::uint64_t call = 1; call <= start_calls; ++call) {
    World other(World::small(), call);
    fill(other);
    other.disk.crash(Loss::all);
    other.disk.fail_at(call, EMFILE);
    const auto started = other.start();
    if (!started) {
      ++refused;
      CHECK(started.error().code == Errc::unavailable);
      REQUIRE(other.restart(Loss::all));
    }
    CHECK(other.recovered.size() == 4);
    CHECK_FALSE(any_name(other, "corrupt/"));
    if (any_name(other, "corrupt/")) ++damaged;
  }
  CHECK(refused > 0);
  CHECK(damaged == 0);
}

TEST_CASE("D-21: an I/O error that passes costs no segment") {
  World world;
  fill(world);
  REQUIRE(world.start());
  const std::uint64_t start_calls = world.disk.calls();
  world.stop();
  for (std::uint64_t call = 1; call <= start_calls; ++call) {
    CAPTURE(call);
    World other(World::small(), call);
    fill(other);
    other.disk.crash(Loss::all);
    other.disk.fail_at(call, EIO);
    if (!other.start()) REQUIRE(other.restart(Loss::all));
    CHECK(other.recovered.size() == 4);
    CHECK_FALSE(any_name(other, "corrupt/"));
  }
}

TEST_CASE("D-21: nothing unknown is deleted or touched") {
  World world;
  fill(world);
  world.disk.put_file("journal/notes.txt", "mine");
  world.disk.put_file("journal/1.seg", "not a name of ours");
  world.disk.put_file("journal/spare-x", "neither");
  REQUIRE(world.start());
  CHECK(world.recovered.size() == 4);
  CHECK(world.disk.contents("journal/notes.txt") == "mine");
  CHECK(world.disk.contents("journal/1.seg") == "not a name of ours");
  CHECK(world.disk.contents("journal/spare-x") == "neither");
}

TEST_CASE("D-21: a spare whose making was cut off is removed, a whole one is used") {
  World world;
  fill(world);
  world.disk.put_file("journal/spare-77", "short");
  world.disk.put_file("journal/spare-78", std::string(64u << 10, 'x'));
  REQUIRE(world.start());
  CHECK(world.recovered.size() == 4);
  CHECK(world.disk.contents("journal/spare-77").empty());
  for (unsigned i = 10; i < 60; ++i) REQUIRE(world.store(message_of(i, std::string(4000, 'y'))));
  REQUIRE(world.restart(Loss::all));
  CHECK(world.recovered.size() == 54);
}

TEST_CASE("D-26: a newer format is refused, and nothing is touched") {
  World world;
  fill(world);
  for (const std::size_t page : {std::size_t{0}, world.options.segment_size - page_size})
    world.disk.overwrite(segment(2), page + 8, std::string_view("\3\0\0\0", 4));
  const auto before = everything(world);
  const auto started = world.start();
  REQUIRE_FALSE(started);
  CHECK(started.error().code == Errc::unavailable);
  CHECK(started.error().detail.find("version 3") != std::string::npos);
  CHECK(everything(world) == before);
}

TEST_CASE("D-11: a record type of a later release holds its message") {
  World world;
  REQUIRE(world.start());
  REQUIRE(world.store(message_of(1, "body")));
  REQUIRE(world.begin(1));
  world.stop();
  // The attempt record becomes one of type 99, with a checksum that holds.
  const std::string octets = world.disk.contents(segment(1));
  const auto header = decode_segment_header(octets).value();
  RecordHeader record;
  REQUIRE(decode_record_header(std::string_view(octets).substr(2 * page_size), seed_of(header), record));
  record.type = 99;
  std::string changed(record_header_size, '\0');
  store_record_header(changed.data(), record, seed_of(header));
  world.disk.overwrite(segment(1), 2 * page_size, changed);
  REQUIRE(world.start());
  REQUIRE(world.found(1));
  CHECK(world.found(1)->held);
  CHECK(world.found(1)->hold_reason.find("type 99") != std::string::npos);
}

TEST_CASE("D-04 T-54: random damage anywhere never stops the daemon, and costs only what it hit") {
  World original;
  fill(original);
  const auto files = everything(original);
  std::mt19937 random(5);
  for (int round = 0; round < 300; ++round) {
    World world(World::small(), static_cast<std::uint64_t>(round));
    for (const auto& [name, octets] : files) world.disk.put_file(name, octets);
    const std::string name = segment(1 + random() % 2);
    const std::size_t at = 64 + random() % (5 * page_size);  // not the version: that refuses, as it must
    std::string noise(1 + random() % 16, '\0');
    for (char& octet : noise) octet = static_cast<char>(random());
    world.disk.overwrite(name, at, noise);
    REQUIRE(world.start());
    CHECK(world.recovered.size() >= 3);
    for (const auto& message : world.recovered) {
      const auto body = world.body(message);
      if (!message->held) CHECK(body.value().starts_with("body number"));
    }
  }
}

TEST_CASE("D-21: ten thousand messages come back in order, with their state") {
  SpoolOptions options = World::small();
  options.segment_size = 1u << 20;
  World world(options);
  REQUIRE(world.start());
  event::TaskScope scope(world.loop);
  struct Storing {
    static event::Task<void> some(World& world, unsigned from, unsigned to) {
      for (unsigned i = from; i < to; ++i) {
        NewMessage message = message_of(i, std::string(400, 'x'));
        const auto stored = co_await world.spool->store(world.loop, std::move(message));
        CHECK(stored.has_value());
        std::vector<NewMessage> none;
        Outcome outcome = outcome_of(i, i % 10 == 0 ? RecipientState::delivered : RecipientState::pending);
        const auto finished =
            co_await world.spool->finish_attempt(world.loop, std::move(outcome), std::move(none));
        CHECK(finished.has_value());
      }
    }
  };
  for (unsigned i = 0; i < 100; ++i) scope.spawn(Storing::some(world, 1 + i * 111, 1 + (i + 1) * 111));
  world.loop.run();
  REQUIRE(world.restart(Loss::all));
  CHECK(world.recovered.size() == 9990);
  MessageId last;
  for (const auto& message : world.recovered) {
    CHECK(message->id > last);
    last = message->id;
    CHECK(message->progress[0].next_attempt == SystemTime(std::chrono::seconds(1'700'000'400)));
  }
}

TEST_CASE("D-21: a hundred thousand messages over several segments come back") {
  constexpr unsigned total = 100'000;
  SpoolOptions options = World::small();
  options.segment_size = 16u << 20;
  World world(options);
  SegmentHeader header;
  header.sequence = 1;
  header.size = options.segment_size;
  Batch batch;
  std::string body(100, 'b');
  std::unique_ptr<JournalFile> file;
  const auto begin_segment = [&] {
    file = world.disk.open(segment(header.sequence), Disk::Access::create).file;
    REQUIRE(file->allocate(header.size) == 0);
    REQUIRE(write_all(*file, 0, encode_segment_header(header)));
    batch.begin(header, segment_header_size);
  };
  begin_segment();
  for (unsigned i = 1; i <= total; ++i) {
    const NewRecord record = make_record(id_of(i), MessageRecord{message_of(i, "").envelope, {}},
                                         std::make_shared<const std::string>(body));
    if (!batch.fits(record.octets())) {
      REQUIRE(batch.write(*file));
      header.previous_end = batch.end();
      ++header.sequence;
      begin_segment();
    }
    RecordHeader of_record;
    of_record.type = static_cast<std::uint8_t>(RecordType::message);
    of_record.id = record.id;
    of_record.head_crc = record.head_crc;
    of_record.blob_crc = record.blob_crc;
    batch.add(of_record, record.head, body);
  }
  REQUIRE(batch.write(*file));
  file.reset();
  REQUIRE(header.sequence >= 2);
  world.disk.crash(Loss::kill);
  REQUIRE(world.start());
  REQUIRE(world.recovered.size() == total);
  CHECK(world.recovered.front()->id == id_of(1));
  CHECK(world.recovered.back()->id == id_of(total));
  CHECK(world.body(world.recovered[54'321]).value() == body);
  CHECK_FALSE(any_name(world, "corrupt/"));
}
