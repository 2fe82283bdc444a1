// SPDX-License-Identifier: Apache-2.0
//
// D-12, T-43: mail that may be what stops the relay, over its starts.
#include "queue/probation.hpp"

#include <doctest.h>

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "event/blocking_pool.hpp"
#include "event/run.hpp"
#include "event/sim_loop.hpp"
#include "queue/filter.hpp"
#include "spool/driver.hpp"
#include "spool/journal_spool.hpp"
#include "spool/sim_disk.hpp"

using namespace sealpost;
using namespace sealpost::queue;
using namespace std::chrono_literals;

namespace {

// Delivers everything but the poison, at which the process ends. Tells what was being tried at the same time.
class Fragile final : public Courier {
 public:
  Fragile(event::Loop& loop, spool::Spool& spool, MessageId poison)
      : loop_(loop), spool_(spool), poison_(poison) {}
  event::Task<void> serve(Lane& lane) override {
    for (JobPtr job = lane.take(); job; job = lane.take()) {
      if (job->attempts > 1) {
        const auto begun = co_await spool_.begin_attempt(loop_, job->message->id, job->recipients);
        CHECK(begun);
      }
      ++running;
      beside = std::max(beside, running);
      co_await event::sleep_for(loop_, 10ms);
      if (tarpits.contains(job->message->id)) co_await event::sleep_for(loop_, 1000h);
      if (job->message->id == poison_) {
        poisoned = true;
        co_await event::sleep_for(loop_, 1000h);
      }
      spool::Outcome outcome;
      outcome.id = job->message->id;
      outcome.recipients.emplace_back(0, spool::RecipientState::delivered, "250 ok");
      std::vector<spool::NewMessage> none;
      const auto recorded = co_await spool_.finish_attempt(loop_, std::move(outcome), std::move(none));
      CHECK(recorded);
      --running;
      delivered.insert(job->message->id);
      lane.finish(std::move(job));
    }
  }
  bool poisoned = false;
  std::set<MessageId> tarpits;  // their hosts take the connection and say nothing
  unsigned running = 0, beside = 0;
  std::set<MessageId> delivered;

 private:
  event::Loop& loop_;
  spool::Spool& spool_;
  MessageId poison_;
};

struct ProbationWorld {
  ProbationWorld() { open(); }
  ~ProbationWorld() { close(); }
  void open() {
    driver = spool::make_loop_driver(loop, 1ms);
    spool::SpoolOptions options;
    options.segment_size = 1 << 20;
    options.floor = 0;
    options.floor_percent = 0;
    auto opened = spool::JournalSpool::open(disk, *driver, pool, options);
    REQUIRE(opened);
    journal = std::move(*opened);
    shard = std::make_unique<Shard>(loop, ShardSettings(), schedule);
    dispatcher = std::make_unique<Dispatcher>(std::vector<Shard*>{shard.get()}, RouteTable(), schedule);
    courier = std::make_unique<Fragile>(loop, *journal, poison);
    courier->tarpits = tarpits;
    shard->start(*courier);
  }
  void close() {
    admitting.reset();
    shard.reset();
    courier.reset();
    journal.reset();
    driver.reset();
    loop.settle();
  }
  MessageId accept(const std::string& to) {
    spool::NewMessage made;
    made.id = MessageId::make(loop.wall());
    made.envelope.reverse_path = "a@here.example";
    made.envelope.arrival = loop.wall();
    made.envelope.recipients.emplace_back(to);
    made.body = "Subject: x\r\n\r\n";
    const MessageId id = made.id;
    REQUIRE(event::run_until_done(loop, journal->store(loop, std::move(made))));
    return id;
  }
  // The process ends as it is; what is found at the next start goes through probation.
  std::vector<spool::StoredMessagePtr> start_again() {
    close();
    disk.crash(spool::SimDisk::Loss::all);
    open();
    auto found = journal->take_recovered();
    auto copy = found;
    probation = std::make_unique<Probation>(loop, *journal, *dispatcher);
    admitting = std::make_unique<event::TaskScope>(loop);
    probation->begin(std::move(copy));
    admitting->spawn(probation->run());
    return found;
  }
  std::string state_of(const MessageId& id) const {
    const auto entries = shard->list(Filter(id), 1).entries;
    return entries.empty() ? "" : entries[0].state;
  }

  event::SimLoop loop;
  spool::SimDisk disk{1};
  event::InlinePool pool;
  MessageId poison;
  std::set<MessageId> tarpits;
  Schedule schedule{ScheduleSettings()};
  std::unique_ptr<spool::Driver> driver;
  std::unique_ptr<spool::JournalSpool> journal;
  std::unique_ptr<Dispatcher> dispatcher;
  std::unique_ptr<Fragile> courier;
  std::unique_ptr<Shard> shard;
  std::unique_ptr<Probation> probation;
  std::unique_ptr<event::TaskScope> admitting;
};

}  // namespace

