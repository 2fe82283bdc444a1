// SPDX-License-Identifier: Apache-2.0
#include "cli/terminal.hpp"

#include <doctest.h>

#include <iostream>
#include <sstream>

#include "base/text.hpp"
#include "cli/screen.hpp"
#include "cli/table.hpp"

using namespace sealpost;
using namespace sealpost::cli;

namespace {

std::string printed(const Table& table, std::size_t width) {
  std::ostringstream out;
  table.print(out, width);
  return out.str();
}

std::size_t widest(const std::string& text) {
  std::size_t most = 0;
  for (const std::string_view line : text::split(text, '\n')) most = std::max(most, display_width(line));
  return most;
}

}  // namespace

TEST_CASE("wide letters take two columns, combining marks none") {
  CHECK(display_width("abc") == 3);
  CHECK(display_width("Größe") == 5);
  CHECK(display_width("日本") == 4);
  CHECK(display_width("e\xcc\x81") == 1);
  CHECK(display_width("📧") == 2);
  CHECK(display_width("") == 0);
}

TEST_CASE("T-48 what others wrote moves no cursor and turns no writing around") {
  CHECK(without_controls("a\x1b[31mb") == "a?[31mb");
  CHECK(without_controls("a\nb\tc") == "a?b?c");
  CHECK(without_controls("x\xe2\x80\xaey") == "x?y");
  CHECK(without_controls("\xff\xfe") == "??");
  CHECK(without_controls("Größe 日本") == "Größe 日本");
}

TEST_CASE(
    "T-48 whatever is written to a screen fits it and moves no cursor; what is to be copied is left alone") {
  const auto shown = [](std::size_t width, const std::string& text, const std::string& kept) {
    std::ostringstream out;
    std::streambuf* const before = std::cout.rdbuf(out.rdbuf());
    {
      const Screen screen(width);
      const Screen inner(width);  // one is enough
      std::cout << text.substr(0, 3) << text.substr(3);
      verbatim() << kept;
    }
    std::cout.rdbuf(before);
    return out.str();
  };
  CHECK(shown(40, "short\n", "") == "short\n");
  CHECK(shown(40, "no end", "") == "no end");
  CHECK(shown(40, "\n\nempty lines\n", "") == "\n\nempty lines\n");
  CHECK(shown(40, "  four words of ten letters abcdefghij klmnopqrst\nnext\n", "") ==
        "  four words of ten letters abcdefghij\n  klmnopqrst\nnext\n");
  CHECK(shown(40, "a\x1b[2Jb\n", "") == "a?[2Jb\n");
  CHECK(shown(0, "a\x1b[2Jb\n", "") == "a\x1b[2Jb\n");
  CHECK(shown(40, "first: ", std::string(60, 'x') + "\n") == "first: " + std::string(60, 'x') + "\n");
  CHECK(widest(shown(80, std::string(30, ' ') + std::string(1000, 'x'), "")) <= 80);
}

TEST_CASE("words are folded by what they take on the screen, long ones broken") {
  CHECK(folded("one two three", "", 9) == "one two\nthree\n");
  CHECK(folded("one two three", "  ", 0) == "  one two three\n");
  CHECK(folded("", "  ", 20) == "  \n");
  CHECK(folded("one\ntwo three", " ", 8) == " one\n two\n three\n");
  CHECK(folded("a\x1b[2Jb", "", 0) == "a?[2Jb\n");
  CHECK(folded("日本 日本 日本 日本", "", 9) == "日本 日本\n日本 日本\n");
  CHECK(folded("abcdefghijklmnop q", "", 10) == "abcdefghij\nklmnop q\n");
  CHECK(widest(folded(std::string(1000, 'x') + " y", "    ", 80)) == 80);
}

TEST_CASE("a table that fits is a table; one that does not goes on in further lines") {
  Table table({"ID", "STATE", "RECIPIENT"});
  table.add({"1", "deferred", "anna@example.net"});
  table.add({"22", "held", "日本@example.net"});
  CHECK(printed(table, 0) ==
        "ID  STATE     RECIPIENT\n"
        "1   deferred  anna@example.net\n"
        "22  held      日本@example.net\n");
  CHECK(printed(table, 80) == printed(table, 0));
  CHECK(printed(table, 20) ==
        "ID  STATE\n"
        "1   deferred\n"
        "    RECIPIENT\n"
        "    anna@example.net\n"
        "22  held\n"
        "    RECIPIENT\n"
        "    日本@example.net\n");
}

TEST_CASE("no table is wider than the terminal, whatever is in it") {
  for (const std::size_t length : {1U, 10U, 50U, 79U, 200U, 2000U}) {
    for (const char* letter : {"x", "日", "x "}) {
      std::string cell;
      while (cell.size() < length) cell += letter;
      Table table({"ID", "STATE", "TRIES", "NEXT ATTEMPT", "SENDER", "RECIPIENT", "REASON"});
      table.add({"01KBD9Z6V0Q6Y1S5W3N8T2R7XE", "deferred", "3", "2026-11-29T15:42:10Z", cell, cell, cell});
      table.add({cell, "", "", cell, "", "", "-"});
      for (const std::size_t width : {40U, 80U, 132U}) CHECK(widest(printed(table, width)) <= width);
    }
  }
}
