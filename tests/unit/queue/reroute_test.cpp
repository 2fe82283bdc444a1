// SPDX-License-Identifier: Apache-2.0
//
// An operator sends mail another way than routes and MX records do.
#include <doctest.h>

#include "event/run.hpp"
#include "shard_world.hpp"

using namespace sealpost;
using namespace sealpost::queue;
using namespace sealpost::queue::test;
using namespace std::chrono_literals;

namespace {

constexpr const char* relay = "[smtp.example.net]:587";

struct Rerouting : Backlog {
  Rerouting() {
    courier.goes_on = [this](const LaneKey& to) { return dispatcher.into(to); };
  }
  Ended reroute(const std::string& domain, const std::string& next_hop, std::size_t most = 1000) {
    Filter filter;
    filter.domain = domain;
    const auto target = [this, next_hop](const LaneKey& from, const Job& job) {
      const Envelope& envelope = job.message->envelope;
      return next_hop.empty() ? dispatcher.key_for(envelope, envelope.recipients[job.recipients.front()])
                              : dispatcher.rerouted(from, next_hop);
    };
    return event::run_until_done(loop, shard.reroute(filter, next_hop, target, most));
  }
  std::set<std::string> through(const std::string& next_hop) const {
    Filter filter;
    filter.next_hop = next_hop;
    return who(filter);
  }
};

}  // namespace

TEST_CASE("mail that is rerouted goes on in a lane of its domain to the relay, and back when that ends") {
  Rerouting world;
  const Ended ended = world.reroute("x.example", relay);
  CHECK(ended.recipients == 3);
  CHECK(ended.messages.size() == 2);
  CHECK(ended.failed.empty());
  CHECK(world.through(relay) == Who{"a", "b", "d"});
  CHECK(world.through("y.example") == Who{"c"});
  for (const QueueEntry& entry : world.shard.list(Filter(), 100).entries)
    CHECK(entry.recipient_domain == entry.recipient.substr(2));  // partner rules see the recipient's domain
  CHECK(world.reroute("x.example", relay).recipients == 0);      // it goes there
  CHECK(world.reroute("x.example", "").recipients == 3);
  CHECK(world.through("x.example") == Who{"a", "b", "d"});
  CHECK(world.courier.rerouted == std::vector<std::string>{relay, relay, "", ""});
}

TEST_CASE("a part of it, and then the rest") {
  Rerouting world;
  const Ended first = world.reroute("x.example", relay, 1);
  CHECK(first.more);
  CHECK(first.messages.size() == 1);
  CHECK(world.reroute("x.example", relay, 1).messages.size() == 1);
  CHECK_FALSE(world.reroute("x.example", relay, 1).more);
  CHECK(world.through(relay) == Who{"a", "b", "d"});
}

TEST_CASE("what the journal does not take stays where it was, and that is said") {
  Rerouting world;
  world.courier.records_reroutes = false;
  const Ended ended = world.reroute("x.example", relay);
  CHECK(ended.recipients == 0);
  CHECK(ended.failed == "the journal is full");
  CHECK(world.through("x.example") == Who{"a", "b", "d"});
}

TEST_CASE("a start places mail where an operator had sent it") {
  World world;
  world.courier.defer_for = 3600s;
  const auto message = message_to({"a@x.example", "b@x.example"}, world.loop.wall());
  const_cast<spool::StoredMessage&>(*message).reroutes.push_back(spool::Reroute{relay, {1}});
  world.dispatcher.recovered({message});
  world.loop.advance(600s);
  std::set<std::string> next_hops;
  for (const QueueEntry& entry : world.shard.list(Filter(), 100).entries)
    next_hops.insert(entry.recipient.substr(0, 1) + " " + entry.next_hop);
  CHECK(next_hops == std::set<std::string>{"a x.example", std::string("b ") + relay});
}

TEST_CASE("the account and the level of a route go with mail that is sent to its relay") {
  event::SimLoop loop;
  const Schedule schedule{ScheduleSettings{}};
  Shard shard(loop, {}, schedule);
  RouteTable routes;
  routes.add("y.example", {}, {"[SMTP.example.net]:587", "out"});
  const Dispatcher dispatcher({&shard}, routes, schedule);
  LaneKey from;
  from.recipient_domain = "x.example";
  from.gateway_rule = "Noord";
  CHECK(dispatcher.rerouted(from, relay).route == "out");
  CHECK(dispatcher.rerouted(from, relay).gateway_rule.empty());
  CHECK_FALSE(dispatcher.rerouted(from, relay).by_operator);
  CHECK(dispatcher.rerouted(from, "other.example.net:587").route.empty());
  CHECK(dispatcher.rerouted(from, "other.example.net:587").by_operator);
}

TEST_CASE(
    "T-52 when routes change, mail that waits is in the wrong place, but for what an operator sent to no "
    "route's relay") {
  Rerouting world;
  const auto misplaced = [&world] {
    Who who;
    world.shard.retry([&](const Lane& lane, const Job& job) {
      if (world.dispatcher.misplaced(lane.key(), job))
        for (const std::uint32_t i : job.recipients)
          who.insert(job.message->envelope.recipients[i].address.substr(0, 1));
      return false;
    });
    return who;
  };
  CHECK(misplaced().empty());
  CHECK_FALSE(world.dispatcher.set_routes({}));  // the same
  world.reroute("x.example", relay);
  RouteTable routes;
  routes.add("*", {}, {"[out.example]:25", "out"});
  CHECK(world.dispatcher.set_routes(routes));
  CHECK_FALSE(world.dispatcher.set_routes(routes));
  CHECK(misplaced() == Who{"c", "e"});
  CHECK(world.dispatcher.set_routes({}));
  CHECK(misplaced().empty());
}

TEST_CASE(
    "T-52 the recipients of one job go on by routes, or as its record sends them, and ask no less there") {
  World world;
  world.courier.defer_for = 3600s;
  const auto message = message_to({"a@x.example", "b@x.example", "c@x.example"}, world.loop.wall());
  const_cast<spool::StoredMessage&>(*message).reroutes.push_back(spool::Reroute{relay, {1}});
  RouteTable routes;
  routes.add("*", {}, {"[other.example]:25", ""});
  world.dispatcher.set_routes(std::move(routes));
  LaneKey from;  // by a route that is no more
  from.recipient_domain = "x.example";
  from.next_hop = relay;
  from.route = "out";
  auto job = std::make_unique<Job>();
  job->message = message;
  job->recipients = {0, 1, 2};
  CHECK(world.dispatcher.misplaced(from, *job));
  world.dispatcher.place_anew(from, std::move(job));
  std::set<std::string> next_hops;
  for (const QueueEntry& entry : world.shard.list(Filter(), 100).entries)
    next_hops.insert(entry.recipient.substr(0, 1) + " " + entry.next_hop);
  CHECK(next_hops ==
        std::set<std::string>{"a [other.example]:25", std::string("b ") + relay, "c [other.example]:25"});

  Job sent;  // in this life of the relay, to the relay of that route
  sent.message = message;
  sent.recipients = {0};
  sent.way = Way::rerouted;
  CHECK(world.dispatcher.misplaced(from, sent));  // it has to prove itself now: LaneKey::by_operator
  from.route.clear();
  from.by_operator = true;
  CHECK_FALSE(world.dispatcher.misplaced(from, sent));
}
