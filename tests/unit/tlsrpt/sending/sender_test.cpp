// SPDX-License-Identifier: Apache-2.0
#include "tlsrpt/sending/sender.hpp"

#include "sending.hpp"

using namespace sealpost;
using namespace sealpost::tlsrpt;
using sealpost::tlsrpt::test::World;
using namespace std::chrono_literals;

TEST_CASE("a finished day goes to each target once, the running day to none") {
  World world;
  world.counted("b.example");
  world.counted("b.example", "2026-01-05");
  world.publishes("b.example", "v=TLSRPTv1; rua=mailto:r@c.example,https://d.example/in");
  world.has_address("d.example");
  world.run_for(2h);
  CHECK(world.outbox.mails.size() == 1);
  CHECK(world.http.requests.size() == 1);
  CHECK(world.rows("b.example").size() == 2);
  for (const ReportJob& row : world.rows("b.example")) {
    CHECK(row.state == JobState::sent);
    CHECK(row.day == World::yesterday);
  }
}

TEST_CASE("RPT-09 R25 growing gaps, given up within 24 hours, and never more than five attempts (T-45)") {
  World world;
  world.counted("b.example");
  world.publishes("b.example", "v=TLSRPTv1; rua=https://d.example/in");
  world.has_address("d.example");
  world.http.status = 500;
  world.run_for(48h);
  REQUIRE(world.http.at.size() == 5);
  for (std::size_t i = 2; i < 5; ++i)
    CHECK(world.http.at[i] - world.http.at[i - 1] > world.http.at[i - 1] - world.http.at[i - 2]);
  CHECK(world.http.at.back() - world.http.at.front() < 24h);
  CHECK(world.row("b.example").state == JobState::gave_up);
  CHECK(world.row("b.example").last_result == "HTTP status 500");
}

TEST_CASE("R25 what waits when the 24 hours are over is not sent, also after a time without a relay") {
  World world;
  world.counted("b.example");
  world.publishes("b.example", "v=TLSRPTv1; rua=https://d.example/in");
  world.has_address("d.example");
  world.http.status = 503;
  world.run_for(1min);
  CHECK(world.http.requests.size() == 1);
  world.scope->cancel();
  world.loop.advance(30h);
  world.http.status = 201;
  world.run_for(1h);
  CHECK(world.http.requests.size() == 1);
  CHECK(world.row("b.example").state == JobState::gave_up);
  CHECK(world.row("b.example").last_result == "not accepted within 24 hours; at last: HTTP status 503");
}

TEST_CASE("T-45 10,000 domains that name one victim: the victim gets its cap, under whatever paths") {
  auto settings = World::make_settings();
  settings.most_per_destination = 100;
  World world(settings);
  world.has_address("victim.example");
  REQUIRE(world.db.store().run("BEGIN"));
  for (int i = 0; i < 10'000; ++i) {
    const std::string domain = "d" + std::to_string(i) + ".example";
    REQUIRE(world.db.store().run(
        ("INSERT OR IGNORE INTO policy_text(text) VALUES('[]');"
         "INSERT INTO policy(day,domain,type,policy_domain,policy_string,mx_hosts,success) SELECT "
         "'2026-01-04','" +
         domain + "','no-policy-found','" + domain + "',id,id,1 FROM policy_text WHERE text='[]'")
            .c_str()));
    world.publishes(domain, i % 2 == 0
                                ? "v=TLSRPTv1; rua=https://Victim.example/" + std::to_string(i)
                                : "v=TLSRPTv1; rua=mailto:u" + std::to_string(i) + "@victim.example?x=1");
  }
  REQUIRE(world.db.store().run("COMMIT"));
  SUBCASE("that accepts") {
    world.run_for(48h);
    CHECK(world.http.requests.size() + world.outbox.mails.size() == 100);
  }
  SUBCASE("that refuses: failed tries count, and five each at most") {
    world.http.status = 500;
    world.run_for(48h);
    CHECK(world.http.requests.size() <= 500);
    CHECK(world.outbox.mails.size() <= 100);
  }
  const auto capped = world.row("d9999.example");
  CHECK(capped.state == JobState::gave_up);
  CHECK(capped.last_result == "victim.example has had its 100 reports of the day");
}

TEST_CASE("T-45 at most two targets of a record") {
  World world;
  world.counted("b.example");
  world.publishes("b.example", "v=TLSRPTv1; rua=mailto:1@c.example,mailto:2@c.example,mailto:3@c.example");
  world.run_for(1h);
  CHECK(world.outbox.mails.size() == 2);
}

