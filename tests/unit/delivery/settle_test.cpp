// SPDX-License-Identifier: Apache-2.0
//
// What the settler makes of each fate, against a real journal on a simulated disk.
#include "delivery/settle.hpp"

#include <doctest.h>

#include "base/shared_clock.hpp"
#include "queue/filter.hpp"
#include "settle_world.hpp"

using namespace sealpost;
using namespace sealpost::delivery;
using namespace std::chrono_literals;

namespace {}  // namespace

TEST_CASE("D-16 delivered mail is gone from queue and journal") {
  SettleWorld world;
  world.script->ends.push_back(end_with(fate_of(0, Fate::delivered, "2.0.0", "250 ok")));
  world.accept("a@here.example", {"u@b.example"});
  world.loop.advance(10s);
  CHECK(world.queued().empty());
  CHECK(world.crash().empty());
}

TEST_CASE("D-17 a refusal is recorded with its notification, which is queued to the sender") {
  SettleWorld world;
  world.script->ends.push_back(end_with(fate_of(0, Fate::failed, "5.1.1", "550 5.1.1 no such user")));
  AttemptEnd wait = end_with(fate_of(0, Fate::deferred, "4.4.1", "connect refused", false));
  world.script->ends.push_back(wait);
  world.accept("a@here.example", {"u@b.example"});
  world.loop.advance(10s);
  const auto entries = world.queued();
  REQUIRE(entries.size() == 1);
  CHECK(entries[0].sender.empty());
  CHECK(entries[0].recipient == "a@here.example");
  const auto recovered = world.crash();
  REQUIRE(recovered.size() == 1);
  CHECK(recovered[0]->envelope.message_class == MessageClass::dsn);
  CHECK(recovered[0]->envelope.reverse_path.empty());
}

TEST_CASE("T-36 a notification that cannot be delivered is held, and makes no other") {
  SettleWorld world;
  world.script->ends.push_back(end_with(fate_of(0, Fate::failed, "5.1.1", "550 5.1.1 no such user")));
  world.accept("", {"u@b.example"}, MessageClass::dsn);
  world.loop.advance(10s);
  auto entries = world.queued();
  REQUIRE(entries.size() == 1);
  CHECK(entries[0].state == "held");
  world.loop.advance(10h);
  CHECK(world.script->attempts == 1);
  const auto recovered = world.crash();
  REQUIRE(recovered.size() == 1);
  world.dispatcher->recovered(recovered);
  entries = world.queued();
  REQUIRE(entries.size() == 1);
  CHECK(entries[0].state == "held");
}

TEST_CASE("T-36 other mail from the null sender that fails makes no notification") {
  SettleWorld world;
  world.script->ends.push_back(end_with(fate_of(0, Fate::failed, "5.1.1", "550 5.1.1 no such user")));
  world.accept("", {"u@b.example"});
  world.loop.advance(10s);
  CHECK(world.queued().empty());
}

TEST_CASE("T-16 what is deferred is tried until its lifetime ends, told once on the way, then returned") {
  SettleWorld world;
  world.script->ends.push_back(
      end_with(fate_of(0, Fate::deferred, "4.7.5", "certificate of mx.b.example not valid: expired", false)));
  world.accept("a@here.example", {"u@b.example"});
  world.loop.advance(29min);
  CHECK(world.queued().size() == 1);
  CHECK(world.totals.dsns == 0);
  world.loop.advance(21min);
  CHECK(world.totals.dsns == 1);  // the delay notice
  world.loop.advance(60min);
  CHECK(world.totals.dsns == 1);
  CHECK(world.totals.bounced == 0);
  world.loop.advance(30min);
  CHECK(world.totals.bounced == 1);
  CHECK(world.totals.dsns == 2);
}

