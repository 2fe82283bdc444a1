// SPDX-License-Identifier: Apache-2.0
//
// What intake writes into the log: which lines, and that a stranger can neither forge nor flood them (T-48).
#include <doctest.h>

#include <algorithm>
#include <vector>

#include "../log_capture.hpp"
#include "intake_fixture.hpp"

using namespace sealpost;
using namespace sealpost::test;

namespace {

std::size_t count(const std::vector<std::string>& lines, std::string_view word) {
  return static_cast<std::size_t>(std::count_if(lines.begin(), lines.end(), [&](const std::string& line) {
    return line.find(" " + std::string(word) + " ") != std::string::npos;
  }));
}

}  // namespace

TEST_CASE("T-48 one line for each event of a session") {
  Capture capture;
  IntakeFixture fixture;
  Script& client = fixture.connect();
  fixture.say(client, hello +
                          "MAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.org>\r\nRCPT "
                          "TO:<\"c@d\"@example.org>\r\nDATA\r\n");
  fixture.say(client, "x\r\n.\r\nQUIT\r\n");
  const std::string id = fixture.spool.stored.at(0)->id.to_string();
  const auto lines = capture.lines();
  REQUIRE(lines.size() == 4);
  CHECK(lines[0] == "info connect client=192.0.2.7:40000 trusted=yes");
  CHECK(lines[1] ==
        "info rejected client=192.0.2.7 helo=client.example.net command=RCPT code=553 status=5.1.3 "
        "reason=\"routed address (quoted @) not accepted\"");
  CHECK(lines[2] ==
        "info accepted id=" + id +
            " client=192.0.2.7 helo=client.example.net from=a@example.net recipients=1 rcpt=b@example.org"
            " size=" +
            std::to_string(fixture.spool.body(0).size()) + " tls=none dkim=off");
  CHECK(lines[3] ==
        "info disconnect client=192.0.2.7:40000 helo=client.example.net reason=quit messages=1 errors=0");
}

TEST_CASE("T-48 nothing a client says makes a line, a colour or a field of its own") {
  Capture capture;
  IntakeFixture fixture;
  const std::string_view hostile[] = {
      "EHLO a\nfake accepted\r\n",
      "EHLO a\x1b[31m\r\n",
      "EHLO a\xe2\x80\xa8"
      "b\r\n",
      "EHLO a=b\r\n",
      "MAIL FROM:<\"a\x1b[2J\"@b>\r\n",
      "XY\x1bZ\r\n",
      "RCPT TO:<\xe2\x80\xa8@b>\r\n",
      "MAIL FROM:<\"x accepted id=1 y\"@example.net>\r\nRCPT TO:<b@example.org>\r\nDATA\r\nx\r\n.\r\n"};
  for (const std::string_view said : hostile) {
    Script& client = fixture.connect();
    fixture.say(client, hello);
    fixture.say(client, said);
    client.hang_up();
    fixture.loop.settle();
  }
  const auto lines = capture.lines();
  for (const std::string& line : lines) {
    CHECK(std::all_of(line.begin(), line.end(), [](char c) { return c >= ' ' && c < 127; }));
    CHECK(line.starts_with("info "));
  }
  CHECK(std::count_if(lines.begin(), lines.end(),
                      [](const auto& l) { return l.starts_with("info accepted "); }) == 1);
}

TEST_CASE("T-05 T-48 what a client says wrongly is not logged: it may be a password") {
  Capture capture;
  IntakeFixture fixture;
  Script& client = fixture.connect();
  for (const std::string_view said :
       {"AUTH PLAIN c2VjcmV0LWNhbmFyeQ==\r\n", "AUTH LOGIN\r\n", "c2VjcmV0LWNhbmFyeQ==\r\n",
        "PASS secret-canary\r\n", "MAIL FROM:<secret-canary\r\n"})
    fixture.say(client, said);
  client.hang_up();
  fixture.loop.settle();
  const auto lines = capture.lines();
  CHECK(count(lines, "rejected") == 5);
  for (const std::string& line : lines) {
    CHECK(line.find("canary") == std::string::npos);
    CHECK(line.find("c2Vjc") == std::string::npos);
  }
}

TEST_CASE("T-48 a stranger's lines are capped, and how many were kept back is told") {
  Capture capture;
  IntakeFixture fixture;
  fixture.caps.stranger_rate = 10'000;
  for (int i = 0; i < 1000; ++i) {
    Script& stranger = fixture.connect("203.0.113.9");
    fixture.say(stranger, "XYZZY\r\n");
    stranger.hang_up();
    fixture.loop.settle();
  }
  CHECK(capture.lines().size() == 200);
  // A trusted client's lines are all there meanwhile.
  fixture.connect("192.0.2.7").hang_up();
  fixture.loop.settle();
  CHECK(capture.lines().size() == 202);
  fixture.loop.advance(std::chrono::minutes(1));
  fixture.connect("203.0.113.9").hang_up();
  fixture.loop.settle();
  const auto lines = capture.lines();
  CHECK(count(lines, "lines_kept_back") == 1);
  CHECK(lines[202] == "info lines_kept_back event=stranger count=2800");
}
