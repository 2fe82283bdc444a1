// SPDX-License-Identifier: Apache-2.0
//
// What the settler makes of each fate, against a real journal on a simulated disk.
#include "delivery/settle.hpp"

#include <doctest.h>

#include <deque>

#include "base/shared_clock.hpp"
#include "delivery/gateway.hpp"
#include "delivery_world.hpp"

using namespace sealpost;
using namespace sealpost::delivery;
using namespace std::chrono_literals;

namespace {

// Gives every job the next planned end.
class Script final : public queue::Courier {
 public:
  explicit Script(Settler& settler) : settler_(settler) { settings_.hostname = "relay.test"; }
  event::Task<void> serve(queue::Lane& lane) override {
    for (queue::JobPtr job = lane.take(); job; job = lane.take()) {
      REQUIRE_FALSE(ends.empty());
      AttemptEnd end = ends.front();
      if (ends.size() > 1) ends.pop_front();
      ++attempts;
      settler_.settle(lane, std::move(job), std::move(end), settings_);
      co_await settler_.room();
    }
  }
  std::deque<AttemptEnd> ends;
  std::size_t attempts = 0;

 private:
  Settler& settler_;
  Settings settings_;
};

struct World : DeliveryWorld {
  World() { begin(); }
  ~World() { shard.reset(); }  // its tasks wait for what is ours

  void begin() {
    settler = std::make_unique<Settler>(*context, schedule);
    script = std::make_unique<Script>(*settler);
    shard->start(*script);
  }
  using DeliveryWorld::accept;
  MessageId accept(std::string from, std::vector<std::string> to, MessageClass kind = MessageClass::normal) {
    spool::NewMessage made = message(std::move(from), std::move(to));
    made.envelope.message_class = kind;
    return accept(std::move(made));
  }
  // The process dies now; the disk keeps what was synced.
  std::vector<spool::StoredMessagePtr> crash() {
    shard.reset();
    script.reset();
    settler.reset();
    auto recovered = reopen();
    begin();
    return recovered;
  }

  std::unique_ptr<Settler> settler;
  std::unique_ptr<Script> script;
};

RecipientFate fate_of(std::uint32_t recipient, Fate fate, std::string status, std::string words,
                      bool remote = true) {
  RecipientFate result;
  result.recipient = recipient;
  result.fate = fate;
  result.status = std::move(status);
  result.diagnostic = std::move(words);
  result.remote = remote;
  return result;
}

AttemptEnd end_with(RecipientFate fate) {
  AttemptEnd end;
  end.remote_mta = "mx.b.example";
  end.fates.push_back(std::move(fate));
  return end;
}

}  // namespace

TEST_CASE("D-16 delivered mail is gone from queue and journal") {
  World world;
  world.script->ends.push_back(end_with(fate_of(0, Fate::delivered, "2.0.0", "250 ok")));
  world.accept("a@here.example", {"u@b.example"});
  world.loop.advance(10s);
  CHECK(world.queued().empty());
  CHECK(world.crash().empty());
}

TEST_CASE("D-17 a refusal is recorded with its notification, which is queued to the sender") {
  World world;
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
  World world;
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
  World world;
  world.script->ends.push_back(end_with(fate_of(0, Fate::failed, "5.1.1", "550 5.1.1 no such user")));
  world.accept("", {"u@b.example"});
  world.loop.advance(10s);
  CHECK(world.queued().empty());
}

TEST_CASE("T-16 what is deferred is tried until its lifetime ends, told once on the way, then returned") {
  World world;
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
  World world;
  AttemptEnd end = end_with(fate_of(0, Fate::deferred, "4.7.5", "not valid", false));
  end.expiry_blocked = true;
  world.script->ends.push_back(end);
  world.accept("a@here.example", {"u@b.example"});
  world.loop.advance(4h);
  CHECK(world.totals.bounced == 0);
}

TEST_CASE("a partner rule bounces after its grace, not before, and names itself") {
  World world;
  AttemptEnd end =
      end_with(fate_of(0, Fate::deferred, "4.7.4", "TLS required, not offered by mx.b.example", false));
  end.policy_refused = end.partner_refused = true;
  end.partner.emplace();
  end.partner->name = "Noord";
  end.partner->on_failure = PartnerRule::OnFailure::bounce;
  end.partner->grace = 15min;
  world.script->ends.push_back(end);
  world.accept("a@here.example", {"u@b.example"});
  world.loop.advance(14min);
  CHECK(world.totals.bounced == 0);
  world.loop.advance(3min);
  CHECK(world.totals.bounced == 1);
  CHECK(world.totals.dsns == 1);
}

