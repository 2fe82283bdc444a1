// SPDX-License-Identifier: Apache-2.0
#include "queue/shard.hpp"

#include <doctest.h>

#include <functional>
#include <map>
#include <memory>
#include <set>

#include "base/shared_clock.hpp"
#include "event/run.hpp"
#include "event/sim_loop.hpp"
#include "queue/dispatcher.hpp"
#include "queue/filter.hpp"

using namespace sealpost;
using namespace sealpost::queue;
using namespace std::chrono_literals;

namespace {

spool::StoredMessagePtr message_to(std::vector<std::string> recipients, SystemTime now) {
  auto message = std::make_shared<spool::StoredMessage>();
  message->id = MessageId::make(now);
  message->envelope.reverse_path = "sender@here.example";
  message->envelope.arrival = now;
  for (auto& address : recipients) {
    message->envelope.recipients.emplace_back(std::move(address));
    message->progress.emplace_back();
  }
  return message;
}

// Delivers by script: how long a job takes, and what becomes of it.
class ScriptedCourier final : public Courier {
 public:
  explicit ScriptedCourier(event::Loop& loop) : loop_(loop) {}
  event::Task<void> serve(Lane& lane) override {
    ++running;
    most_running = std::max(most_running, running);
    auto& here = per_lane[lane.key().next_hop];
    here = std::max(here, lane.couriers());
    for (JobPtr job = lane.take(); job; job = lane.take()) {
      order.push_back(lane.key().next_hop);
      times.push_back(loop_.wall());
      if (lane.key().next_hop.starts_with("tarpit")) {
        co_await event::sleep_for(loop_, 300s);
        const SystemTime until = loop_.paced() + 2h;
        job->next_attempt = until;
        lane.trouble(until, "no greeting");
        lane.defer(std::move(job));
        break;
      }
      co_await event::sleep_for(loop_, takes);
      if (onward) {
        auto copy = std::make_unique<Job>(*job);
        lane.move(std::move(job), std::move(copy), std::exchange(onward, nullptr));
      } else if (defer_for > 0s) {
        job->next_attempt = loop_.paced() + defer_for;
        job->reason = "later";
        job->refused = refused;
        if (refused && job->policy_failing_since == SystemTime{}) job->policy_failing_since = loop_.paced();
        lane.defer(std::move(job));
      } else if (trouble_for > 0s) {
        job->next_attempt = loop_.wall() + trouble_for;
        lane.trouble(loop_.wall() + trouble_for, "connection refused");
        lane.defer(std::move(job));
        break;
      } else {
        lane.succeeded(Duration(takes));
        lane.finish(std::move(job));
        ++finished;
      }
    }
    --running;
  }
  void end(Lane& lane, JobPtr job, const LastWord&, std::shared_ptr<void> recorded) override {
    ended += job->recipients.size();
    if (records_after > 0s)
      journal.spawn(record(lane, std::move(job), std::move(recorded)));
    else
      lane.finish(std::move(job));
  }
  event::Task<void> record(Lane& lane, JobPtr job, std::shared_ptr<void> recorded) {
    co_await event::sleep_for(loop_, records_after);
    lane.finish(std::move(job));
    recorded.reset();
  }
  event::Loop& loop_;
  event::TaskScope journal{loop_};
  std::chrono::seconds records_after{0};
  JobOwner::Onward onward;  // where mail goes on after an attempt
  std::size_t ended = 0;
  std::shared_ptr<const PolicyRefusal> refused;
  std::chrono::seconds takes{1}, defer_for{0}, trouble_for{0};
  std::size_t running = 0, most_running = 0, finished = 0;
  std::vector<std::string> order;
  std::vector<SystemTime> times;
  std::map<std::string, std::uint32_t> per_lane;
};

struct World {
  explicit World(ShardSettings settings = {})
      : shard(loop, settings, schedule), dispatcher({&shard}, {}, schedule) {
    shard.start(courier);
  }
  void accept(const std::string& recipient) { dispatcher.accepted(message_to({recipient}, loop.wall())); }
  Ended end_some(Filter filter, LastWord::Kind kind, std::size_t most) {
    return event::run_until_done(loop, shard.end(std::move(filter), LastWord{kind, ""}, most));
  }
  std::size_t end(Filter filter, LastWord::Kind kind) {
    return end_some(std::move(filter), kind, 1000).recipients;
  }
  event::SimLoop loop;
  Schedule schedule{ScheduleSettings{}};
  ScriptedCourier courier{loop};
  Shard shard;
  Dispatcher dispatcher;
};

}  // namespace

