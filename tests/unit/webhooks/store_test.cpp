// SPDX-License-Identifier: Apache-2.0
#include "webhooks/store.hpp"

#include "samples.hpp"

using namespace sealpost;
using namespace sealpost::webhooks;
using spool::RecipientState;
using test::accepted;
using test::ended;
using test::Hooked;
using test::id_of;
using test::noon;
using test::webhook_of;
using namespace std::chrono_literals;
using Words = std::vector<std::string>;

namespace {

void take_messages(Hooked& hooked, std::uint32_t from, std::uint32_t count, SystemTime when = noon) {
  for (std::uint32_t n = from; n < from + count; ++n)
    REQUIRE(hooked.read({accepted(id_of(n, when), {"bob@example.org"}, when)}));
}

bool confirm(Hooked& hooked, const Batch& batch, std::size_t hook = 0) {
  const auto done = hooked.store->confirm(*hooked.hooks[hook], batch, noon, "200");
  REQUIRE(done);
  return *done;
}

Standing standing_of(Hooked& hooked, std::size_t hook = 0) {
  auto all = hooked.store->standings();
  REQUIRE(all);
  return all->at(hook);
}

}  // namespace

TEST_CASE("what was taken is not told again, and what was not taken is, through a crash") {
  Hooked hooked;
  take_messages(hooked, 1, 3);
  const auto first = hooked.batch();
  CHECK(first.events.size() == 3);
  hooked.open();  // the answer never came
  const auto again = hooked.batch();
  CHECK(again.ids == first.ids);
  CHECK(confirm(hooked, again));
  hooked.open();
  CHECK(hooked.batch().events.empty());
  CHECK(standing_of(hooked).sent == 3);
  CHECK_FALSE(confirm(hooked, again));  // it stands elsewhere by now
}

TEST_CASE("a transaction that failed leaves neither an event nor a place") {
  Hooked hooked;
  take_messages(hooked, 1, 1);
  const auto before = hooked.store->cursor().value();
  spool::Cursor next = hooked.cursor;
  next.position.offset += 100;
  const auto failed = hooked.store->commit(next, [&]() -> Expected<void> {
    Event event;
    event.id = std::string(16, 'x');
    event.kind = "accepted";
    event.when = noon;
    if (auto added = hooked.store->add(event); !added) return added;
    return Error(Errc::io, "a crash");
  });
  CHECK_FALSE(failed);
  CHECK(hooked.store->cursor().value() == before);
  CHECK(hooked.batch().events.size() == 1);
}

TEST_CASE("each webhook stands for itself, and gets the kinds and senders that it wants, in batches") {
  Hooked hooked({webhook_of("all", [](Webhook& one) { one.batch = 2; }),
                 webhook_of("failures", [](Webhook& one) { one.kinds = {"failed"}; }),
                 webhook_of("others", [](Webhook& one) { one.sender_domains = {"example.net"}; })});
  take_messages(hooked, 1, 3);
  REQUIRE(hooked.read({ended(id_of(2), {0}, RecipientState::failed, noon + 1s)}));
  CHECK(hooked.kinds(0) == Words{"accepted", "accepted"});
  CHECK(hooked.kinds(1) == Words{"failed"});
  const auto nothing = hooked.batch(2);
  CHECK(nothing.events.empty());
  CHECK(nothing.through > nothing.from);
  REQUIRE(hooked.store->pass_over(*hooked.hooks[2], nothing));
  CHECK(hooked.batch(2).from == nothing.through);
  CHECK(confirm(hooked, hooked.batch(0), 0));
  CHECK(hooked.kinds(0) == Words{"accepted", "failed"});
  CHECK(hooked.kinds(1) == Words{"failed"});
  CHECK(standing_of(hooked, 0).waiting == 2);
  CHECK(standing_of(hooked, 1).waiting == 1);
  CHECK(standing_of(hooked, 2).waiting == 0);
  // What is tried again is what was tried, whatever came meanwhile.
  const auto tried = hooked.batch(1);
  REQUIRE(hooked.read({ended(id_of(3), {0}, RecipientState::failed, noon + 2s)}));
  CHECK(hooked.store->next(*hooked.hooks[1], tried.through).value().ids == tried.ids);
}

TEST_CASE("a webhook that is new is told what comes; one that is taken away is forgotten") {
  Hooked hooked;
  take_messages(hooked, 1, 2);
  hooked.hooks.push_back(webhook_of("late"));
  REQUIRE(hooked.store->use(hooked.hooks));
  take_messages(hooked, 3, 1);
  CHECK(hooked.batch(0).events.size() == 3);
  CHECK(hooked.batch(1).events.size() == 1);
  REQUIRE(hooked.store->use({hooked.hooks[1]}));
  CHECK_FALSE(hooked.store->next(*hooked.hooks[0]));
  CHECK(hooked.batch(1).events.size() == 1);
}

TEST_CASE("without webhooks nothing is kept and the journal is read anew once there are some") {
  Hooked hooked;
  take_messages(hooked, 1, 2);
  CHECK_FALSE(hooked.follower->idle());
  REQUIRE(hooked.store->use({}));
  CHECK(hooked.follower->idle());
  CHECK(hooked.store->standings().value().empty());
  CHECK_FALSE(hooked.read({accepted(id_of(3), {"x@example.org"})}));
  hooked.begun = noon + 1min;
  REQUIRE(hooked.store->use(hooked.hooks));
  CHECK_FALSE(hooked.follower->idle());
  CHECK_FALSE(hooked.store->cursor().value());
  take_messages(hooked, 1, 2);
  CHECK(hooked.batch().events.empty());
  take_messages(hooked, 4, 1, noon + 2min);
  CHECK(hooked.batch().events.size() == 1);
}