TEST_CASE("a lookup that fails puts off, is explained, and does not hold up others") {
  World world;
  world.counted("a.example");
  world.counted("b.example");
  world.resolver.put("_smtp._tls.a.example", dns::RrType::txt, dns::Status::failed);
  world.publishes("b.example", "v=TLSRPTv1; rua=mailto:r@c.example");
  world.run_for(1min);
  CHECK(world.outbox.mails.size() == 1);
  CHECK(world.row("a.example").state == JobState::waiting);
  CHECK(world.row("a.example").last_result == "the _smtp._tls lookup failed: SERVFAIL");
  SUBCASE("and is sent when the name server is back") {
    world.publishes("a.example", "v=TLSRPTv1; rua=mailto:r@c.example");
    world.run_for(1h);
    CHECK(world.outbox.mails.size() == 2);
    CHECK(world.row("a.example").state == JobState::sent);
  }
  SUBCASE("and given up after a day, with few questions asked") {
    world.run_for(48h);
    CHECK(world.row("a.example").state == JobState::gave_up);
    CHECK(world.resolver.count("_smtp._tls.a.example", dns::RrType::txt) == 5);
  }
}

TEST_CASE("report why: what was published and cannot be used is explained") {
  const std::pair<const char*, const char*> cases[] = {
      {"v=TLSRPTv1; ruf=mailto:a@b.example", "the TLS-RPT record is not valid: no rua"},
      {"v=TLSRPTv1; rua=ftp://c.example/", "no target can be used; scheme 'ftp' is not known"},
      {"v=spf1 -all", "no TLS-RPT record is published"},
  };
  World world;
  for (std::size_t i = 0; i < std::size(cases); ++i) {
    const std::string domain = "d" + std::to_string(i) + ".example";
    world.counted(domain);
    world.publishes(domain, cases[i].first);
  }
  world.run_for(1h);
  for (std::size_t i = 0; i < std::size(cases); ++i) {
    const ReportJob row = world.row("d" + std::to_string(i) + ".example");
    CHECK(row.state == JobState::none);
    CHECK(row.last_result == cases[i].second);
  }
}

TEST_CASE("T-20 an https target at a private address is not contacted, unless allowed") {
  auto settings = World::make_settings();
  bool allowed = false;
  SUBCASE("refused") {}
  SUBCASE("allowed") { allowed = true; }
  if (allowed) settings.allow_destinations.push_back(Network::parse("10.0.0.0/8").value());
  World world(settings);
  world.counted("b.example");
  world.publishes("b.example", "v=TLSRPTv1; rua=https://d.example/in");
  world.has_address("d.example", "10.0.0.9");
  world.run_for(1min);
  CHECK(world.http.requests.size() == (allowed ? 1 : 0));
  if (!allowed)
    CHECK(world.row("b.example").last_result == "every address of d.example is private or reserved");
}

TEST_CASE("R20 no report goes by mail unsigned; it waits for a key, and what is wrong with the key is said") {
  World world;
  world.counted("b.example");
  world.publishes("b.example", "v=TLSRPTv1; rua=mailto:r@c.example");
  world.sender->set_signers({});
  world.run_for(1h);
  CHECK(world.outbox.mails.empty());
  CHECK(world.row("b.example").state == JobState::waiting);
  CHECK(world.row("b.example").last_result.find("must be DKIM-signed") != std::string::npos);
  world.sender->set_signers({World::signer()});
  world.run_for(5h);
  REQUIRE(world.outbox.mails.size() == 1);
  CHECK(world.outbox.mails[0].second.starts_with("DKIM-Signature: "));
  CHECK(world.row("b.example").last_result == "queued as mail 01K");

  world.counted("d.example");
  world.publishes("d.example", "v=TLSRPTv1; rua=mailto:r@c.example");
  world.sender->set_key_problem("s1._domainkey.home.example: no key record is published");
  world.run_for(1h);
  REQUIRE(world.outbox.mails.size() == 2);  // never held back
  CHECK(world.row("d.example").last_result ==
        "queued as mail 01K; its receiver may drop it, because of our DKIM key s1._domainkey.home.example: "
        "no key "
        "record is published");
}

TEST_CASE("RPT-10 a restart sends nothing twice and keeps what waits") {
  World world;
  world.counted("b.example");
  world.counted("c.example");
  world.publishes("b.example", "v=TLSRPTv1; rua=https://d.example/b");
  world.publishes("c.example", "v=TLSRPTv1; rua=https://gone.example/c");
  world.has_address("d.example");
  world.http.takes = 1h;
  world.run_for(1s);
  REQUIRE(world.http.requests.size() == 1);  // under way: marked, not yet answered
  world.scope->cancel();
  world.has_address("gone.example");
  world.http.takes = {};
  world.run_for(1h);
  CHECK(world.http.requests.size() == 2);
  CHECK(world.http.requests.back().host == "gone.example");
  CHECK(world.row("b.example").state == JobState::sent);
  CHECK(world.row("b.example").last_result == "handed over when the relay stopped");
  CHECK(world.row("c.example").state == JobState::sent);
}

TEST_CASE("a host that answers nobody does not hold up the others") {
  World world;
  for (int i = 0; i < 200; ++i) {
    const std::string domain = "a" + std::to_string(i) + ".example";
    world.counted(domain);
    world.publishes(domain, "v=TLSRPTv1; rua=https://dead.example/" + std::to_string(i));
  }
  world.counted("z.example");
  world.publishes("z.example", "v=TLSRPTv1; rua=mailto:r@c.example");
  world.has_address("dead.example");
  world.http.status = 0;
  world.http.takes = 60s;
  world.run_for(5min);
  CHECK(world.outbox.mails.size() == 1);
  CHECK(world.http.requests.size() < 30);
}