TEST_CASE("accepted mail is served at once, and an empty lane is forgotten") {
  World world;
  world.accept("a@x.example");
  world.accept("b@x.example");
  world.accept("c@y.example");
  CHECK(world.shard.lanes() == 2);
  CHECK(world.shard.jobs() == 3);
  world.loop.advance(10s);
  CHECK(world.courier.finished == 3);
  CHECK(world.shard.jobs() == 0);
  CHECK(world.shard.lanes() == 0);
}

TEST_CASE("recipients of one message are grouped by next hop") {
  World world;
  world.dispatcher.accepted(message_to({"a@x.example", "b@X.EXAMPLE", "c@y.example"}, world.loop.wall()));
  CHECK(world.shard.lanes() == 2);
  CHECK(world.shard.jobs() == 2);
}

TEST_CASE("T-42 one domain's backlog does not hold up another") {
  ShardSettings settings;
  settings.couriers = 10;
  settings.concurrency.most = 8;
  settings.quantum = 5;
  World world(settings);
  for (int i = 0; i < 2000; ++i) world.accept("u@flood.example");
  world.loop.advance(5s);
  const SystemTime before = world.loop.wall();
  world.accept("one@quiet.example");
  world.loop.advance(30s);
  const auto quiet = std::find(world.courier.order.begin(), world.courier.order.end(), "quiet.example");
  REQUIRE(quiet != world.courier.order.end());
  const auto when = world.courier.times[static_cast<std::size_t>(quiet - world.courier.order.begin())];
  CHECK(when - before <= 10s);
  CHECK(world.courier.most_running <= 10);
  CHECK(world.courier.per_lane["flood.example"] <= 8);
}

TEST_CASE("T-42 where a backlog has every place, another lane gets one within a quantum of turns") {
  ShardSettings settings;
  settings.couriers = settings.concurrency.most = 8;
  settings.quantum = 5;
  World world(settings);
  for (int i = 0; i < 2000; ++i) world.accept("u@flood.example");
  world.loop.advance(20s);
  CHECK(world.shard.couriers() == 8);
  const auto begin = static_cast<std::ptrdiff_t>(world.courier.order.size());
  world.accept("one@quiet.example");
  world.loop.advance(60s);
  const auto& order = world.courier.order;
  const auto quiet = std::find(order.begin() + begin, order.end(), "quiet.example");
  REQUIRE(quiet != order.end());
  CHECK(quiet - (order.begin() + begin) <= 8 * 5);
}

TEST_CASE("T-42 T-26 tarpits of many domains leave places to domains that work, and get their turn, too") {
  ShardSettings settings;
  settings.couriers = 20;
  World world(settings);
  for (int i = 0; i < 5; ++i) world.accept("u@good" + std::to_string(i) + ".example");
  world.loop.advance(10s);
  CHECK(world.shard.lanes() == 0);
  for (int i = 0; i < 100; ++i) world.accept("u@tarpit" + std::to_string(i) + ".example");
  world.loop.advance(10s);
  CHECK(world.courier.running == 15);
  for (int round = 0; round < 20; ++round) {
    CAPTURE(round);
    const std::size_t before = world.courier.finished;
    for (int i = 0; i < 5; ++i) world.accept("u@good" + std::to_string(i) + ".example");
    world.loop.advance(3s);
    CHECK(world.courier.finished == before + 5);
  }
  world.accept("u@unknown.example");  // has its turn behind those that came before it
  world.loop.advance(1h);
  CHECK(world.courier.finished == 5 + 100 + 1);
  std::set<std::string> served(world.courier.order.begin(), world.courier.order.end());
  CHECK(served.size() == 5 + 100 + 1);
  CHECK(world.courier.most_running <= 20);
}

