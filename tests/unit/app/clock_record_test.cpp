// SPDX-License-Identifier: Apache-2.0
#include "app/clock_record.hpp"

#include <doctest.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

using namespace sealpost;
using namespace sealpost::app;
using namespace std::chrono_literals;

namespace {

struct DataDir {
  DataDir() {
    char name[] = "/tmp/sealpost-clock-XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    path = name;
  }
  ~DataDir() { std::filesystem::remove_all(path); }
  void write(const std::string& file, const std::string& text) const {
    std::ofstream(path + "/" + file, std::ios::binary) << text;
  }
  // As if it had been written then.
  void date(const std::string& file, SystemTime time) const {
    const timespec at{std::chrono::system_clock::to_time_t(time), 0};
    const timespec both[2] = {at, at};
    REQUIRE(::utimensat(AT_FDCWD, (path + "/" + file).c_str(), both, 0) == 0);
  }
  std::string path;
};

const SystemTime noon = *from_rfc3339("2026-06-01T12:00:00Z");

}  // namespace

TEST_CASE("T-50 the newest believed time is kept, and replaced as a whole") {
  const DataDir data;
  CHECK_FALSE(read_clock_record(data.path, noon).time);
  for (const SystemTime time : {noon, noon + 1min}) {
    REQUIRE(write_clock_record(data.path, time));
    const ClockRecord record = read_clock_record(data.path, noon);
    CHECK(record.time == time);
    CHECK(record.trouble.empty());
  }
  std::filesystem::create_directory(data.path + "/clock.new");  // cannot be written
  const auto failed = write_clock_record(data.path, noon + 2min);
  REQUIRE_FALSE(failed);
  CHECK(failed.error().detail.find("/clock.new") != std::string::npos);
  CHECK(read_clock_record(data.path, noon).time == noon + 1min);
}

TEST_CASE("T-50 a record that says nothing is not a first start: when it was written counts, and is said") {
  for (const char* text : {"", "\n", "yesterday", "2026-06-01"}) {
    CAPTURE(text);
    const DataDir data;
    data.write("clock", text);
    data.date("clock", noon);
    const ClockRecord record = read_clock_record(data.path, noon + 24h);
    CHECK(record.time == noon);
    CHECK(record.trouble.find("/clock") != std::string::npos);
  }
}

TEST_CASE("T-50 without a record the journal and the databases tell of a clock that went back") {
  const DataDir data;
  std::filesystem::create_directories(data.path + "/spool/journal");
  data.write("spool/journal/00000000000000000001.seg", "x");
  data.date("spool/journal/00000000000000000001.seg", noon);
  data.write("sts.db", "x");
  data.date("sts.db", noon - 1h);
  data.write("something else", "x");
  CHECK(read_clock_record(data.path, noon - 24h).time == noon);
  CHECK_FALSE(read_clock_record(data.path, noon + 24h)
                  .time);  // how long it was away is not known: no reason to doubt
}
