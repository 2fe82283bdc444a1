// SPDX-License-Identifier: Apache-2.0
//
// How often senders are told, against a real journal on a simulated disk: gathered, capped, never lost.
#include <doctest.h>

#include <map>

#include "delivery/held_notices.hpp"
#include "delivery/settle.hpp"
#include "delivery_world.hpp"
#include "queue/filter.hpp"

using namespace sealpost;
using namespace sealpost::delivery;
using namespace std::chrono_literals;

namespace {

// Ends every attempt the same way; mail to here.example, the senders' domain, fails for good when `unreachable`.
class Ends final : public queue::Courier {
 public:
  explicit Ends(Settler& settler) : settler_(settler) {
    settings_.hostname = "relay.test";
    settings_.schedule = queue::Schedule(short_schedule());
  }
  event::Task<void> serve(queue::Lane& lane) override {
    if (!lane.key().returns_to.empty()) {
      co_await settler_.serve_notices(lane, "relay.test", "postmaster@relay.test");
      co_return;
    }
    for (queue::JobPtr job = lane.take(); job; job = lane.take()) {
      ++attempts;
      AttemptEnd end;
      for (const std::uint32_t recipient : job->recipients) {
        RecipientFate fate;
        fate.recipient = recipient;
        const bool notice = job->message->envelope.message_class == MessageClass::dsn;
        fate.fate = notice ? (unreachable ? Fate::failed : Fate::delivered) : others;
        fate.status = fate.fate == Fate::failed ? "5.7.1" : fate.fate == Fate::deferred ? "4.4.1" : "2.0.0";
        fate.diagnostic = "said so";
        fate.remote = true;
        end.fates.push_back(fate);
      }
      if (job->message->envelope.message_class == MessageClass::dsn) ++notices[job->message->id];
      settler_.settle(lane, std::move(job), std::move(end), settings_);
      co_await settler_.room();
    }
  }
  void end(queue::Lane& lane, queue::JobPtr job, const queue::LastWord& word,
           std::shared_ptr<void> recorded) override {
    settler_.settle_by_operator(lane, std::move(job), word, std::move(recorded), settings_);
  }
  Fate others = Fate::failed;
  bool unreachable = false;
  std::size_t attempts = 0;
  std::map<MessageId, int> notices;  // attempts of each

 private:
  Settler& settler_;
  Settings settings_;
};

struct NoticesWorld : DeliveryWorld {
  explicit NoticesWorld(NoticeSettings settings = {}) {
    notices = std::make_unique<NoticeBudget>(settings);
    context->notices = notices.get();
    begin();
  }
  ~NoticesWorld() { shard.reset(); }
  void begin() {
    settler = std::make_unique<Settler>(*context);
    ends = std::make_unique<Ends>(*settler);
    shard->start(*ends);
  }
  std::vector<spool::StoredMessagePtr> crash() {
    shard.reset();
    ends.reset();
    settler.reset();
    auto recovered = reopen();
    context->notices = notices.get();
    begin();
    return recovered;
  }
  void to_many(std::size_t domains, const std::string& from = "victim@here.example") {
    std::vector<std::string> to;
    for (std::size_t i = 0; i < domains; ++i) to.push_back("u@d" + std::to_string(i) + ".example");
    accept(message(from, std::move(to)));
  }
  std::unique_ptr<Settler> settler;
  std::unique_ptr<Ends> ends;
};

}  // namespace

TEST_CASE("T-37 D-17 one message that fails in 300 domains makes one notification, which names them all") {
  NoticesWorld world;
  world.to_many(300);
  world.loop.advance(5s);
  CHECK(world.totals.dsns == 0);
  CHECK(world.queued().size() == 300);  // to be seen, with what they wait for
  CHECK(world.queued().front().next_hop == "notification to victim@here.example");
  world.loop.advance(30s);
  CHECK(world.totals.dsns == 1);
  CHECK(world.ends->notices.size() == 1);
  CHECK(world.queued().empty());
  CHECK(world.notices->waiting() == 0);
  CHECK(world.notices->counters().gathered == 300);
  CHECK(world.crash().empty());
}