TEST_CASE("T-42 backlogs that began in doubt and work now keep nobody waiting who is in doubt still") {
  ShardSettings settings;
  settings.couriers = 8;
  settings.concurrency.first = settings.concurrency.most = 4;
  settings.quantum = 5;
  World world(settings);
  for (int i = 0; i < 4000; ++i) world.accept("u@good" + std::to_string(i % 3) + ".example");
  world.loop.advance(20s);
  CHECK(world.shard.couriers() == 8);
  const auto begin = static_cast<std::ptrdiff_t>(world.courier.order.size());
  world.accept("one@unknown.example");
  world.loop.advance(60s);
  const auto& order = world.courier.order;
  CHECK(std::find(order.begin() + begin, order.end(), "unknown.example") != order.end());
}

TEST_CASE("T-42 a domain that begins to work leaves the row of those in doubt") {
  ShardSettings settings;
  settings.couriers = 8;
  settings.concurrency.first = 4;
  World world(settings);
  for (int i = 0; i < 5; ++i) world.accept("u@tarpit" + std::to_string(i) + ".example");
  for (int i = 0; i < 50; ++i) world.accept("u@good.example");
  world.loop.advance(60s);
  CHECK(world.courier.finished == 50);
  CHECK(world.courier.per_lane["good.example"] >= 2);
}

TEST_CASE("concurrency starts small and grows with success") {
  ShardSettings settings;
  settings.concurrency.first = 2;
  settings.concurrency.most = 6;
  World world(settings);
  for (int i = 0; i < 200; ++i) world.accept("u@x.example");
  world.loop.settle();
  CHECK(world.courier.running == 2);
  world.loop.advance(20s);
  CHECK(world.courier.most_running == 6);
}

