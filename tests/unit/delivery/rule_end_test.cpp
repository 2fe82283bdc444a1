// SPDX-License-Identifier: Apache-2.0
//
// What a partner rule does with mail that it refuses: it waits for the grace, and then the mail is returned, goes on
// waiting, or is handed to the gateway.
#include <doctest.h>

#include "delivery/gateway.hpp"
#include "settle_world.hpp"

using namespace sealpost;
using namespace sealpost::delivery;
using namespace std::chrono_literals;

namespace {
AttemptEnd refused_by_rule(PartnerRule::OnFailure on_failure, std::chrono::seconds grace) {
  AttemptEnd end = end_with(fate_of(0, Fate::deferred, "4.7.4", "TLS required, not offered", false));
  end.policy_refused = end.partner_refused = true;
  end.partner.emplace();
  end.partner->name = "Noord";
  end.partner->on_failure = on_failure;
  end.partner->grace = grace;
  return end;
}

AttemptEnd refused_by_rule_with_gateway() {
  AttemptEnd end = refused_by_rule(PartnerRule::OnFailure::reroute, 15min);
  end.partner->reroute = "gw.example:2525";
  return end;
}
}  // namespace

TEST_CASE("a partner rule bounces after its grace, not before, and names itself") {
  SettleWorld world;
  const AttemptEnd end = refused_by_rule(PartnerRule::OnFailure::bounce, 15min);
  world.script->ends.push_back(end);
  world.accept("a@here.example", {"u@b.example"});
  world.loop.advance(14min);
  CHECK(world.totals.bounced == 0);
  world.loop.advance(3min);
  CHECK(world.totals.bounced == 1);
  CHECK(world.totals.dsns == 1);
}

TEST_CASE("a partner rule that says defer waits as long as the lifetime lasts") {
  SettleWorld world;
  const AttemptEnd end = refused_by_rule(PartnerRule::OnFailure::defer, 1min);
  world.script->ends.push_back(end);
  world.accept("a@here.example", {"u@b.example"});
  world.loop.advance(1h);
  CHECK(world.totals.bounced == 0);
}

TEST_CASE(
    "a partner rule that says reroute hands mail to its gateway after the grace, in a lane that names the "
    "rule") {
  SettleWorld world;
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
  SettleWorld world;
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

TEST_CASE("a partner's grace counts from the first refusal, across restarts (T-16)") {
  SettleWorld world;
  const AttemptEnd end = refused_by_rule(PartnerRule::OnFailure::bounce, 15min);
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
  SettleWorld world;
  const AttemptEnd end = refused_by_rule(PartnerRule::OnFailure::bounce, 6min);
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
