// SPDX-License-Identifier: Apache-2.0
#include "cli/csv.hpp"

#include <doctest.h>

using namespace sealpost::cli;

TEST_CASE("RFC 4180: quotes where they are needed, doubled inside, lines end in CRLF") {
  CHECK(csv_cell("plain") == "plain");
  CHECK(csv_cell("") == "");
  CHECK(csv_cell("a,b") == "\"a,b\"");
  CHECK(csv_cell("say \"no\"") == "\"say \"\"no\"\"\"");
  CHECK(csv_cell("two\nlines") == "\"two\nlines\"");
  CHECK(csv_cell(" edge") == "\" edge\"");
  CHECK(csv_line({"a", "", "b,c"}) == "a,,\"b,c\"\r\n");
}

TEST_CASE("a cell never begins a formula in a spreadsheet") {
  CHECK(csv_cell("=1+1") == "'=1+1");
  CHECK(csv_cell("+1") == "'+1");
  CHECK(csv_cell("-1") == "'-1");
  CHECK(csv_cell("@sum(a1)") == "'@sum(a1)");
  CHECK(csv_cell("\t=1") == "\"'\t=1\"");
  CHECK(csv_cell("  =1") == "'  =1");
  CHECK(csv_cell("=a,\"b\"") == "\"'=a,\"\"b\"\"\"");
  CHECK(csv_cell("a=1") == "a=1");
}