TEST_CASE("a far destination with much mail gets as many connections as help, within what is allowed") {
  ShardSettings settings;
  settings.couriers = 1000;
  settings.concurrency.most = 150;
  World world(settings);
  for (int i = 0; i < 20'000; ++i) world.accept("u@far.example");
  for (int i = 0; i < 100; ++i) world.accept("u@small.example");
  world.loop.advance(60s);
  CHECK(world.courier.most_running >= 150);
  CHECK(world.courier.per_lane["far.example"] == 150);
  CHECK(world.courier.per_lane["small.example"] <= 51);  // gone in two seconds
}

TEST_CASE("T-42 T-26 a destination that grew and then hangs leaves half of the places, two leave a third") {
  for (const int floods : {1, 2}) {
    CAPTURE(floods);
    ShardSettings settings;
    settings.couriers = 120;
    World world(settings);
    for (int i = 0; i < 20'000; ++i) world.accept("u@flood" + std::to_string(i % floods) + ".example");
    world.loop.advance(100s);
    CHECK(world.shard.couriers() >= (floods == 1 ? 59U : 78U));
    CHECK(world.shard.couriers() <= (floods == 1 ? 61U : 82U));
    world.courier.takes = 3600s;  // from now on nobody gives a place back
    world.loop.advance(10s);
    for (int i = 0; i < 30; ++i) world.accept("u@quiet" + std::to_string(i) + ".example");
    world.loop.settle();
    for (int i = 0; i < 30; ++i) CHECK(world.courier.per_lane["quiet" + std::to_string(i) + ".example"] == 1);
  }
}

TEST_CASE("a deferred job comes back when its time has come, not before") {
  World world;
  world.courier.defer_for = 300s;
  world.accept("a@x.example");
  world.loop.advance(200s);
  CHECK(world.courier.order.size() == 1);
  world.loop.advance(150s);
  CHECK(world.courier.order.size() == 2);
  std::vector<QueueEntry> entries;
  world.shard.list(entries, 10);
  REQUIRE(entries.size() == 1);
  CHECK(entries[0].reason == "later");
  CHECK(entries[0].attempts == 2);
}

TEST_CASE("connection trouble makes the whole lane wait, other lanes not") {
  World world;
  world.courier.trouble_for = 600s;
  for (int i = 0; i < 50; ++i) world.accept("a@down.example");
  world.loop.advance(100s);
  const std::size_t tried = world.courier.order.size();
  CHECK(tried <= 5);  // those that were already connected
  world.courier.trouble_for = 0s;
  world.accept("b@up.example");
  world.loop.advance(100s);
  CHECK(world.courier.finished == 1);
  world.loop.advance(600s);
  CHECK(world.courier.finished == 51);
}

TEST_CASE("an operator's retry passes the back-off once") {
  World world;
  world.courier.trouble_for = 3600s;
  world.accept("a@down.example");
  world.loop.advance(10s);
  CHECK(world.courier.order.size() == 1);
  world.courier.trouble_for = 0s;
  CHECK(world.shard.retry([](const Lane&, const Job&) { return true; }) == 1);
  world.loop.advance(10s);
  CHECK(world.courier.finished == 1);
}

TEST_CASE("held mail is not tried until it is released") {
  World world;
  world.courier.defer_for = 60s;
  const auto message = message_to({"a@x.example"}, world.loop.wall());
  world.dispatcher.accepted(message);
  world.loop.advance(10s);
  world.shard.hold({message->id}, "held: looking at it");
  world.courier.defer_for = 0s;
  world.loop.advance(1000s);
  CHECK(world.courier.finished == 0);
  const auto why = world.shard.why(message->id);
  REQUIRE(why.size() == 1);
  CHECK(why[0].find("is held until released") != std::string::npos);
  world.shard.release({message->id});
  world.loop.advance(10s);
  CHECK(world.courier.finished == 1);
}

TEST_CASE("removal takes what waits and leaves what is in flight") {
  World world;
  world.courier.takes = 100s;
  const auto message = message_to({"a@x.example"}, world.loop.wall());
  world.dispatcher.accepted(message);
  world.loop.advance(1s);
  CHECK(world.end(Filter(message->id), LastWord::Kind::remove) == 0);
  CHECK(world.shard.attempting(message->id));
  world.courier.defer_for = 3600s;
  world.loop.advance(200s);
  CHECK(world.end(Filter(message->id), LastWord::Kind::remove) == 1);
  CHECK(world.shard.jobs() == 0);
}

TEST_CASE("D-20 recovered mail comes back on schedule and overdue mail does not stampede") {
  World world;
  std::vector<spool::StoredMessagePtr> found;
  for (int i = 0; i < 1000; ++i) {
    auto message = std::make_shared<spool::StoredMessage>();
    message->id = MessageId::make(world.loop.wall());
    message->envelope.recipients.emplace_back("u" + std::to_string(i) + "@d" + std::to_string(i) +
                                              ".example");
    message->progress.emplace_back();
    message->progress[0].attempts = 2;
    message->progress[0].next_attempt = i < 900 ? world.loop.wall() - 1h : world.loop.wall() + 1h;
    found.push_back(std::move(message));
  }
  world.dispatcher.recovered(found);
  world.loop.advance(1s);
  CHECK(world.courier.order.size() < 450);
  world.loop.advance(60s);
  CHECK(world.courier.finished == 900);
  world.loop.advance(3600s);
  CHECK(world.courier.finished == 1000);
}

TEST_CASE(
    "T-50, D-20 what was deferred while the clock stood elsewhere waits no longer than the longest gap") {
  constexpr auto years = 10 * 365 * 24h;
  World world;
  const auto message = message_to({"a@x.example"}, world.loop.wall() + years);
  const_cast<spool::StoredMessage&>(*message).progress[0].attempts = 3;
  const_cast<spool::StoredMessage&>(*message).progress[0].next_attempt = world.loop.wall() + years;
  world.dispatcher.recovered({message});
  std::vector<QueueEntry> entries;
  world.shard.list(entries, 10);
  REQUIRE(entries.size() == 1);
  CHECK(entries[0].next_attempt <= world.loop.wall() + world.schedule.longest_gap());
  CHECK(entries[0].expires == world.loop.wall() + std::chrono::days(5));  // as if it had come just now
  world.loop.advance(world.schedule.longest_gap() + 2s);
  CHECK(world.courier.finished == 1);
}

TEST_CASE("T-50 a step of the clock neither hurries nor delays what waits") {
  for (const Duration step :
       {Duration(10 * 365 * 24h), Duration(-10 * 365 * 24h), Duration(1h), Duration(-1h)}) {
    World world;
    SharedClock clock(world.loop.wall() - 24h, std::nullopt, world.loop.wall(), world.loop.now());
    world.loop.ask_clock(&clock);
    world.courier.defer_for = 1h;
    const auto message = message_to({"a@x.example"}, world.loop.date());
    world.dispatcher.accepted(message);
    world.loop.advance(10s);
    CHECK(world.courier.order.size() == 1);
    world.loop.shift_wall(step);
    std::vector<QueueEntry> entries;
    world.shard.list(entries, 10);
    REQUIRE(entries.size() == 1);
    CHECK(entries[0].next_attempt <= world.loop.date() + 1h);
    CHECK(entries[0].next_attempt >= world.loop.date() + 59min);
    world.loop.advance(50min);
    CHECK(world.courier.order.size() == 1);
    world.loop.shift_wall(-step);
    world.loop.advance(11min);
    CHECK(world.courier.order.size() == 2);
    world.loop.ask_clock(nullptr);
  }
}

TEST_CASE("D-16 recipients that are final are never queued again") {
  World world;
  const auto message = message_to({"a@x.example", "b@x.example"}, world.loop.wall());
  const_cast<spool::StoredMessage&>(*message).progress[0].state = spool::RecipientState::delivered;
  world.dispatcher.recovered({message});
  std::vector<QueueEntry> entries;
  world.shard.list(entries, 10);
  REQUIRE(entries.size() == 1);
  CHECK(entries[0].recipient == "b@x.example");
}

TEST_CASE("routes: exact beats a pattern, the nearer pattern the wider, '*' the rest") {
  RouteTable routes;
  routes.add("*", "out.example:587");
  routes.add("*.corp.example", "[inside.example]:25");
  routes.add("mail.corp.example", "direct.example");
  CHECK(routes.relay_for("mail.corp.example") == "direct.example");
  CHECK(routes.relay_for("x.y.corp.example") == "[inside.example]:25");
  CHECK(routes.relay_for("corp.example") == "out.example:587");
  CHECK(RouteTable().relay_for("a.example").empty());
}

TEST_CASE("a lane that is forgotten leaves nothing in the agenda") {
  World world;
  const auto later = message_to({"later@x.example"}, world.loop.wall());
  const auto sooner = message_to({"sooner@x.example"}, world.loop.wall());
  const_cast<spool::StoredMessage&>(*later).progress[0].next_attempt = world.loop.wall() + 2h;
  const_cast<spool::StoredMessage&>(*sooner).progress[0].next_attempt = world.loop.wall() + 1h;
  world.dispatcher.recovered({later});
  world.dispatcher.recovered({sooner});  // the lane's next event moves ahead of the one it has an entry for
  CHECK(world.end(Filter(later->id), LastWord::Kind::remove) == 1);
  world.loop.advance(90min);
  CHECK(world.courier.finished == 1);
  CHECK(world.shard.lanes() == 0);
  world.loop.advance(1h);  // a former entry would lead to a lane that is gone
  CHECK(world.shard.lanes() == 0);
}

TEST_CASE("draining gives out no more work and ends when couriers have") {
  World world;
  for (int i = 0; i < 100; ++i) world.accept("u@x.example");
  world.loop.settle();
  world.shard.drain();
  world.loop.advance(60s);
  CHECK(world.courier.running == 0);
  CHECK(world.courier.finished >= 1);
  CHECK(world.courier.finished < 100);
  CHECK(world.shard.jobs() == 100 - world.courier.finished);
}

namespace {

// Mail that has been tried and waits an hour: two messages with recipients in three domains, and one from nobody.
struct Backlog : World {
  Backlog() {
    courier.defer_for = 3600s;
    first = message_to({"a@x.example", "b@x.example", "c@y.example"}, loop.wall());
    second = message_to({"d@x.example"}, loop.wall());
    const auto third = message_to({"e@z.example"}, loop.wall());
    const_cast<spool::StoredMessage&>(*second).envelope.reverse_path = "Boss@Other.example";
    const_cast<spool::StoredMessage&>(*third).envelope.reverse_path = "";
    for (const auto& message : {first, second, third}) dispatcher.accepted(message);
    loop.advance(10s);
  }
  std::set<std::string> who(const Filter& filter) const {
    std::set<std::string> recipients;
    const Listing listing = shard.list(filter, 100);
    for (const auto& entry : listing.entries) recipients.insert(entry.recipient.substr(0, 1));
    CHECK(recipients.size() == listing.total);
    return recipients;
  }
  spool::StoredMessagePtr first, second;
};

using Who = std::set<std::string>;

}  // namespace

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

TEST_CASE("a listing that is cut has the oldest messages and says how many there are") {
  Backlog world;
  const Listing listing = world.shard.list(Filter(), 3);
  CHECK(listing.total == 5);
  REQUIRE(listing.entries.size() == 3);
  for (const auto& entry : listing.entries) CHECK(entry.id == world.first->id.to_string());
  CHECK(world.shard.list(Filter(), 0).total == 5);
  CHECK(world.shard.list(Filter(), 0).entries.empty());
}

TEST_CASE("an operator's last word is about the recipients that are meant and no others (D-16)") {
  Backlog world;
  Filter filter;
  filter.recipient = "b@x.example";
  CHECK(world.end(filter, LastWord::Kind::remove) == 1);
  CHECK(world.who(Filter()) == Who{"a", "c", "d", "e"});
  filter = Filter();
  filter.domain = "x.example";
  CHECK(world.end(filter, LastWord::Kind::bounce) == 2);
  CHECK(world.who(Filter()) == Who{"c", "e"});
  CHECK(world.end(Filter(), LastWord::Kind::bounce) == 1);  // nobody could be told of the other one
  CHECK(world.who(Filter()) == Who{"e"});
  CHECK(world.end(Filter(), LastWord::Kind::remove) == 1);
  CHECK(world.courier.ended == 5);
  CHECK(world.shard.jobs() == 0);
}

TEST_CASE("a retry of one domain leaves the others alone") {
  Backlog world;
  world.courier.defer_for = 0s;
  Filter filter;
  filter.domain = "y.example";
  CHECK(world.shard.retry(filter) == 1);
  world.loop.advance(10s);
  CHECK(world.who(Filter()) == Who{"a", "b", "d", "e"});
}

TEST_CASE("what is put on hold during its attempt is held when it comes back") {
  World world;
  world.courier.takes = 100s;
  world.courier.defer_for = 60s;
  const auto message = message_to({"a@x.example"}, world.loop.wall());
  world.dispatcher.accepted(message);
  world.loop.advance(1s);
  world.shard.hold({message->id}, "held: wait");
  world.loop.advance(100s);
  Listing listing = world.shard.list(Filter(), 10);
  REQUIRE(listing.entries.size() == 1);
  CHECK(listing.entries[0].state == "held");
  CHECK(listing.entries[0].reason == "held: wait");
  world.courier.defer_for = 0s;
  world.loop.advance(1h);
  CHECK(world.courier.finished == 0);
  world.shard.release({message->id});
  world.loop.advance(200s);
  CHECK(world.courier.finished == 1);
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

TEST_CASE(
    "an operator's last word is about as much mail at once as was asked for, whole jobs and parts of one") {
  Backlog world;
  Filter filter;
  filter.domain = "x.example";
  Ended some = world.end_some(filter, LastWord::Kind::remove, 1);
  CHECK(some.more);
  CHECK(some.recipients == 2);  // of one message
  CHECK(some.messages == std::vector<MessageId>{world.first->id});
  CHECK(world.who(Filter()) == Who{"c", "d", "e"});
  some = world.end_some(Filter(), LastWord::Kind::remove, 2);
  CHECK(some.more);
  CHECK(some.recipients == 2);
  some = world.end_some(Filter(), LastWord::Kind::remove, 2);
  CHECK_FALSE(some.more);
  CHECK(some.recipients == 1);

  Backlog parts;
  parts.accept("f@x.example");
  parts.loop.advance(10s);
  Filter one;
  one.recipient = "a@x.example";
  CHECK(parts.end_some(one, LastWord::Kind::remove, 1).recipients == 1);
  CHECK(parts.who(Filter()) == Who{"b", "c", "d", "e", "f"});
}

TEST_CASE("an operator's last word is heard when it is on record, and lanes wait for it") {
  for (const bool draining : {false, true}) {
    Backlog world;
    world.courier.records_after = 30s;
    std::optional<Ended> ended;
    event::TaskScope scope(world.loop);
    const auto ask = [](World& at, std::optional<Ended>& into) -> event::Task<void> {
      LastWord word;
      word.kind = LastWord::Kind::remove;
      into = co_await at.shard.end(Filter(), word, 1000);
    };
    scope.spawn(ask(world, ended));
    world.loop.advance(10s);
    if (draining) world.shard.drain();
    world.loop.advance(19s);
    CHECK_FALSE(ended);
    CHECK(world.shard.jobs() == 4);
    CHECK(world.shard.lanes() == 3);
    CHECK(world.shard.attempting(world.first->id));
    CHECK(world.shard.waiting().active == 5);
    world.loop.advance(2s);
    REQUIRE(ended);
    CHECK(ended->recipients == 5);
    CHECK(world.shard.jobs() == 0);
    CHECK(world.shard.lanes() == 0);
  }
}

TEST_CASE("what came after the operator looked is not meant, whatever the clock did") {
  Backlog world;
  Filter filter;
  filter.as_of = world.loop.steady();
  world.loop.shift_wall(-1h);
  world.loop.advance(1s);
  world.accept("f@x.example");
  world.loop.advance(10s);
  CHECK(world.who(Filter()) == Who{"a", "b", "c", "d", "e", "f"});
  CHECK(world.who(filter) == Who{"a", "b", "c", "d", "e"});
  CHECK(world.shard.retry(filter) == 4);
  world.loop.advance(10s);
  CHECK(world.end(filter, LastWord::Kind::remove) == 5);
  CHECK(world.who(Filter()) == Who{"f"});
}

TEST_CASE("a hold that is asked for during an attempt goes with the mail into another lane") {
  World world;
  world.courier.takes = 100s;
  LaneKey gateway;
  gateway.recipient_domain = "x.example";
  gateway.next_hop = "gw.example:25";
  gateway.gateway_rule = "Noord";
  world.courier.onward = world.dispatcher.into(gateway);
  const auto message = message_to({"a@x.example"}, world.loop.wall());
  world.dispatcher.accepted(message);
  world.loop.advance(1s);
  world.shard.hold({message->id}, "held: wait");
  CHECK(world.shard.matches(Filter()).at(0).held);
  world.loop.advance(1000s);
  CHECK(world.courier.finished == 0);
  const auto entry = world.shard.list(Filter(), 1).entries.at(0);
  CHECK(entry.next_hop == "gw.example:25");
  CHECK(entry.state == "held");
  CHECK(entry.reason == "held: wait");
  world.shard.release({message->id});
  world.loop.advance(101s);
  CHECK(world.courier.finished == 1);
}

TEST_CASE("hold and release change what they are about and leave the rest as it is") {
  Backlog world;
  const auto next = world.shard.list(Filter(world.first->id), 1).entries.at(0).next_attempt;
  world.shard.hold({world.first->id}, "held: by the relay");
  world.shard.hold({world.first->id}, "held: by the operator");
  CHECK(world.shard.list(Filter(world.first->id), 1).entries.at(0).reason == "held: by the relay");
  world.shard.undo_hold({world.first->id}, "held: by the operator", "not this one");
  CHECK(world.shard.waiting().held == 3);
  world.shard.undo_hold({world.first->id}, "held: by the relay", "could not be recorded");
  const auto undone = world.shard.list(Filter(world.first->id), 1).entries.at(0);
  CHECK(undone.state == "deferred");
  CHECK(undone.next_attempt == next);  // not due before it was
  CHECK(undone.reason == "could not be recorded");
  world.shard.release({world.first->id, world.second->id});
  world.loop.advance(10s);
  for (const auto& entry : world.shard.list(Filter(), 10).entries) CHECK(entry.attempts == 1);
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
