// SPDX-License-Identifier: Apache-2.0
#include "mail/message_id.hpp"

#include <doctest.h>

#include <set>

#include "base/random.hpp"

using namespace sealpost;
using namespace std::chrono_literals;

namespace {
SystemTime at(std::int64_t milliseconds) { return SystemTime(std::chrono::milliseconds(milliseconds)); }
}  // namespace

TEST_CASE("text form: 26 letters of Crockford base32, time first") {
  struct Row {
    std::array<std::uint8_t, 16> bytes;
    const char* text;
  };
  const Row rows[] = {
      {{}, "00000000000000000000000000"},
      {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
       "7ZZZZZZZZZZZZZZZZZZZZZZZZZ"},
      {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, "00000000000000000000000001"},
      // 2016-07-30T22:36:16.385Z, the example of the ULID specification's first ten letters
      {{0x01, 0x56, 0x3d, 0xf3, 0x64, 0x81, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, "01ARYZ6S410000000000000000"},
  };
  for (const Row& row : rows) {
    const MessageId id(row.bytes);
    CHECK(id.to_string() == row.text);
    CHECK(MessageId::parse(row.text) == id);
  }
  CHECK(MessageId::parse("01aryz6s410000000000000000") == MessageId(rows[3].bytes));
  CHECK(MessageId(rows[3].bytes).time() == at(1469918176385));
}

TEST_CASE("what is no id is refused") {
  for (const auto text :
       {"", "0", "0000000000000000000000000", "000000000000000000000000000", "80000000000000000000000000",
        "0000000000000000000000000I", "0000000000000000000000000L", "0000000000000000000000000O",
        "0000000000000000000000000U", "0000000000000000000000000-", "0000000000000000000000000 ",
        "Z0000000000000000000000000", "../../../../../etc/passwd00"}) {
    CAPTURE(text);
    CHECK_FALSE(MessageId::parse(text).has_value());
  }
}

TEST_CASE("ids of one thread sort by time and never repeat") {
  std::set<std::string> seen;
  MessageId last;
  std::int64_t time = 1'700'000'000'000;
  for (int i = 0; i < 20000; ++i) {
    if (i % 7 == 0) ++time;
    if (i % 1001 == 1000) time -= 5;  // a small step of the clock backwards
    const MessageId id = MessageId::make(at(time));
    CHECK(id > last);
    CHECK(seen.insert(id.to_string()).second);
    last = id;
  }
  const MessageId much_earlier = MessageId::make(at(time - 3'600'000));  // the clock was set
  CHECK(much_earlier.time() == at(time - 3'600'000));
}

TEST_CASE("a wrap of the random part within a millisecond is out of reach, a carry is not") {
  use_random_source([](std::span<std::uint8_t> into) {
    for (auto& byte : into) byte = 0xff;
  });
  const MessageId first = MessageId::make(at(1'900'000'000'000));
  const MessageId second = MessageId::make(at(1'900'000'000'000));
  use_random_source(nullptr);
  CHECK(second > first);
  CHECK(second.time() == first.time());
  CHECK(second.bytes()[6] == 0x80);
}

TEST_CASE("D-17 a derived id is a function of its inputs") {
  const MessageId parent = MessageId::make(at(1'700'000'000'000)),
                  other = MessageId::make(at(1'700'000'000'001));
  const MessageId id = MessageId::derive(parent, "a@x failed 5.1.1", at(1'700'000'100'000));
  CHECK(id == MessageId::derive(parent, "a@x failed 5.1.1", at(1'700'000'100'000)));
  CHECK(id.time() == at(1'700'000'100'000));
  CHECK(id != MessageId::derive(parent, "b@x failed 5.1.1", at(1'700'000'100'000)));
  CHECK(id != MessageId::derive(other, "a@x failed 5.1.1", at(1'700'000'100'000)));
  CHECK(id != MessageId::derive(parent, "a@x failed 5.1.1", at(1'700'000'100'001)));
}

TEST_CASE("times outside 48 bits are clamped") { CHECK(MessageId::make(SystemTime(-1s)).time() == at(0)); }
