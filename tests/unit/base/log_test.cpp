// SPDX-License-Identifier: Apache-2.0
#include "base/log.hpp"

#include <doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "base/handles.hpp"
#include "base/log_escape.hpp"
#include "base/text.hpp"

using namespace sealpost;
using namespace std::string_view_literals;
using log::Format;

namespace {

// Sends the log into a file of its own, and back to standard error at the end.
class Capture {
 public:
  explicit Capture(Format format, log::Level least = log::Level::info) : file_(std::tmpfile()) {
    log::configure(fileno(file_.get()), format, least);
    log::use_clock([] { return SystemTime(std::chrono::microseconds(1769903999000042)); });
  }
  ~Capture() {
    log::configure(STDERR_FILENO, Format::text, log::Level::info);
    log::use_clock(nullptr);
  }
  std::string written() const {  // without flushing
    std::string out(1 << 20, '\0');
    const ssize_t got = ::pread(fileno(file_.get()), out.data(), out.size(), 0);
    out.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    return out;
  }

 private:
  FilePtr file_;
};

bool is_printable_ascii(std::string_view s) {
  return std::all_of(s.begin(), s.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

}  // namespace

TEST_CASE("a text line") {
  CHECK(log::format_line(Format::text, "delivered",
                         {{"id", "01AB"}, {"reply", 250}, {"reason", "two words"}, {"empty", ""}}) ==
        "delivered id=01AB reply=250 reason=\"two words\" empty=\"\"");
  CHECK(log::format_line(Format::text, "e",
                         {{"n", -5}, {"max", std::int64_t{9223372036854775807}}, {"yes", true}}) ==
        "e n=-5 max=9223372036854775807 yes=1");
}

TEST_CASE("a JSON line") {
  const auto line = log::format_line(Format::json, "delivered", {{"id", "01AB"}, {"reply", 250}});
  CHECK(line == R"({"event":"delivered","id":"01AB","reply":250})");
}

TEST_CASE("T-48 one event is one line, whatever a peer sent") {
  struct Row {
    std::string_view value, text, json;
  };
  const Row rows[] = {
      {"plain-1.2_3@x", "plain-1.2_3@x", R"("plain-1.2_3@x")"},
      {"a b", R"("a b")", R"("a b")"},
      {"a=b", R"("a=b")", R"("a=b")"},
      {"say \"hi\"", R"("say \"hi\"")", R"("say \"hi\"")"},
      {"back\\slash", R"("back\\slash")", R"("back\\slash")"},
      {"250 ok\r\nforged id=1", R"("250 ok\r\nforged id=1")", R"("250 ok\r\nforged id=1")"},
      {"\t", R"("\t")", R"("\t")"},
      {"\x1b[2J", R"("\x1b[2J")", R"("\u001b[2J")"},
      {"\0"sv, R"("\x00")", R"("\u0000")"},
      {"\x7f", R"("\x7f")", R"("\u007f")"},
      {"\xe2\x80\xa8", R"("\xe2\x80\xa8")", R"("\u2028")"},  // line separator
      {"\xe2\x80\xae", R"("\xe2\x80\xae")", R"("\u202e")"},  // right-to-left override
      {"\xc2\x85", R"("\xc2\x85")", R"("\u0085")"},          // next line
      {"\xf0\x9f\x93\xa7", R"("\xf0\x9f\x93\xa7")", R"("\ud83d\udce7")"},
      {"\xff\xc3", R"("\xff\xc3")", R"("\ufffd\ufffd")"},
      {"\xed\xa0\x80", R"("\xed\xa0\x80")", R"("\ufffd\ufffd\ufffd")"},  // a lone surrogate
  };
  for (const Row& row : rows) {
    CAPTURE(text::printable(row.value));
    CHECK(log::format_line(Format::text, "e", {{"v", row.value}}) == "e v=" + std::string(row.text));
    CHECK(log::format_line(Format::json, "e", {{"v", row.value}}) ==
          R"({"event":"e","v":)" + std::string(row.json) + "}");
  }
}

TEST_CASE("T-48 every octet and every pair around it stays on its line and is JSON") {
  for (int a = 0; a < 256; ++a)
    for (int b = 0; b < 256; b += 3) {
      const std::string value = {static_cast<char>(a), static_cast<char>(b), 'x'};
      const auto text_line = log::format_line(Format::text, "e", {{"v", value}});
      const auto json_line = log::format_line(Format::json, "e", {{"v", value}});
      if (!is_printable_ascii(text_line) || !is_printable_ascii(json_line))
        FAIL("not printable: " << a << "," << b);
      const auto parsed = nlohmann::json::parse(json_line, nullptr, false);
      if (parsed.is_discarded()) FAIL("no JSON: " << json_line);
      if (text::is_utf8(value) && parsed["v"].get<std::string>() != value) FAIL("changed: " << json_line);
    }
}

TEST_CASE("values are bounded") {
  const std::string huge(100000, 'x');
  const auto line = log::format_line(Format::text, "e", {{"v", huge}});
  CHECK(line.size() == std::string("e v=\"").size() + log::value_cap + std::string("...\"").size());
  CHECK(log::format_line(Format::json, "e", {{"v", huge}}).size() < log::value_cap + 50);
}

TEST_CASE("lines carry time and level, wait in the buffer, and leave at a warning") {
  const Capture capture(Format::text);
  log::debug("not-wanted", {});
  log::info("first", {{"n", 1}});
  CHECK(capture.written().empty());
  log::warning("second", {});
  CHECK(capture.written() ==
        "2026-01-31T23:59:59.000042Z info first n=1\n2026-01-31T23:59:59.000042Z warning second\n");
  log::info("third", {});
  log::flush();
  CHECK(capture.written().ends_with("Z info third\n"));
}

TEST_CASE("JSON lines carry time and level") {
  const Capture capture(Format::json, log::Level::debug);
  log::debug("first", {{"n", 1}});
  log::flush();
  CHECK(capture.written() ==
        "{\"time\":\"2026-01-31T23:59:59.000042Z\",\"level\":\"debug\",\"event\":\"first\",\"n\":1}\n");
}

TEST_CASE("lines of several threads never mix, and none is lost") {
  const Capture capture(Format::text);
  constexpr int threads = 4, lines = 2000;
  {
    std::vector<std::jthread> writers;
    for (int t = 0; t < threads; ++t)
      writers.emplace_back([t] {
        for (int i = 0; i < lines; ++i) log::info("line", {{"thread", t}, {"n", i}, {"rest", "some words"}});
      });
  }
  log::flush();
  std::vector<int> next(threads, 0);
  const std::string all = capture.written();
  for (const auto line : text::split(all, '\n')) {
    if (line.empty()) continue;
    int thread = -1, n = -1;
    const std::string copy(line);
    REQUIRE(std::sscanf(copy.c_str(),
                        "2026-01-31T23:59:59.000042Z info line thread=%d n=%d rest=\"some words\"", &thread,
                        &n) == 2);
    REQUIRE(n == next[static_cast<std::size_t>(thread)]++);
  }
  CHECK(next == std::vector<int>(threads, lines));
}

TEST_CASE("a log nobody can write to stops nothing") {
  const FileDescriptor read_only(::open("/dev/null", O_RDONLY));
  log::configure(read_only.get(), Format::text, log::Level::info);
  log::warning("dropped", {});
  log::configure(STDERR_FILENO, Format::text, log::Level::info);
}