TEST_CASE("a partner rule that says defer waits as long as the lifetime lasts") {
  World world;
  AttemptEnd end = end_with(fate_of(0, Fate::deferred, "4.7.4", "TLS required", false));
  end.policy_refused = end.partner_refused = true;
  end.partner.emplace();
  end.partner->on_failure = PartnerRule::OnFailure::defer;
  end.partner->grace = 1min;
  world.script->ends.push_back(end);
  world.accept("a@here.example", {"u@b.example"});
  world.loop.advance(1h);
  CHECK(world.totals.bounced == 0);
}

namespace {

AttemptEnd refused_by_rule_with_gateway() {
  AttemptEnd end = end_with(fate_of(0, Fate::deferred, "4.7.4", "TLS required", false));
  end.policy_refused = end.partner_refused = true;
  end.partner.emplace();
  end.partner->name = "Noord";
  end.partner->on_failure = PartnerRule::OnFailure::reroute;
  end.partner->reroute = "gw.example:2525";
  end.partner->grace = 15min;
  return end;
}

}  // namespace

TEST_CASE(
    "a partner rule that says reroute hands mail to its gateway after the grace, in a lane that names the "
    "rule") {
  World world;
  world.script->ends.push_back(refused_by_rule_with_gateway());
  world.accept("a@here.example", {"u@b.example"});
  world.loop.advance(14min);
  REQUIRE(world.queued().size() == 1);
  CHECK(world.queued()[0].next_hop == "b.example");
  world.script->ends.assign(1, refused_by_rule_with_gateway());
  world.script->ends.push_back(end_with(fate_of(0, Fate::deferred, "4.4.1", "the gateway is away", false)));
  world.loop.advance(2min);
  REQUIRE(world.queued().size() == 1);
  CHECK(world.queued()[0].next_hop == "[gw.example]:2525");
  CHECK(world.queued()[0].recipient_domain == "b.example");
  CHECK(world.totals.rerouted == 1);
  CHECK(world.totals.bounced == 0);

  // Nobody sends it there any more.
  AttemptEnd leave = end_with(fate_of(0, Fate::deferred, "4.7.0", "no longer", false));
  leave.leave_gateway = true;
  world.script->ends.assign(1, leave);
  world.script->ends.push_back(end_with(fate_of(0, Fate::delivered, "2.0.0", "250 ok")));
  const auto attempts = world.script->attempts;
  world.loop.advance(15min);
  CHECK(world.script->attempts == attempts + 2);
  CHECK(world.queued().empty());
}

TEST_CASE("what is on its way to a gateway is still there after a crash, and a delivery there is final") {
  World world;
  AttemptEnd at_once = refused_by_rule_with_gateway();
  at_once.partner->grace = 0s;
  world.script->ends.push_back(at_once);
  world.script->ends.push_back(end_with(fate_of(0, Fate::deferred, "4.4.1", "the gateway is away", false)));
  world.accept("a@here.example", {"u@b.example"});
  world.loop.advance(10s);
  CHECK(world.totals.rerouted == 1);
  auto recovered = world.crash();
  REQUIRE(recovered.size() == 1);
  CHECK(recovered[0]->progress[0].state == spool::RecipientState::pending);
  world.script->ends.push_back(at_once);
  world.script->ends.push_back(end_with(fate_of(0, Fate::delivered, "2.0.0", "250 ok")));
  world.dispatcher->recovered(recovered);
  world.loop.advance(1h);
  CHECK(world.queued().empty());
  CHECK(world.crash().empty());
}