TEST_CASE("S38 a policy that changed just now gets one more attempt before the mail is returned") {
  SettleWorld world;
  AttemptEnd end = end_with(fate_of(0, Fate::deferred, "4.7.5", "not valid", false));
  end.expiry_blocked = true;
  world.script->ends.push_back(end);
  world.accept("a@here.example", {"u@b.example"});
  world.loop.advance(4h);
  CHECK(world.totals.bounced == 0);
}

TEST_CASE("D-15 after a lost final reply at least 15 minutes pass, also when the policy is another by then") {
  for (const bool soon : {false, true}) {
    SettleWorld world;
    AttemptEnd lost = end_with(fate_of(0, Fate::deferred, "4.4.2", "connection lost at final_dot", false));
    lost.ambiguous = true;
    lost.soon = soon;
    world.script->ends.push_back(lost);
    world.accept("a@here.example", {"u@b.example"});
    world.loop.advance(14min);
    CHECK(world.script->attempts == 1);
    world.loop.advance(2min);
    CHECK(world.script->attempts == 2);
  }
}

TEST_CASE("DSN-02 N4 success is told only where the next hop cannot, and only to those who asked") {
  SettleWorld world;
  AttemptEnd delivered = end_with(fate_of(0, Fate::delivered, "2.0.0", "250 ok"));
  delivered.fates.push_back(fate_of(1, Fate::delivered, "2.0.0", "250 ok"));
  world.script->ends.push_back(delivered);
  world.script->ends.push_back(end_with(fate_of(0, Fate::deferred, "4.4.1", "later", false)));
  spool::NewMessage message;
  message.id = MessageId::make(world.loop.wall());
  message.envelope.reverse_path = "a@here.example";
  message.envelope.arrival = world.loop.wall();
  for (const std::uint8_t notify : {std::uint8_t{notify_success}, std::uint8_t{0}}) {
    message.envelope.recipients.emplace_back("u" + std::to_string(notify) + "@b.example");
    message.envelope.recipients.back().notify = notify;
  }
  message.body = "Subject: x\r\n\r\nbody\r\n";
  auto stored = event::run_until_done(world.loop, world.journal->store(world.loop, std::move(message)));
  REQUIRE(stored);
  world.dispatcher->accepted(*stored);
  world.loop.advance(10s);
  CHECK(world.totals.dsns == 1);
  const auto recovered = world.crash();
  REQUIRE(recovered.size() == 1);
  auto reader = world.journal->open(world.loop, recovered[0]);
  const auto text = event::run_until_done(world.loop, reader->next());
  REQUIRE(text);
  CHECK(text->find("Action: relayed") != text->npos);
  CHECK(text->find("u2@b.example") != text->npos);
  CHECK(text->find("u0@b.example") == text->npos);
}

TEST_CASE("one recipient's outcome is its own") {
  SettleWorld world;
  AttemptEnd mixed = end_with(fate_of(0, Fate::delivered, "2.0.0", "250 ok"));
  mixed.fates.push_back(fate_of(1, Fate::deferred, "4.2.2", "452 full"));
  mixed.fates.push_back(fate_of(2, Fate::failed, "5.1.1", "550 no"));
  world.script->ends.push_back(mixed);
  world.script->ends.push_back(end_with(fate_of(0, Fate::deferred, "4.4.1", "later", false)));
  const MessageId id = world.accept("a@here.example", {"x@b.example", "y@b.example", "z@b.example"});
  world.loop.advance(10s);
  const auto left = world.shard->list(queue::Filter(id), 10).entries;
  REQUIRE(left.size() == 1);
  CHECK(left[0].recipient == "y@b.example");
  for (const auto& message : world.crash()) {
    if (message->id != id) continue;
    CHECK(message->progress[0].state == spool::RecipientState::delivered);
    CHECK(message->progress[1].state == spool::RecipientState::pending);
    CHECK(message->progress[2].state == spool::RecipientState::failed);
  }
}