TEST_CASE(
    "D-12 T-43: what stops the relay is tried beside others, then alone, then held, and nothing else is") {
  ProbationWorld world;
  world.poison = world.accept("poison@b.example");
  std::vector<MessageId> innocent;
  for (int i = 0; i < 5; ++i) innocent.push_back(world.accept("u" + std::to_string(i) + "@c.example"));

  // Attempt 1 is implied by the message; the process ended during it. All of them were in it.
  for (int start = 1; start <= 2; ++start) {
    CAPTURE(start);
    const auto found = world.start_again();
    CHECK(found.size() == (start == 1 ? 6 : 1));
    world.loop.advance(10s);
    CHECK(world.courier->poisoned);
    CHECK(world.courier->delivered.size() == (start == 1 ? 5 : 0));
  }
  for (int i = 5; i < 10; ++i) innocent.push_back(world.accept("u" + std::to_string(i) + "@c.example"));

  // Three in a row: suspect. Tried all the same, and the others go on beside it.
  auto found = world.start_again();
  REQUIRE(found.size() == 6);
  CHECK(interruptions(*found[0]) == 3);
  world.loop.advance(10s);
  CHECK(world.courier->poisoned);
  CHECK(world.courier->delivered.size() == 5);
  for (int i = 10; i < 15; ++i) innocent.push_back(world.accept("u" + std::to_string(i) + "@c.example"));

  // The fifth attempt, alone: the others wait, what is accepted meanwhile included.
  found = world.start_again();
  REQUIRE(found.size() == 6);
  CHECK(interruptions(*found[0]) == 4);
  world.loop.advance(1s);
  CHECK(world.courier->poisoned);
  CHECK(world.courier->beside == 1);
  CHECK(world.courier->delivered.empty());

  // It did so again: held, and all others go.
  found = world.start_again();
  world.loop.advance(10s);
  CHECK_FALSE(world.courier->poisoned);
  CHECK(world.courier->delivered.size() == 5);
  CHECK(world.state_of(world.poison) == "held");

  // That is durable, and nothing tries it any more.
  found = world.start_again();
  world.loop.advance(24h);
  REQUIRE(found.size() == 1);
  CHECK(found[0]->held);
  CHECK(found[0]->hold_reason.find("alone") != std::string::npos);
  CHECK_FALSE(world.courier->poisoned);

  // A person may let it go again.
  CHECK(event::run_until_done(world.loop, world.journal->hold(world.loop, world.poison, false, "")));
}

TEST_CASE(
    "D-12: mail in tarpits when the host loses power is never held, and never in the way of other mail") {
  ProbationWorld world;
  for (int i = 0; i < 40; ++i)
    world.tarpits.insert(world.accept("u" + std::to_string(i) + "@tarpit.example"));
  for (int start = 1; start <= 12; ++start) {
    CAPTURE(start);
    const auto found = world.start_again();
    for (const auto& message : found) CHECK_FALSE(message->held);
    const MessageId fresh = world.accept("u@c.example");
    auto stored = std::make_shared<spool::StoredMessage>();
    stored->id = fresh;
    stored->envelope.recipients.emplace_back("u@c.example");
    stored->progress.resize(1);
    world.dispatcher->accepted(stored);
    world.loop.advance(35s);  // the time in which grave suspects have the relay for themselves
    CHECK(world.courier->delivered.contains(fresh));
    if (start % 3 == 0) world.loop.advance(10min);
  }
}

TEST_CASE(
    "D-12 D-28: what a drain cut short is not counted, even when the process is killed before its end") {
  ProbationWorld world;
  const MessageId id = world.accept("u@c.example");
  for (int start = 0; start < 5; ++start) {
    CAPTURE(start);
    world.journal->drain();
    world.loop.advance(10ms);
    const MessageId late = world.accept("late@c.example");  // its client was in the middle of it
    const auto found = world.start_again();
    for (const auto& message : found) CHECK(interruptions(*message) == 0);
    CHECK(std::any_of(found.begin(), found.end(), [&](const auto& one) { return one->id == late; }));
    if (start == 0) CHECK(found[0]->id == id);
    CHECK_FALSE(world.courier->poisoned);
  }
}

TEST_CASE("an operator's hold of what is tried alone outlives the trial and the next start") {
  ProbationWorld world;
  const MessageId id = world.accept("u@tarpit.example");
  world.tarpits.insert(id);
  for (int start = 1; start <= 3; ++start) {
    static_cast<void>(world.start_again());
    world.loop.advance(10s);
  }
  const auto grave = world.start_again();
  REQUIRE(interruptions(*grave.at(0)) == 4);
  world.loop.advance(1s);
  world.shard->hold({id}, "held: ask Anna first");  // as QueueWork does: in memory, then on record
  CHECK(event::run_until_done(world.loop, world.journal->hold(world.loop, id, true, "ask Anna first")));
  world.loop.advance(2min);
  const auto found = world.start_again();
  REQUIRE(found.size() == 1);
  CHECK(found[0]->held);
  CHECK(found[0]->hold_reason == "ask Anna first");
}

TEST_CASE("D-12: an attempt that ends, and an orderly stop, clear the suspicion") {
  ProbationWorld world;
  const MessageId id = world.accept("u@c.example");
  for (int start = 0; start < 2; ++start) static_cast<void>(world.start_again());
  world.journal->close();
  const auto found = world.start_again();
  REQUIRE(found.size() == 1);
  CHECK(found[0]->id == id);
  CHECK(interruptions(*found[0]) == 0);
  world.loop.advance(10s);
  CHECK(world.courier->delivered.contains(id));
}
