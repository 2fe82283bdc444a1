// SPDX-License-Identifier: Apache-2.0
#include "sealpost/clock.hpp"

#include <doctest.h>

using namespace sealpost;
using namespace std::chrono_literals;

namespace {
SystemTime at(std::int64_t seconds, std::int64_t micros = 0) {
  return SystemTime(std::chrono::seconds(seconds) + std::chrono::microseconds(micros));
}
}  // namespace

TEST_CASE("time as text") {
  struct Row {
    SystemTime time;
    const char *rfc3339, *rfc5322, *day;
  };
  const Row rows[] = {
      {at(0), "1970-01-01T00:00:00Z", "Thu, 01 Jan 1970 00:00:00 +0000", "1970-01-01"},
      {at(-1), "1969-12-31T23:59:59Z", "Wed, 31 Dec 1969 23:59:59 +0000", "1969-12-31"},
      {at(1769903999, 999999), "2026-01-31T23:59:59Z", "Sat, 31 Jan 2026 23:59:59 +0000", "2026-01-31"},
      {at(951782400), "2000-02-29T00:00:00Z", "Tue, 29 Feb 2000 00:00:00 +0000", "2000-02-29"},
      {at(4102444800), "2100-01-01T00:00:00Z", "Fri, 01 Jan 2100 00:00:00 +0000", "2100-01-01"},
  };
  for (const Row& row : rows) {
    CHECK(to_rfc3339(row.time) == row.rfc3339);
    CHECK(to_rfc5322(row.time) == row.rfc5322);
    CHECK(to_utc_day(row.time) == row.day);
    CHECK(from_rfc3339(row.rfc3339) == std::chrono::floor<std::chrono::seconds>(row.time));
  }
}

TEST_CASE("RFC 3339 with zones and fractions") {
  struct Row {
    const char* text;
    SystemTime time;
  };
  const Row rows[] = {
      {"2026-01-31T23:59:59+01:00", at(1769900399)},
      {"2026-01-31T23:59:59-01:30", at(1769909399)},
      {"2026-01-31t23:59:59z", at(1769903999)},
      {"2026-01-31T23:59:59.5Z", at(1769903999, 500000)},
      {"2026-01-31T23:59:59.123456789Z", at(1769903999, 123456)},
      {"2026-01-31T23:59:60Z", at(1769904000)},
      {"2026-01-31T23:59:59-00:00", at(1769903999)},
      {"2026-01-31T23:59:59.000001Z", at(1769903999, 1)},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    CHECK(from_rfc3339(row.text) == row.time);
  }
  for (const char* text :
       {"", "2026-01-31", "2026-01-31T23:59:59", "2026-01-31T23:59Z", "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z", "2026-01-31T24:00:00Z", "2026-01-31T23:60:00Z", "2026-01-31T23:59:61Z",
        "2026-01-31T23:59:59.Z", "2026-01-31T23:59:59+0100", "2026-01-31T23:59:59+24:00",
        "2026-01-31 23:59:59Z", "26-01-31T23:59:59Z", "2026-01-31T23:59:59ZZ", "2026-1-31T23:59:59Z",
        "2026-01-31T+3:59:59Z"}) {
    CAPTURE(text);
    CHECK_FALSE(from_rfc3339(text).has_value());
  }
}

TEST_CASE("durations") {
  struct Row {
    const char* text;
    std::chrono::seconds value;
    const char* canonical;
  };
  const Row rows[] = {
      {"0s", 0s, "0s"},
      {"90s", 90s, "1m30s"},
      {"15m", 15min, "15m"},
      {"4h", 4h, "4h"},
      {"5d", 120h, "5d"},
      {"1h30m", 90min, "1h30m"},
      {"1d1s", 86401s, "1d1s"},
      {"1d2h3m4s", 93784s, "1d2h3m4s"},
      {"36525d", 876600h, "36525d"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    CHECK(parse_duration(row.text) == row.value);
    CHECK(to_duration_text(row.value) == row.canonical);
    CHECK(parse_duration(row.canonical) == row.value);
  }
  for (const char* text :
       {"", "5", "m", "5 m", "5m ", "5x", "5M", "-5m", "+5m", "1.5h", "30m1h", "1h1h", "1h30", "1w", "36526d",
        "18446744073709551616s", "18446744073709551615d", "36525d1s"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_duration(text).has_value());
  }
  CHECK(to_duration_text(-5s) == "0s");
}