TEST_CASE("D-13 an outcome the journal cannot take is kept until it can, and nothing is sent again") {
  SettleWorld world;
  world.script->ends.push_back(end_with(fate_of(0, Fate::delivered, "2.0.0", "250 ok")));
  spool::NewMessage message;
  world.loop.settle();
  const MessageId id = world.accept("a@here.example", {"u@b.example"});
  static_cast<void>(id);
  world.disk.break_syncs(true);
  world.loop.advance(1min);
  CHECK(world.script->attempts == 1);
  world.disk.break_syncs(false);
  world.loop.advance(2h);
  CHECK(world.script->attempts == 1);
}

TEST_CASE("T-50, D-19 while the clock is in doubt nothing comes back for lack of time") {
  struct Row {
    Duration step;
    bool by_partner;  // its grace would be over, else the lifetime
  };
  constexpr Duration ahead = 10 * 365 * 24h, back = -60 * 365 * 24h;
  for (const Row row : {Row{ahead, false}, Row{back, false}, Row{ahead, true}, Row{back, true}}) {
    SettleWorld world;
    SharedClock clock(world.loop.wall() - 24h, std::nullopt, world.loop.wall(), world.loop.now());
    world.loop.ask_clock(&clock);
    AttemptEnd end = end_with(fate_of(0, Fate::deferred, "4.7.4", "TLS required, not offered", false));
    if (row.by_partner) {
      end.policy_refused = end.partner_refused = true;
      end.partner.emplace();
      end.partner->on_failure = PartnerRule::OnFailure::bounce;
      end.partner->grace = 15min;
    }
    world.script->ends.push_back(end);
    world.accept("", {"u@b.example"});  // nobody to notify
    world.loop.advance(1min);
    world.loop.shift_wall(row.step);
    world.loop.advance(24h);
    CHECK(world.totals.bounced == 0);
    CHECK(world.script->attempts > 100);  // on schedule
    CHECK(world.script->attempts < 24 * 60);
    world.loop.shift_wall(-row.step);
    world.loop.advance(15min);
    CHECK(world.totals.bounced == 1);  // its time is really over
    world.loop.ask_clock(nullptr);
  }
}

TEST_CASE("T-50, D-19 the age of mail is time that has passed, whatever the clock did at a start") {
  SettleWorld world;
  const SystemTime begun = world.loop.wall();
  world.script->ends.push_back(end_with(fate_of(0, Fate::deferred, "4.4.1", "connect refused", false)));
  spool::NewMessage made = world.message("", {"u@b.example"});
  made.envelope.arrival = begun + 10 * 365 * 24h;  // accepted by a release that believed any clock
  world.accept(std::move(made));
  world.loop.advance(1h);
  const auto recovered = world.crash();
  world.script->ends.push_back(end_with(fate_of(0, Fate::deferred, "4.4.1", "connect refused", false)));
  world.dispatcher->recovered(recovered);
  world.loop.advance(119min);
  CHECK(world.totals.bounced == 0);
  world.loop.advance(15min);
  CHECK(world.totals.bounced == 1);
}