TEST_CASE("T-37 what fails later of the same message is told an hour after the first time, together") {
  NoticesWorld world;
  world.ends->others = Fate::deferred;
  world.to_many(3);
  world.loop.advance(1min);
  world.accept(
      world.message("victim@here.example", {"one@x.example"}));  // another message does not wait for it
  world.ends->others = Fate::failed;
  world.loop.advance(20min);
  CHECK(world.ends->notices.size() == 2);
  CHECK(world.queued().empty());

  world.ends->others = Fate::failed;
  spool::NewMessage made = world.message("victim@here.example", {"a@y.example", "b@z.example"});
  const MessageId id = made.id;
  world.notices->told(id, world.loop.now());
  world.accept(std::move(made));
  world.loop.advance(59min);
  CHECK(world.ends->notices.size() == 2);
  CHECK(world.queued().size() == 2);
  world.loop.advance(2min);
  CHECK(world.ends->notices.size() == 3);
  CHECK(world.queued().empty());
}

TEST_CASE("T-37 many messages with one forged sender: so many an hour, the others wait and all are told") {
  NoticeSettings settings;
  settings.per_sender = 5;
  NoticesWorld world(settings);
  for (int i = 0; i < 12; ++i) world.accept(world.message("Victim@here.example", {"u@d.example"}));
  world.loop.advance(50min);
  CHECK(world.ends->notices.size() == 5);
  CHECK(world.queued().size() == 7);
  world.loop.advance(1h);
  CHECK(world.ends->notices.size() == 10);
  world.loop.advance(1h);
  CHECK(world.ends->notices.size() == 12);
  CHECK(world.queued().empty());
  CHECK(world.ends->attempts == 24);  // nobody was tried again for it
}

TEST_CASE("T-37 the sum for the whole relay holds when every sender is another") {
  NoticeSettings settings;
  settings.in_all = 4;
  NoticesWorld world(settings);
  for (int i = 0; i < 6; ++i)
    world.accept(world.message("v" + std::to_string(i) + "@here.example", {"u@d.example"}));
  world.loop.advance(50min);
  CHECK(world.ends->notices.size() == 4);
  world.loop.advance(1h);
  CHECK(world.ends->notices.size() == 6);
}

TEST_CASE("T-37 D-17 a crash while failures are gathered loses none of them") {
  NoticesWorld world;
  world.to_many(20);
  world.loop.advance(5s);
  auto recovered = world.crash();
  REQUIRE(recovered.size() == 1);
  for (const auto& progress : recovered[0]->progress) {
    CHECK(progress.state == spool::RecipientState::pending);
    CHECK(progress.interrupted == 0);  // the attempts had their end (D-12)
  }
  world.dispatcher->recovered(recovered);
  world.loop.advance(1h);
  CHECK(world.ends->notices.size() == 1);
  CHECK(world.queued().empty());
  CHECK(world.crash().empty());
}

TEST_CASE("T-37 delay notices are gathered, too, and the mail goes on meanwhile") {
  NoticesWorld world;
  world.ends->others = Fate::deferred;
  world.to_many(40);
  world.loop.advance(50min);
  CHECK(world.totals.dsns == 1);
  CHECK(world.queued().size() == 40);
  world.ends->others = Fate::delivered;
  world.loop.advance(30min);
  CHECK(world.queued().empty());
  CHECK(world.totals.dsns == 1);
}

namespace {

void asks_for_success(NoticesWorld& world, int messages, std::uint8_t recipients = 1) {
  for (int i = 0; i < messages; ++i) {
    std::vector<std::string> to;
    for (int r = 0; r < recipients; ++r) to.push_back("u@d" + std::to_string(r) + ".example");
    spool::NewMessage made = world.message("asks@here.example", std::move(to));
    for (Recipient& recipient : made.envelope.recipients) recipient.notify = notify_success;
    world.accept(std::move(made));
  }
}

}  // namespace

TEST_CASE("T-37 notices of success over the budget wait for their turn, and each of them comes") {
  NoticeSettings settings;
  settings.per_sender = 10;
  NoticesWorld world(settings);
  world.ends->others = Fate::delivered;
  asks_for_success(world, 12);
  world.loop.advance(50min);
  CHECK(world.ends->notices.size() == 5);  // half of the hour's: a failure would find the other half free
  CHECK(world.notices->counters().dropped == 0);
  CHECK(world.notices->successes_waiting() == 7);
  REQUIRE(world.queued().size() == 7);
  CHECK(world.queued().front().next_hop == "notification of success to asks@here.example");
  world.loop.advance(1h);
  CHECK(world.ends->notices.size() == 10);
  world.loop.advance(1h);
  CHECK(world.ends->notices.size() == 12);
  for (const auto& [id, attempts] : world.ends->notices) CHECK(attempts == 1);
  CHECK(world.notices->successes_waiting() == 0);
  CHECK(world.queued().empty());
  CHECK(world.crash().empty());
}

