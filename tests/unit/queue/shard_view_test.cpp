// SPDX-License-Identifier: Apache-2.0
//
// What is shown of the queue, and which mail a filter means.
#include <doctest.h>

#include "shard_world.hpp"

using namespace sealpost;
using namespace sealpost::queue;
using namespace sealpost::queue::test;
using namespace std::chrono_literals;

TEST_CASE("a filter means what all of it means") {
  const Backlog world;
  struct Row {
    const char* what;
    std::function<void(Filter&)> set;
    Who expected;
  };
  const std::vector<Row> rows = {
      {"nothing", [](Filter&) {}, {"a", "b", "c", "d", "e"}},
      {"id", [&](Filter& f) { f.ids.push_back(world.second->id); }, {"d"}},
      {"domain", [](Filter& f) { f.domain = "X.example"; }, {"a", "b", "d"}},
      {"domain pattern", [](Filter& f) { f.domain = "*.example"; }, {"a", "b", "c", "d", "e"}},
      {"not its suffix", [](Filter& f) { f.domain = "example"; }, {}},
      {"recipient", [](Filter& f) { f.recipient = "B@x.example"; }, {"b"}},
      {"recipient's domain", [](Filter& f) { f.recipient = "@y.example"; }, {"c"}},
      {"sender", [](Filter& f) { f.sender = "boss@other.example"; }, {"d"}},
      {"sender's domain", [](Filter& f) { f.sender = "other.example"; }, {"d"}},
      {"null sender", [](Filter& f) { f.sender = "<>"; }, {"e"}},
      {"next hop", [](Filter& f) { f.next_hop = "y*"; }, {"c"}},
      {"reason", [](Filter& f) { f.reason = "LATE"; }, {"a", "b", "c", "d", "e"}},
      {"other reason", [](Filter& f) { f.reason = "early"; }, {}},
      {"state", [](Filter& f) { f.state = "deferred"; }, {"a", "b", "c", "d", "e"}},
      {"other state", [](Filter& f) { f.state = "held"; }, {}},
      {"older", [](Filter& f) { f.older = 10s; }, {"a", "b", "c", "d", "e"}},
      {"older yet", [](Filter& f) { f.older = 11s; }, {}},
      {"policy", [](Filter& f) { f.policy = "mta-sts"; }, {}},
      {"both",
       [](Filter& f) {
         f.domain = "x.example";
         f.sender = "sender@here.example";
       },
       {"a", "b"}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    Filter filter;
    row.set(filter);
    CHECK(filter.all() == (std::string(row.what) == "nothing"));
    CHECK(world.who(filter) == row.expected);
  }
}

TEST_CASE(
    "a domain means the recipients', also of failures on their way back, and not the senders' who are told") {
  World world;
  world.courier.defer_for = 3600s;
  LaneKey back;
  back.recipient_domain = back.next_hop = "notification to boss@other.example";
  back.returns_to = "boss@other.example";
  auto job = std::make_unique<Job>();
  job->message = message_to({"a@x.example", "b@y.example"}, world.loop.wall());
  job->recipients = {0, 1};
  world.dispatcher.into(back)(std::move(job));
  world.loop.advance(10s);
  const auto count = [&](const char* domain) {
    Filter filter;
    filter.domain = domain;
    return world.shard.list(filter, 10).total;
  };
  CHECK(count("x.example") == 1);
  CHECK(count("*.example") == 2);
  CHECK(count("*other.example") == 0);
  // And so it does in a summary: each of its rows is what a filter for its name means.
  const auto rows = world.shard.summary(Filter(), SummaryBy::domain, {5min});
  CHECK(rows.size() == 2);
  for (const auto& row : rows) CHECK(row.second.total == count(row.first.c_str()));
  Filter hop;
  hop.next_hop = "*";
  CHECK(world.shard.list(hop, 10).total == 0);
}

TEST_CASE("a listing that is cut has the oldest messages and says how many there are") {
  Backlog world;
  const Listing listing = world.shard.list(Filter(), 3);
  CHECK(listing.total == 5);
  REQUIRE(listing.entries.size() == 3);
  for (const auto& entry : listing.entries) CHECK(entry.id == world.first->id.to_string());
  CHECK(world.shard.list(Filter(), 0).total == 5);
  CHECK(world.shard.list(Filter(), 0).entries.empty());
}

TEST_CASE("a summary counts recipients by domain and age") {
  Backlog world;
  world.loop.advance(10min);
  world.courier.takes = 1h;
  world.accept("late@x.example");
  const auto rows = world.shard.summary(Filter(), SummaryBy::domain, {5min, 1h});
  REQUIRE(rows.size() == 3);
  CHECK(rows.at("x.example").counts == std::vector<std::uint64_t>{1, 3, 0});
  CHECK(rows.at("x.example").total == 4);
  CHECK(rows.at("y.example").counts == std::vector<std::uint64_t>{0, 1, 0});
  CHECK(world.shard.summary(Filter(), SummaryBy::sender, {5min}).at("<>").total == 1);
}

TEST_CASE("the grace of a partner rule ends the wait in what is shown") {
  World world;
  world.courier.defer_for = 3600s;
  world.accept("a@x.example");
  world.loop.advance(10s);
  const auto entry = world.shard.list(Filter(), 1).entries.at(0);
  CHECK(entry.policy == "");
  for (const bool ends : {true, false}) {
    auto refusal = std::make_shared<PolicyRefusal>();
    refusal->by = "partner:Noord";
    refusal->grace = 15min;
    refusal->ends = ends;
    refusal->then = ends ? "returned" : "handed to the gateway gw.example:25";
    world.courier.refused = refusal;
    CHECK(world.shard.retry(Filter()) == 1);
    world.loop.advance(10s);
    const auto shown = world.shard.list(Filter(), 1).entries.at(0);
    CHECK(shown.policy == "partner:Noord");
    CHECK(shown.grace_ends == *shown.refused_since + 15min);
    CHECK(shown.grace_then == refusal->then);
    CHECK((shown.expires == *shown.grace_ends) == ends);
    Filter filter;
    for (const char* word : {"partner", "noord", "partner:*"}) {
      filter.policy = word;
      CHECK(world.shard.list(filter, 1).total == 1);
    }
    filter.policy = "mta-sts";
    CHECK(world.shard.list(filter, 1).total == 0);
  }
}

TEST_CASE("T-43 what status says of the queue is what is in it") {
  Backlog world;
  const auto check = [&](const char* when) {
    CAPTURE(when);
    Shard::Waiting expected;
    SystemTime oldest = SystemTime::max();
    for (const QueueEntry& entry : world.shard.list(Filter(), 1000).entries) {
      ++expected.recipients;
      if (entry.state == "active") ++expected.active;
      if (entry.state == "held") ++expected.held;
      if (entry.state == "deferred") ++expected.deferred;
      if (entry.state != "held") oldest = std::min(oldest, entry.arrival);
    }
    const Shard::Waiting told = world.shard.waiting();
    CHECK(told.recipients == expected.recipients);
    CHECK(told.active == expected.active);
    CHECK(told.held == expected.held);
    CHECK(told.deferred == expected.deferred);
    const Duration age = oldest == SystemTime::max() ? Duration(0) : Duration(world.loop.wall() - oldest);
    CHECK(told.oldest <= age);
    CHECK(told.oldest >= age - 1s);
  };
  check("deferred");
  world.shard.hold({world.first->id}, "held: wait");
  check("held");
  world.courier.takes = 100s;
  for (int i = 0; i < 30; ++i) world.accept("u@x.example");
  world.loop.advance(1s);
  check("some in flight");
  Filter filter;
  filter.recipient = "b@x.example";
  CHECK(world.end(filter, LastWord::Kind::remove) == 1);
  check("a part removed");
  world.shard.release({world.first->id});
  world.loop.advance(1s);
  check("released");
  world.courier.trouble_for = 300s;
  world.courier.defer_for = 0s;
  world.loop.advance(150s);
  check("after trouble");
  CHECK(world.shard.retry(Filter()) > 0);
  world.loop.advance(1s);
  check("retried");
  world.courier.trouble_for = 0s;
  world.courier.takes = 1s;
  world.loop.advance(2h);
  check("delivered");
  CHECK(world.shard.waiting().recipients == 0);
  CHECK(world.shard.waiting().oldest == 0s);
}

TEST_CASE("a summary has a bounded number of rows, and counts the others") {
  World world;
  world.courier.defer_for = 3600s;
  for (int i = 0; i < 9; ++i) world.accept("u@d" + std::to_string(i) + ".example");
  world.loop.advance(10s);
  const auto rows = world.shard.summary(Filter(), SummaryBy::domain, {5min}, 4);
  CHECK(rows.size() == 5);
  CHECK(rows.at(Shard::other_rows).total == 5);
}

TEST_CASE("what stands between mail and its next attempt is put into words only for those who ask") {
  const Backlog world;
  CHECK(world.shard.list(Filter(), 1, Shard::Why::left_out).entries.at(0).why.empty());
  CHECK_FALSE(world.shard.list(Filter(), 1).entries.at(0).why.empty());
}