TEST_CASE("N7 RET=FULL returns the whole of a short message, and its headers otherwise") {
  for (const bool asked : {true, false})
    for (const bool is_long : {true, false}) {
      CAPTURE(asked);
      CAPTURE(is_long);
      SettleWorld world;
      world.script->ends.push_back(end_with(fate_of(0, Fate::failed, "5.1.1", "550 5.1.1 no such user")));
      world.script->ends.push_back(end_with(fate_of(0, Fate::deferred, "4.4.1", "later", false)));
      spool::NewMessage made = world.message("a@here.example", {"u@b.example"});
      if (asked) made.envelope.ret = 1;
      if (is_long)
        while (made.body.size() < 60'000) made.body += "more of it\r\n";
      world.accept(std::move(made));
      world.loop.advance(10s);
      const auto recovered = world.crash();
      REQUIRE(recovered.size() == 1);
      const std::string text = world.body(recovered[0]);
      CHECK(text.find("Subject: x") != std::string::npos);
      CHECK((text.find("\r\nbody\r\n") != std::string::npos) == (asked && !is_long));
      CHECK(text.size() <= 64 * 1024);
    }
}

TEST_CASE(
    "a notification quotes its message although the disk fails for a moment, and goes out when it stays so") {
  for (const int failures : {1, 1000}) {
    CAPTURE(failures);
    SettleWorld world;
    world.script->ends.push_back(end_with(fate_of(0, Fate::deferred, "4.4.1", "later", false)));
    world.script->ends.push_back(end_with(fate_of(0, Fate::failed, "5.1.1", "550 5.1.1 no such user")));
    world.script->ends.push_back(end_with(fate_of(0, Fate::deferred, "4.4.1", "later", false)));
    const MessageId id = world.accept("a@here.example", {"u@b.example"});
    world.loop.advance(1min);  // deferred: the body lies on the disk alone
    world.disk.unreadable(failures);
    world.loop.advance(6min);
    world.disk.unreadable(0);
    const auto recovered = world.crash();
    REQUIRE(recovered.size() == 1);
    CHECK(recovered[0]->id != id);
    const std::string text = world.body(recovered[0]);
    CHECK(text.find("no such user") != std::string::npos);
    CHECK((text.find("Subject: x") != std::string::npos) == (failures == 1));
  }
}

TEST_CASE("T-37 a thousand bad recipients of one domain make one notification, without the body") {
  SettleWorld world;
  AttemptEnd end;
  end.remote_mta = "mx.b.example";
  std::vector<std::string> recipients;
  for (std::uint32_t i = 0; i < 1000; ++i) {
    recipients.push_back("nobody" + std::to_string(i) + "@b.example");
    end.fates.push_back(fate_of(i, Fate::failed, "5.1.1", "550 5.1.1 no such user " + std::string(300, 'y')));
  }
  world.script->ends.push_back(end);
  world.script->ends.push_back(end_with(fate_of(0, Fate::deferred, "4.4.1", "later", false)));
  spool::NewMessage made = world.message("a@here.example", recipients);
  made.envelope.ret = 1;
  made.body += std::string(900, 'z') + "\r\nthe last line\r\n";
  world.accept(std::move(made));
  world.loop.advance(10s);
  CHECK(world.totals.dsns == 1);
  const auto recovered = world.crash();
  REQUIRE(recovered.size() == 1);
  CHECK(recovered[0]->size < 160 * 1024);
  CHECK(recovered[0]->envelope.recipients.size() == 1);
  const std::string text = world.body(recovered[0]);
  CHECK(text.find("nobody999@b.example") != std::string::npos);
  CHECK(text.find("the last line") == std::string::npos);
}

TEST_CASE("T-16 mail that is put on hold while it fails for good is held before its gateway") {
  SettleWorld world;
  AttemptEnd end = end_with(fate_of(0, Fate::deferred, "4.7.4", "TLS required, not offered", false));
  end.policy_refused = end.partner_refused = true;
  end.partner.emplace();
  end.partner->name = "Noord";
  end.partner->on_failure = PartnerRule::OnFailure::reroute;
  end.partner->reroute = "gw.example:25";
  end.partner->grace = 0s;
  world.script->ends.push_back(end);
  const MessageId id = world.accept("a@here.example", {"u@b.example"});
  world.loop.settle();  // the attempt has its end, which is not on record yet
  REQUIRE(world.script->attempts == 1);
  REQUIRE(world.shard->attempting(id));
  world.shard->hold({id}, "held: by the operator");
  world.loop.advance(1h);
  const auto entries = world.queued();
  REQUIRE(entries.size() == 1);
  CHECK(entries[0].next_hop == "[gw.example]:25");
  CHECK(entries[0].state == "held");
  CHECK(world.script->attempts == 1);
}
