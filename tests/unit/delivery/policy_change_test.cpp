// SPDX-License-Identifier: Apache-2.0
//
// A policy that changes under an attempt: the decision that counts is the one that is right when MAIL is said (T-15).
#include "delivery/courier.hpp"

#include "../smtp/scripted_peer.hpp"
#include "courier_world.hpp"

using namespace sealpost;
using namespace sealpost::delivery;
using namespace sealpost::test;
using namespace std::chrono_literals;

namespace {

// Says what the test says, and counts its changes.
class ChangingSts final : public sts::StsService {
 public:
  StsState state;
  std::uint64_t changes = 1;
  std::size_t rechecks = 0;
  std::optional<StsState> after_recheck;
  void change(StsMode mode, std::string id, std::string mx) {
    state.kind = StsState::Kind::policy;
    state.id = std::move(id);
    state.policy.emplace();
    state.policy->mode = mode;
    state.policy->mx = {std::move(mx)};
    ++changes;
  }
  event::Task<StsState> state_for(event::Loop&, std::string, Duration) override { co_return state; }
  event::Task<StsState> recheck(event::Loop&, std::string) override {
    ++rechecks;
    if (after_recheck) {
      state = *std::exchange(after_recheck, std::nullopt);
      ++changes;
    }
    co_return state;
  }
  event::Task<StsState> refresh(event::Loop&, std::string) override { co_return state; }
  event::Task<std::vector<Entry>> entries(event::Loop&, std::string) override {
    co_return std::vector<Entry>();
  }
  std::uint64_t version() const noexcept override { return changes; }
};

struct ChangingWorld : CourierWorld {
  ChangingWorld() {
    context.reset(new Context{loop, resolver, changing, tls, connector, *journal, recorder, *dispatcher,
                              hosts, guard, totals, [] { return 512U; }});
    resolver.mx("b.example", {{10, "mx.b.example"}});
    resolver.address("mx.b.example", {"198.51.100.1"});
    deliver();
    network.listen(Endpoint(*IpAddress::parse("198.51.100.1"), 25),
                   [this](std::unique_ptr<event::Stream> stream) {
                     sessions.push_back(std::make_unique<ScriptedPeer>());
                     sessions.back()->always("EHLO", "250 mx.b.example\r\n");
                     if (greeting) sessions.back()->always("", *greeting);
                     scope.spawn(sessions.back()->run(std::move(stream)));
                   });
  }
  ~ChangingWorld() { shard.reset(); }
  std::size_t mails() const {
    std::size_t count = 0;
    for (const auto& session : sessions) count += session->count("MAIL");
    return count;
  }
  void send() { accept(message("a@here.example", {"u@b.example"})); }

  ChangingSts changing;
  std::optional<Say> greeting;
  std::vector<std::unique_ptr<ScriptedPeer>> sessions;
  event::TaskScope scope{loop};
};

// A host without TLS, whose greeting takes a while, during which its domain begins to enforce.
void change_while_it_greets(ChangingWorld& world) {
  Say slow("220 mx.b.example\r\n");
  slow.each_octet = 100ms;
  world.greeting = slow;
  world.changing.change(StsMode::testing, "1", "mx.b.example");
  world.send();
  world.loop.advance(1s);
  REQUIRE(world.mails() == 0);
  world.changing.change(StsMode::enforce, "2", "mx.b.example");
  world.loop.advance(10s);
}

}  // namespace

TEST_CASE("T-15: a policy that changes between plan and MAIL is the one that counts") {
  ChangingWorld world;
  change_while_it_greets(world);
  CHECK(world.mails() == 0);
  CHECK(world.queued().size() == 1);
  CHECK(world.totals.decided_again == 1);
}

TEST_CASE("T-15: also for the next message of a session that is open already") {
  ChangingWorld world;
  world.changing.change(StsMode::testing, "1", "mx.b.example");
  world.send();
  world.loop.advance(200ms);
  REQUIRE(world.mails() == 1);
  world.changing.change(StsMode::enforce, "2", "mx.b.example");
  world.send();
  world.loop.advance(10s);
  CHECK(world.mails() == 1);
}

TEST_CASE("T-52: partner rules that come between plan and MAIL are the ones that count") {
  ChangingWorld world;
  Say slow("220 mx.b.example\r\n");
  slow.each_octet = 100ms;
  world.greeting = slow;
  world.send();
  world.loop.advance(1s);
  auto stricter = std::make_shared<Rules>(*world.rules);
  PartnerRule rule;
  rule.name = "B";
  rule.domains = {"b.example"};
  rule.level = PartnerLevel::encrypt;
  stricter->partners = {rule};
  world.courier->set_rules(stricter);
  world.loop.advance(10s);
  CHECK(world.mails() == 0);
  CHECK(world.queued().size() == 1);
}

TEST_CASE("T-15, S38: a moved MX whose new policy the recheck finds costs no deferral") {
  ChangingWorld world;
  world.changing.change(StsMode::enforce, "1", "old.b.example");
  StsState next = world.changing.state;
  next.id = "2";
  next.policy->mode = StsMode::testing;
  next.policy->mx = {"mx.b.example"};
  world.changing.after_recheck = next;
  world.send();
  world.loop.advance(5s);
  CHECK(world.changing.rechecks == 1);
  CHECK(world.mails() == 1);
  CHECK(world.queued().empty());
  CHECK(world.totals.deferred == 0);
}

TEST_CASE(
    "T-15: under a policy that does not enforce, mail waits while another is being fetched, and is not "
    "tried") {
  ChangingWorld world;
  world.changing.change(StsMode::testing, "1", "mx.b.example");
  world.changing.state.changing = true;
  world.send();
  world.loop.advance(20s);
  CHECK(world.sessions.empty());
  const auto entries = world.queued();
  REQUIRE(entries.size() == 1);
  CHECK(entries[0].attempts == 0);
  world.changing.state.changing = false;  // the fetch failed: the old one rules
  world.loop.advance(5s);
  CHECK(world.mails() == 1);
}