TEST_CASE(
    "a failure is remembered until something is taken; 410 ends it, and a word of the operator begins it "
    "again") {
  Hooked hooked;
  take_messages(hooked, 1, 1);
  REQUIRE(hooked.store->failed("crm", noon, "503", ""));
  REQUIRE(hooked.store->failed("crm", noon + 1min, "timed-out: nothing came", ""));
  CHECK(standing_of(hooked).failing_since == noon);
  CHECK(standing_of(hooked).failures == 2);
  CHECK(standing_of(hooked).answer == "timed-out: nothing came");
  REQUIRE(hooked.store->failed("crm", noon + 2min, "410", "it answered 410 Gone"));
  CHECK(hooked.batch().stopped);
  CHECK(standing_of(hooked).gone == "it answered 410 Gone");
  REQUIRE(hooked.store->pause("crm", false));
  CHECK(hooked.batch().events.size() == 1);
  CHECK_FALSE(standing_of(hooked).failing_since);
  REQUIRE(hooked.store->pause("crm", true));
  CHECK(hooked.batch().stopped);
  CHECK(standing_of(hooked).waiting == 1);
}

TEST_CASE("a replay goes back to an event or a time, and never forward") {
  Hooked hooked;
  take_messages(hooked, 1, 2);
  take_messages(hooked, 3, 2, noon + 1h);
  const auto all = hooked.batch();
  CHECK(confirm(hooked, all));
  CHECK(hooked.store->replay(*hooked.hooks[0], all.ids[1]).value() == 3);
  CHECK(hooked.batch().ids == Words(all.ids.begin() + 1, all.ids.end()));
  CHECK(confirm(hooked, hooked.batch()));
  CHECK(hooked.store->replay_since(*hooked.hooks[0], noon + 30min).value() == 2);
  CHECK(hooked.batch().ids.size() == 2);
  CHECK(hooked.store->replay_since(*hooked.hooks[0], noon).value() == 4);
  CHECK(hooked.store->replay(*hooked.hooks[0], all.ids[3]).value() == 1);
  CHECK(hooked.batch().ids.size() == 4);  // what waits is not passed over by it
  CHECK(hooked.store->replay_since(*hooked.hooks[0], noon + 10h).value() == 0);
  CHECK(hooked.store->replay(*hooked.hooks[0], "evt_00112233445566778899aabbccddeeff").error().code ==
        Errc::not_found);
  CHECK(hooked.store->replay(*hooked.hooks[0], "nonsense").error().code == Errc::invalid);
}

TEST_CASE("what waits for too long, or has no room, is dropped; its webhook is told of it first") {
  Hooked hooked({webhook_of("slow"), webhook_of("failures", [](Webhook& one) { one.kinds = {"failed"}; }),
                 webhook_of("polled", [](Webhook& one) { one.url.reset(); })});
  take_messages(hooked, 1, 3);
  take_messages(hooked, 4, 1, noon + 24h);
  CHECK(hooked.store->prune(std::nullopt, 1u << 30).value().empty());  // the date is in doubt (T-50)
  const auto tried = hooked.batch(0);
  const auto dropped = hooked.store->prune(noon + 1h, 1u << 30).value();
  REQUIRE(dropped.size() == 1);
  CHECK(dropped[0].webhook == "slow");
  CHECK(dropped[0].events == 3);
  CHECK_FALSE(confirm(hooked, tried));  // too late: it stands behind them
  const auto rest = hooked.batch(0);
  CHECK(hooked.kinds(0) == Words{"gap", "accepted"});
  CHECK(Json::parse(rest.events[0]).at("events") == 3);
  hooked.begun = noon + 48h;  // what the clock says now
  CHECK(hooked.batch(0).events ==
        rest.events);  // under the same name and in the same words, however often it is tried
  CHECK(Json::parse(rest.events[0]).at("time") == "2026-11-30T12:00:00Z");
  CHECK(confirm(hooked, rest));
  CHECK(hooked.batch(0).events.empty());
  CHECK(standing_of(hooked, 0).dropped == 3);
  CHECK(standing_of(hooked, 1).dropped == 0);
  take_messages(hooked, 5, 3, noon + 25h);
  const std::uint64_t room = hooked.store->octets() / 2;
  CHECK(hooked.store->prune(std::nullopt, room).value().front().events >= 1);
  CHECK(hooked.store->octets() <= room);
}

TEST_CASE("who asks instead gets what is behind a cursor, as often as it likes") {
  Hooked hooked({webhook_of("polled", [](Webhook& one) { one.url.reset(); })});
  take_messages(hooked, 1, 3);
  const auto two = hooked.store->events_after(*hooked.hooks[0], "", 2).value();
  CHECK(two.events.size() == 2);
  CHECK(two.more);
  const auto last = hooked.store->events_after(*hooked.hooks[0], two.cursor, 2).value();
  CHECK(last.events.size() == 1);
  CHECK_FALSE(last.more);
  CHECK(hooked.store->events_after(*hooked.hooks[0], last.cursor, 2).value().cursor == last.cursor);
  CHECK_FALSE(hooked.store->events_after(*hooked.hooks[0], "evt_00112233445566778899aabbccddeeff", 2));
}

TEST_CASE("D-26: a file of a newer release is left alone") {
  Hooked hooked;
  hooked.follower.reset();
  hooked.store.reset();
  sqlite3* raw = nullptr;
  REQUIRE(sqlite3_open(hooked.path().c_str(), &raw) == SQLITE_OK);
  sqlite3_exec(raw, "PRAGMA user_version=99", nullptr, nullptr, nullptr);
  sqlite3_close(raw);
  Store store(hooked.path(), [] { return noon; });
  CHECK(store.open().error().code == Errc::newer);
}