TEST_CASE("T-37 a failure does not wait behind notices of success") {
  NoticeSettings settings;
  settings.per_sender = 4;
  NoticesWorld world(settings);
  world.ends->others = Fate::delivered;
  asks_for_success(world, 9);
  world.loop.advance(10min);
  CHECK(world.ends->notices.size() == 2);
  world.ends->others = Fate::failed;
  for (int i = 0; i < 3; ++i) world.accept(world.message("asks@here.example", {"u@d.example"}));
  world.loop.advance(10min);
  CHECK(world.ends->notices.size() == 4);
  world.loop.advance(1h);
  CHECK(world.ends->notices.size() == 4 + 1 + 2);  // the third failure, two successes
}

TEST_CASE("T-37 D-12 D-17 a crash loses no notice of success that waits, and sends no heap of them") {
  NoticeSettings settings;
  settings.per_sender = 2;
  NoticesWorld world(settings);
  world.ends->others = Fate::delivered;
  asks_for_success(world, 6);
  world.loop.advance(1min);
  CHECK(world.ends->notices.size() == 1);
  auto recovered = world.crash();
  CHECK(recovered.size() == 5);
  for (const auto& message : recovered) {
    CHECK(message->envelope.message_class == MessageClass::dsn);
    CHECK(message->progress[0].interrupted == 0);
    CHECK(message->progress[0].next_attempt > world.loop.wall());
  }
  world.dispatcher->recovered(recovered);
  world.loop.advance(1s);
  CHECK(world.ends->notices.empty());
  world.loop.advance(2h);
  CHECK(world.ends->notices.size() == 5);
  CHECK(world.crash().empty());
}

TEST_CASE("T-36 undeliverable notifications are held for a time, and not more than so many") {
  NoticeSettings settings;
  settings.most_held = 3;
  settings.keep_held = std::chrono::days(2);
  NoticesWorld world(settings);
  HeldNotices held(world.loop, *world.journal, *world.dispatcher, *world.notices);
  world.ends->unreachable = true;
  for (int i = 0; i < 5; ++i) world.accept(world.message("forged@here.example", {"u@d.example"}));
  world.loop.advance(1min);
  CHECK(world.queued().size() == 3);
  CHECK(world.notices->counters().dropped == 2);
  event::TaskScope scope(world.loop);
  scope.spawn(held.run());
  world.loop.advance(47h);
  CHECK(world.queued().size() == 3);
  CHECK(world.notices->held() == 3);
  world.loop.advance(2h);
  CHECK(world.queued().empty());
  CHECK(world.notices->held() == 0);
  CHECK(world.notices->counters().expired == 3);
  scope.cancel();
  CHECK(world.crash().empty());
}

TEST_CASE(
    "D-16 D-17 an operator's last word is final on record when it is answered, however many notices there "
    "were") {
  for (const auto kind : {queue::LastWord::Kind::bounce, queue::LastWord::Kind::expire}) {
    NoticeSettings settings;
    settings.per_sender = 1;
    settings.in_all = 1;
    NoticesWorld world(settings);
    world.ends->others = Fate::deferred;
    world.to_many(3);
    for (int i = 0; i < 4; ++i) world.accept(world.message("victim@here.example", {"u@d.example"}));
    world.loop.advance(1min);
    REQUIRE(world.queued().size() == 7);
    const std::size_t tried = world.ends->attempts;
    queue::LastWord word;
    word.kind = kind;
    const queue::Ended ended =
        event::run_until_done(world.loop, world.shard->end(queue::Filter(), word, 100));
    CHECK(ended.recipients == 7);
    CHECK_FALSE(ended.more);
    world.ends->others = Fate::delivered;
    const auto recovered = world.crash();  // at this very moment
    CHECK(recovered.size() == 7);          // the notices: three for the lanes of one message, four
    for (const auto& message : recovered) CHECK(message->envelope.message_class == MessageClass::dsn);
    world.dispatcher->recovered(recovered);
    world.loop.advance(2h);
    CHECK(world.ends->attempts == recovered.size());
    CHECK(tried == 7);
    CHECK(world.queued().empty());
  }
}