TEST_CASE(
    "a gateway must show a certificate that names it, unless a rule of its own asks for something better") {
  PartnerRule rule;
  rule.name = "Noord";
  rule.on_failure = PartnerRule::OnFailure::reroute;
  rule.reroute = "Gateway.example:25";
  rule.level = PartnerLevel::pin;
  const SystemTime now{};
  const auto requirement = [&](PartnerLevel level, bool audit) {
    PartnerRule own;
    own.name = "Gateway";
    own.domains = {"gateway.example"};
    own.level = level;
    own.audit = audit;
    return gateway_requirement(rule, {rule, own}, now);
  };
  for (const PartnerLevel weak : {PartnerLevel::none, PartnerLevel::opportunistic}) {
    const PartnerRule asked = requirement(weak, false);
    CHECK(asked.level == PartnerLevel::verify);
    CHECK(asked.literal_names == std::vector<std::string>{"gateway.example"});
  }
  CHECK(requirement(PartnerLevel::dane, true).level == PartnerLevel::verify);
  CHECK(requirement(PartnerLevel::encrypt, false).name == "Gateway");
  CHECK(requirement(PartnerLevel::dane, false).level == PartnerLevel::dane);
  CHECK(requirement(PartnerLevel::dane, false).on_failure == PartnerRule::OnFailure::defer);
  CHECK(describe_gateway(rule, {rule}, now) ==
        "Gateway.example:25, encrypted and verified as gateway.example");

  queue::LaneKey direct;
  direct.recipient_domain = direct.next_hop = "b.example";
  const queue::LaneKey lane = gateway_lane(direct, rule);
  CHECK(rule_behind(lane, {rule}, now) != nullptr);
  PartnerRule elsewhere = rule;
  elsewhere.reroute = "other.example:25";
  CHECK(rule_behind(lane, {elsewhere}, now) == nullptr);
  elsewhere = rule;
  elsewhere.audit = true;
  CHECK(rule_behind(lane, {elsewhere}, now) == nullptr);
  CHECK(rule_behind(lane, {}, now) == nullptr);
}

TEST_CASE("D-15 after a lost final reply at least 15 minutes pass, also when the policy is another by then") {
  for (const bool soon : {false, true}) {
    World world;
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
  World world;
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
  World world;
  AttemptEnd mixed = end_with(fate_of(0, Fate::delivered, "2.0.0", "250 ok"));
  mixed.fates.push_back(fate_of(1, Fate::deferred, "4.2.2", "452 full"));
  mixed.fates.push_back(fate_of(2, Fate::failed, "5.1.1", "550 no"));
  world.script->ends.push_back(mixed);
  world.script->ends.push_back(end_with(fate_of(0, Fate::deferred, "4.4.1", "later", false)));
  const MessageId id = world.accept("a@here.example", {"x@b.example", "y@b.example", "z@b.example"});
  world.loop.advance(10s);
  std::vector<queue::QueueEntry> left;
  world.shard->find(id, left);
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
  World world;
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
    World world;
    SharedClock clock(SystemTime{} + 40 * 365 * 24h, std::nullopt, world.loop.wall(), world.loop.now());
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
  World world;
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

TEST_CASE("a partner's grace counts from the first refusal, across restarts (T-16)") {
  World world;
  AttemptEnd end = end_with(fate_of(0, Fate::deferred, "4.7.4", "TLS required, not offered", false));
  end.policy_refused = end.partner_refused = true;
  end.partner.emplace();
  end.partner->name = "Noord";
  end.partner->on_failure = PartnerRule::OnFailure::bounce;
  end.partner->grace = 15min;
  world.script->ends.push_back(end);
  world.accept("a@here.example", {"u@b.example"});
  for (int restart = 0; restart < 3; ++restart) {
    world.loop.advance(4min);
    CHECK(world.totals.bounced == 0);
    const auto recovered = world.crash();
    REQUIRE(recovered.size() == 1);
    world.script->ends.push_back(end);
    world.dispatcher->recovered(recovered);
  }
  world.loop.advance(2min);
  CHECK(world.totals.bounced == 0);
  world.loop.advance(2min);
  CHECK(world.totals.bounced == 1);
}

TEST_CASE("a refusal that was interrupted by something else begins a partner's grace anew, restart or not") {
  World world;
  AttemptEnd end = end_with(fate_of(0, Fate::deferred, "4.7.4", "TLS required, not offered", false));
  end.policy_refused = end.partner_refused = true;
  end.partner.emplace();
  end.partner->on_failure = PartnerRule::OnFailure::bounce;
  end.partner->grace = 6min;
  world.script->ends.push_back(end);
  world.script->ends.push_back(end_with(fate_of(0, Fate::deferred, "4.4.1", "connection refused", false)));
  world.accept("a@here.example", {"u@b.example"});
  world.loop.advance(8min);
  CHECK(world.script->attempts == 2);
  const auto recovered = world.crash();
  world.script->ends.push_back(end);
  world.dispatcher->recovered(recovered);
  world.loop.advance(12min);
  CHECK(world.script->attempts >= 1);
  CHECK(world.totals.bounced == 0);
}

TEST_CASE("N7 RET=FULL returns the whole of a short message, and its headers otherwise") {
  for (const bool asked : {true, false})
    for (const bool is_long : {true, false}) {
      CAPTURE(asked);
      CAPTURE(is_long);
      World world;
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
    World world;
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
  World world;
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
