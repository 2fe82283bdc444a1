// SPDX-License-Identifier: Apache-2.0
//
// Mail to an own address for TLS reports: taken from everybody, handed over whole, never relayed, and answered with what
// became of it.
#include <doctest.h>

#include "intake_fixture.hpp"

using namespace sealpost;
using namespace sealpost::test;

namespace {

struct Desk final : intake::ReportDesk {
  event::Task<Expected<void>> take(event::Loop&, intake::ReportMail mail) override {
    mails.push_back(std::move(mail));
    co_return outcome;
  }
  Expected<void> outcome;
  std::vector<intake::ReportMail> mails;
};

struct World : IntakeFixture {
  World() {
    rules.report_addresses = {"tls-reports@home.example"};
    reports = &desk;
    options->limits.message_size = 30U << 20;
  }
  Desk desk;
};

const std::string stranger = "203.0.113.9";
const std::string begin = "EHLO reporter.example\r\nMAIL FROM:<noreply@reporter.example>\r\n";
const std::string to_reports = "RCPT TO:<TLS-Reports@Home.example>\r\n";
const std::string report = "Subject: Report Domain: home.example\r\n\r\n{}\r\n.\r\n";

}  // namespace

TEST_CASE("a stranger's report is taken, given to the desk as it came, and seen by neither spool nor queue") {
  World world;
  Script& client = world.connect(stranger);
  world.say(client, begin + to_reports + "DATA\r\n");
  const std::string said = world.say(client, report);
  REQUIRE(world.desk.mails.size() == 1);
  const auto& mail = world.desk.mails.front();
  CHECK(said == "250 2.0.0 queued as " + mail.id + "\r\n");
  CHECK(mail.octets == "Subject: Report Domain: home.example\r\n\r\n{}\r\n");
  CHECK(mail.sender == "noreply@reporter.example");
  CHECK(mail.client == stranger);
  CHECK_FALSE(mail.encrypted);
  CHECK(world.spool.stored.empty());
  CHECK(world.sink.messages.empty());
  CHECK(world.counters.reports == 1);
  CHECK(world.budget().used() == 0);
}

TEST_CASE("T-30 the address opens nothing else: others are refused to a stranger, before and behind it") {
  World world;
  Script& client = world.connect(stranger);
  for (const char* other : {"RCPT TO:<b@example.org>\r\n", "RCPT TO:<tls-reports@home.example.org>\r\n",
                            "RCPT TO:<\"tls-reports@home.example\"@example.org>\r\n"}) {
    world.say(client, begin);
    CHECK(world.say(client, other).starts_with("55"));
    CHECK(world.say(client, to_reports).starts_with("250 "));
    CHECK(world.say(client, other).starts_with("55"));
    world.say(client, "RSET\r\n");
  }
}

TEST_CASE("reports and other mail take a transaction each, whichever comes first") {
  World world;
  Script& client = world.connect();
  const std::string other = "RCPT TO:<b@example.org>\r\n";
  world.say(client, begin + to_reports);
  CHECK(world.say(client, other).starts_with("452 4.5.3 "));
  CHECK(world.say(client, to_reports).starts_with("250 "));
  world.say(client, "DATA\r\n");
  CHECK(world.say(client, report).starts_with("250 "));
  world.say(client, "MAIL FROM:<a@example.net>\r\n" + other);
  CHECK(world.say(client, to_reports).starts_with("452 4.5.3 "));
  world.say(client, "DATA\r\n");
  CHECK(world.say(client, report).starts_with("250 "));
  CHECK(world.desk.mails.size() == 1);
  CHECK(world.spool.stored.size() == 1);
}

TEST_CASE("D-01 what was not kept is not thanked for, and what holds no report goes back at once") {
  World world;
  Script& client = world.connect(stranger);
  world.desk.outcome = Error(Errc::io, "disk");
  world.say(client, begin + to_reports + "DATA\r\n");
  CHECK(world.say(client, report).starts_with("451 4.3.0 "));
  world.desk.outcome = Error(Errc::invalid, "no report");
  world.say(client, begin + to_reports + "DATA\r\n");
  CHECK(world.say(client, report).starts_with("550 5.6.0 "));
  CHECK(world.counters.reports == 0);
  CHECK(world.counters.storage_errors == 1);
  CHECK(world.spool.stored.empty());
}

TEST_CASE("T-28 reports have memory of their own: however many there are, large and slow, mail is taken") {
  World world;
  world.body_memory = 1U << 20;
  world.options->limits.minimum_rate = 1;
  std::string large;
  const std::string line(998, 'x');
  while (large.size() < (9U << 20)) large += line + "\r\n";
  std::vector<Script*> reporters;
  for (int i = 0; i < 4; ++i) {  // more than there is room for
    reporters.push_back(&world.connect("203.0.113." + std::to_string(i + 1)));
    world.say(*reporters.back(), begin + to_reports + "DATA\r\n");
    CHECK(world.say(*reporters.back(), large).empty());
  }
  CHECK(world.budget().used() == 0);
  CHECK(world.desk.room().used() <= intake::ReportDesk::most_in_memory);
  Script& client = world.connect();
  world.say(client, hello + envelope);
  CHECK(world.say(client, "Subject: x\r\n\r\nx\r\n.\r\n").starts_with("250 "));
  CHECK(world.spool.stored.size() == 1);
  // Those who have room end, and give it back.
  CHECK(world.say(*reporters.front(), ".\r\n").starts_with("250 "));
  CHECK(world.say(*reporters.back(), ".\r\n").starts_with("250 "));
}

TEST_CASE("D-01 what is too much for one mail, or for the disk, is not thanked for") {
  World world;
  Script& client = world.connect(stranger);
  for (const auto& [code, reply] :
       {std::pair(Errc::too_long, "552 5.3.4 "), std::pair(Errc::no_space, "452 4.3.1 ")}) {
    world.desk.outcome = Error(code, "too much");
    world.say(client, begin + to_reports + "DATA\r\n");
    CHECK(world.say(client, report).starts_with(reply));
  }
  CHECK(world.counters.reports == 0);
  CHECK(world.counters.storage_errors == 1);
}

TEST_CASE("T-28 a report has 10 MiB at most, within what all of them may take") {
  World world;
  world.options->limits.minimum_rate = 1;
  Script& client = world.connect();
  world.say(client, begin + to_reports + "DATA\r\n");
  std::string large;
  const std::string line(998, 'x');
  while (large.size() < (11U << 20)) large += line + "\r\n";
  CHECK(world.say(client, large + ".\r\n").starts_with("552 5.3.4 "));
  CHECK(world.desk.mails.empty());
  CHECK(world.desk.room().used() == 0);
  CHECK(world.budget().used() == 0);
}

TEST_CASE("without such addresses nothing is other than before") {
  IntakeFixture plain;
  Script& client = plain.connect(stranger);
  plain.say(client, begin);
  CHECK(plain.say(client, to_reports).starts_with("554 5.7.1 "));
}