TEST_CASE("wishes of the operator: suppress, instead, besides") {
  auto settings = World::make_settings();
  settings.wishes.resize(3);
  settings.wishes[0].domain = "a.example";
  settings.wishes[0].suppress = true;
  settings.wishes[1].domain = "b.example";
  settings.wishes[1].rua = {"mailto:own@b.example"};
  settings.wishes[2].domain = "c.example";
  settings.wishes[2].extra = {"mailto:copy@home.example"};
  World world(settings);
  for (const char* domain : {"a.example", "b.example", "c.example"}) {
    world.counted(domain);
    world.publishes(domain, "v=TLSRPTv1; rua=mailto:published@" + std::string(domain));
  }
  world.run_for(1h);
  std::vector<std::string> to;
  for (const auto& mail : world.outbox.mails) to.push_back(mail.first);
  std::sort(to.begin(), to.end());
  CHECK(to == std::vector<std::string>{"copy@home.example", "own@b.example", "published@c.example"});
  CHECK(world.row("a.example").last_result == "suppressed by configuration");
}

TEST_CASE("switching sending on does not send a month") {
  World world;
  for (int day = 1; day <= 4; ++day) world.counted("b.example", "2026-01-0" + std::to_string(day));
  world.publishes("b.example", "v=TLSRPTv1; rua=mailto:r@c.example");
  world.run_for(1h);
  CHECK(world.outbox.mails.size() == 2);
}

TEST_CASE("R26 nothing before the night offset") {
  auto settings = World::make_settings();
  settings.night_offset = 6h;
  World world(settings);
  world.counted("b.example");
  world.publishes("b.example", "v=TLSRPTv1; rua=mailto:r@c.example");
  world.run_for(50min);
  CHECK(world.outbox.mails.empty());
  world.run_for(20min);
  CHECK(world.outbox.mails.size() == 1);
}

TEST_CASE("report send of one domain leaves the others alone, and refuses a day that is not over") {
  World world;
  for (int i = 0; i < 600; ++i) world.counted("a" + std::to_string(i) + ".example");
  world.counted("z.example");
  world.publishes("z.example", "v=TLSRPTv1; rua=mailto:r@c.example");
  const auto early = event::run_until_done(world.loop, world.sender->send_now("2026-01-05", "z.example"));
  REQUIRE_FALSE(early);
  CHECK(early.error().code == Errc::invalid);
  const auto sent = event::run_until_done(world.loop, world.sender->send_now(World::yesterday, "z.example"));
  REQUIRE(sent);
  REQUIRE(sent->size() == 1);
  CHECK(sent->front().state == JobState::sent);
  CHECK(world.rows("a0.example").empty());
  const auto again = event::run_until_done(world.loop, world.sender->send_now(World::yesterday, "z.example"));
  CHECK(again);
  CHECK(world.outbox.mails.size() == 1);
}

TEST_CASE("report send returns at once, with what is under way; a second call begins nothing") {
  World world;
  for (int i = 0; i < 120; ++i) {
    const std::string domain = "d" + std::to_string(i) + ".example";
    world.counted(domain);
    world.publishes(domain, "v=TLSRPTv1; rua=https://h" + std::to_string(i) + ".example/in");
    world.has_address("h" + std::to_string(i) + ".example");
  }
  world.http.takes = 10s;  // each
  const auto early = event::run_until_done(world.loop, world.sender->begin("2026-01-05", ""));
  REQUIRE_FALSE(early);
  CHECK(early.error().code == Errc::invalid);
  const SystemTime before = world.loop.wall();
  const auto begun = event::run_until_done(world.loop, world.sender->begin(World::yesterday, ""));
  REQUIRE(begun);
  CHECK(world.loop.wall() - before < 1s);
  CHECK(begun->under_way);
  CHECK(begun->domains == 120);
  world.loop.advance(30s);
  const auto again = event::run_until_done(world.loop, world.sender->begin(World::yesterday, "d7.example"));
  CHECK(again->under_way);  // as part of the day
  CHECK(again->domains == 1);
  world.loop.advance(5min);
  const auto after = event::run_until_done(world.loop, world.sender->progress(World::yesterday, ""));
  CHECK_FALSE(after->under_way);
  CHECK(after->jobs.size() == 120);
  for (const ReportJob& job : after->jobs) CHECK(job.state == JobState::sent);
  CHECK(world.http.requests.size() == 120);
}

TEST_CASE("R20 reports that wait for a key are a trouble of the relay until there is one") {
  World world;
  Health health;
  world.sender->use_health(health);
  world.sender->set_signers({});
  world.counted("b.example");
  world.publishes("b.example", "v=TLSRPTv1; rua=mailto:r@c.example");
  world.run_for(1min);
  REQUIRE(health.list().size() == 1);
  CHECK(health.list()[0].cause == "TLS reports by mail");
  world.sender->set_signers({World::signer()});
  CHECK(health.well());
}
