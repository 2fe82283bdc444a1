// SPDX-License-Identifier: Apache-2.0
//
// LineStream over a simulated wire: lines whatever the slices, limits, back-pressure and the STARTTLS
// boundary.
#include "event/line_stream.hpp"

#include <doctest.h>

#include <random>
#include <string>
#include <vector>

#include "event/run.hpp"
#include "event/sim_loop.hpp"
#include "event/sim_stream.hpp"

namespace sealpost::event {
namespace {

using namespace std::chrono_literals;

struct Got {
  std::vector<std::string> lines;  // a bare LF shows as '\n' at the end
  Errc end = Errc::invalid;
};

Task<Got> read_lines(LineStream& stream, std::size_t most, Duration limit) {
  Got got;
  for (;;) {
    Line line;
    if (!stream.buffered_line(line, most)) {
      auto next = co_await stream.line(most, limit);
      if (!next) {
        got.end = next.error().code;
        co_return got;
      }
      line = *next;
    }
    got.lines.push_back(std::string(line.text) + (line.crlf ? "" : "\n"));
  }
}

void say(Stream& stream, std::string_view text) {
  if (text.empty()) return;
  const IoResult result = stream.try_write(text);
  REQUIRE(result.state == IoState::done);
  REQUIRE(result.bytes == text.size());
}

Got lines_of(std::string_view sent, std::size_t most, SimLink link = SimLink()) {
  SimLoop loop;
  link.window = sent.size() + 1;
  SimConnection connection(loop, link);
  say(*connection.client, sent);
  connection.client->close();
  LineStream stream(std::move(connection.server));
  return run_until_done(loop, read_lines(stream, most, 1min));
}

TEST_CASE("a line ends at LF; CR before it belongs to the end, CR elsewhere to the text") {
  struct Row {
    std::string_view sent;
    std::vector<std::string> lines;
  };
  const Row rows[] = {
      {"EHLO a\r\n", {"EHLO a"}},
      {"a\r\nb\r\n\r\nc\r\n", {"a", "b", "", "c"}},
      {"bare\nnext\r\n", {"bare\n", "next"}},
      {"\n\r\n\n", {"\n", "", "\n"}},
      {"a\rb\r\n", {"a\rb"}},
      {"a\r\r\n", {"a\r"}},
      {std::string_view("nul\0in\r\n", 8), {std::string("nul\0in", 6)}},
      {"\r\n.\r\n", {"", "."}},
      {"whole\r\nunfinished", {"whole"}},
      {"", {}},
  };
  for (const Row& row : rows) {
    for (const std::size_t slice : {SIZE_MAX, std::size_t{1}, std::size_t{3}}) {
      CAPTURE(row.sent);
      CAPTURE(slice);
      SimLink link;
      link.slice = slice;
      const Got got = lines_of(row.sent, 1000, link);
      CHECK(got.lines == row.lines);
      CHECK(got.end == Errc::closed);
    }
  }
}

TEST_CASE("random lines in random slices arrive whole") {
  for (unsigned seed = 1; seed <= 200; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    std::vector<std::string> lines;
    std::string sent;
    while (sent.size() < 20'000) {
      std::string text;
      const std::size_t length = random() % (seed % 3 == 0 ? 3000 : 60);
      for (std::size_t i = 0; i < length; ++i) text += "ab\r. "[random() % 5];
      const bool crlf = random() % 4 != 0;
      if (!crlf && text.ends_with('\r')) text += 'x';
      sent += text + (crlf ? "\r\n" : "\n");
      lines.push_back(text + (crlf ? "" : "\n"));
    }
    SimLink link;
    link.slice = 1 + random() % 5000;
    link.seed = seed;
    link.latency = std::chrono::milliseconds(random() % 3);
    CHECK(lines_of(sent, 4096, link).lines == lines);
  }
}

TEST_CASE("T-25: a line may have as many octets as allowed, its end counted, and no more") {
  for (const std::size_t most : {3ul, 512ul, 4096ul, 60'000ul}) {
    CAPTURE(most);
    const std::string fits = std::string(most - 2, 'x') + "\r\n";
    CHECK(lines_of(fits, most).lines.size() == 1);
    CHECK(lines_of(fits + fits, most).lines.size() == 2);
    for (const std::string& over : {std::string(most - 1, 'x') + "\r\n", std::string(most, 'x')}) {
      const Got got = lines_of(fits + over, most);
      CHECK(got.lines.size() == 1);
      CHECK(got.end == Errc::too_long);
    }
  }
}

TEST_CASE("what waits unread is bounded") {
  SimLoop loop;
  SimLink link;
  link.window = 1 << 20;
  SimConnection connection(loop, link);
  say(*connection.client, std::string(200'000, 'x'));
  LineStream stream(std::move(connection.server));
  int fills = 0;
  for (;; ++fills) {
    auto got = run_until_done(loop, stream.fill(1s));
    if (!got) {
      CHECK(got.error().code == Errc::too_long);
      break;
    }
  }
  CHECK(stream.buffered().size() == 65536);
  CHECK(fills < 20);
}

Task<void> drip(Loop& loop, Stream& stream, int octets, Duration every) {
  for (int i = 0; i < octets; ++i) {
    co_await sleep_for(loop, every);
    stream.try_write("x");
  }
}

TEST_CASE("T-26: the limit is for the whole line; bytes that drip in do not extend it") {
  SimLoop loop;
  SimConnection connection(loop, SimLink());
  TaskScope scope(loop);
  scope.spawn(drip(loop, *connection.client, 100, 7s));
  LineStream stream(std::move(connection.server));
  const SteadyTime begun = loop.now();
  auto line = run_until_done(loop, stream.line(1000, 30s));
  REQUIRE_FALSE(line);
  CHECK(line.error().code == Errc::timed_out);
  CHECK(loop.now() - begun == 30s);
  CHECK(stream.buffered() == "xxxx");  // and nothing of it is lost
}

TEST_CASE("T-01, T-02: what arrives with the line that ends the clear part is seen before the handshake") {
  SimLoop loop;
  for (const std::string_view after : {"", "2", "250-evil\r\n250 more\r\n"}) {
    CAPTURE(after);
    SimConnection connection(loop, SimLink());
    say(*connection.server, std::string("220 go ahead\r\n") += after);
    LineStream stream(std::move(connection.client));
    auto line = run_until_done(loop, stream.line(512, 1s));
    REQUIRE(line);
    CHECK(line->text == "220 go ahead");
    CHECK(stream.quiet() == after.empty());
    CHECK(stream.buffered() == after);
  }
}

TEST_CASE("the stream can be taken out and another put in its place") {
  SimLoop loop;
  SimConnection clear(loop, SimLink());
  SimConnection encrypted(loop, SimLink());
  LineStream stream(std::move(clear.client));
  stream.put("STARTTLS\r\n");
  CHECK_FALSE(stream.quiet());
  CHECK(run_until_done(loop, stream.flush(1s)));
  CHECK(stream.quiet());
  const auto taken = stream.take_stream();
  CHECK(taken);
  CHECK_FALSE(stream.has_stream());
  stream.close();  // harmless
  stream.set_stream(std::move(encrypted.client));
  say(*encrypted.server, "250 inside\r\n");
  auto line = run_until_done(loop, stream.line(512, 1s));
  REQUIRE(line);
  CHECK(line->text == "250 inside");
}

// ---- output
// -----------------------------------------------------------------------------------------------------

Task<std::string> read_all(LineStream& stream) {
  std::string all;
  for (;;) {
    auto got = co_await stream.fill(1min);
    if (!got || *got == 0) co_return all;
    all += stream.buffered();
    stream.consume(stream.buffered().size());
  }
}

Task<void> send_all(LineStream& stream, const std::vector<std::string>& pieces, bool& ok) {
  for (const std::string& piece : pieces) {
    Expected<void> sent;
    if (piece.size() % 3 == 0) {
      stream.put(piece);
    } else {
      sent = co_await stream.send(piece, 1min);
    }
    if (!sent) co_return;
  }
  auto sent = co_await stream.flush(1min);
  ok = sent.has_value();
  stream.close();
}

TEST_CASE("put, send and flush keep the order of bytes through a narrow wire") {
  for (unsigned seed = 1; seed <= 50; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    std::vector<std::string> pieces;
    std::string expected;
    for (int i = 0; i < 30; ++i) {
      pieces.emplace_back(random() % (i % 5 == 0 ? 100'000 : 300), static_cast<char>('a' + i % 26));
      expected += pieces.back();
    }
    SimLoop loop;
    SimLink link;
    link.window = 1 + random() % 70'000;
    link.slice = 1 + random() % 70'000;
    link.latency = 1ms;
    link.seed = seed;
    SimConnection connection(loop, link);
    LineStream out(std::move(connection.client));
    LineStream in(std::move(connection.server));
    TaskScope scope(loop);
    bool ok = false;
    scope.spawn(send_all(out, pieces, ok));
    const std::string got = run_until_done(loop, read_all(in));
    CHECK(ok);
    CHECK(got == expected);
  }
}

TEST_CASE("a peer that takes nothing ends in timed_out, a broken one in io, and nothing stays buffered") {
  SimLoop loop;
  for (const bool cut : {false, true}) {
    CAPTURE(cut);
    SimLink link;
    link.window = 10;
    SimConnection connection(loop, link);
    LineStream stream(std::move(connection.client));
    stream.put("more than ten octets");
    if (cut) connection.wire->cut();
    auto sent = run_until_done(loop, stream.flush(10s));
    REQUIRE_FALSE(sent);
    CHECK(sent.error().code == (cut ? Errc::io : Errc::timed_out));
    CHECK(stream.pending() == 0);
  }
}

TEST_CASE("end and loss of the connection are told apart") {
  SimLoop loop;
  {
    SimConnection connection(loop, SimLink());
    connection.client.reset();
    LineStream stream(std::move(connection.server));
    auto got = run_until_done(loop, stream.fill(1s));
    REQUIRE(got);
    CHECK(*got == 0);
  }
  SimConnection connection(loop, SimLink());
  say(*connection.client, "250 lost on the way");
  connection.wire->cut();
  LineStream stream(std::move(connection.server));
  auto got = run_until_done(loop, stream.fill(1s));
  REQUIRE_FALSE(got);
  CHECK(got.error().code == Errc::io);
}

}  // namespace
}  // namespace sealpost::event
