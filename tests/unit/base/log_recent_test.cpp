// SPDX-License-Identifier: Apache-2.0
#include "base/log_recent.hpp"

#include <doctest.h>

#include "base/log.hpp"

using namespace sealpost;

namespace {
bool any(std::string_view) { return true; }
}  // namespace

TEST_CASE("the last lines are kept when they are wanted, as JSON, and no more than so many") {
  const auto before = log::recent(10'000, any).size();
  log::write(log::Level::error, "not_kept", {});
  CHECK(log::recent(10'000, any).size() == before);
  log::keep_recent(true);
  log::write(log::Level::error, "kept", {{"id", "01X"}, {"reply", "a \"quoted\"\n line"}});
  log::keep_recent(false);
  const auto lines = log::recent(1, any);
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].find("\"event\":\"kept\",\"id\":\"01X\"") != std::string::npos);
  CHECK(lines[0].find("\"level\":\"error\"") != std::string::npos);
  for (std::size_t i = 0; i < log::most_recent_lines + 10; ++i) log::add_recent("line " + std::to_string(i));
  CHECK(log::recent(100'000, any).size() == log::most_recent_lines);
  CHECK(log::recent(2, any).back() == "line " + std::to_string(log::most_recent_lines + 9));
  CHECK(log::recent(10, [](std::string_view line) { return line == "line 20"; }).size() == 1);
  for (int i = 0; i < 10; ++i) log::add_recent(std::string(1 << 20, 'x'));
  CHECK(log::recent(100'000, any).size() == 4);
}
