// SPDX-License-Identifier: Apache-2.0
#include "base/amounts.hpp"

#include <doctest.h>

using namespace sealpost;

TEST_CASE("numbers and lengths of time are written as people say them") {
  CHECK(text::counted(0, "message", "messages") == "0 messages");
  CHECK(text::counted(1, "message", "messages") == "1 message");
  CHECK(text::counted(1128, "message", "messages") == "1,128 messages");
  CHECK(text::about(59) == "59s");
  CHECK(text::about(2 * 3600 + 13 * 60 + 7) == "2h13m");
  CHECK(text::about(86'400 + 3600 + 59) == "1d1h");
}
