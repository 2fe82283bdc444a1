// SPDX-License-Identifier: Apache-2.0
#include "webhooks/follower.hpp"

#include "samples.hpp"

using namespace sealpost;
using namespace sealpost::webhooks;
using spool::RecipientState;
using test::accepted;
using test::ended;
using test::entry_of;
using test::Hooked;
using test::id_of;
using test::noon;
using namespace std::chrono_literals;
using Words = std::vector<std::string>;

TEST_CASE("a message is an event when it comes, and one for each recipient and attempt that got a verdict") {
  Hooked hooked;
  REQUIRE(hooked.read({accepted(id_of(1), {"bob@example.org", "Eve@example.org"})}));
  REQUIRE(hooked.read({entry_of(id_of(1), spool::AttemptRecord{}),
                       ended(id_of(1), {0, 1}, RecipientState::pending, noon + 1s)}));
  REQUIRE(hooked.read({ended(id_of(1), {0}, RecipientState::delivered, noon + 2s)}));
  // Final is final (D-16), and what names nobody means nothing.
  REQUIRE(hooked.read({ended(id_of(1), {0}, RecipientState::failed, noon + 3s),
                       ended(id_of(1), {1}, RecipientState::removed, noon + 4s),
                       ended(id_of(1), {1}, RecipientState::delivered, noon + 5s),
                       ended(id_of(9), {0}, RecipientState::delivered)}));
  CHECK(hooked.kinds() == Words{"accepted", "deferred", "deferred", "delivered", "removed"});
  CHECK(hooked.news == 4);
  const auto batch = hooked.batch();
  const Json taken = Json::parse(batch.events[0]);
  CHECK(taken.at("queue_id") == id_of(1).to_string());
  CHECK(taken.at("recipients") == 2);
  CHECK(taken.at("sender") == "Alice@example.com");
  CHECK(taken.at("time") == "2026-11-30T12:00:00Z");
  const Json delivered = Json::parse(batch.events[3]);
  CHECK(delivered.at("recipient") == "bob@example.org");
  CHECK(delivered.at("reply") == "250 2.0.0 Ok: queued");
  CHECK(delivered.at("mx_host") == "mx.example.org");
  CHECK(delivered.at("event_id") == batch.ids[3]);
}

TEST_CASE("an operator's word, another way and a withdrawal are told; what is written again is not") {
  Hooked hooked;
  spool::RelocateRecord again;
  again.message = std::get<spool::MessageRecord>(accepted(id_of(1), {"bob@example.org"}).record);
  again.progress.resize(1);
  REQUIRE(hooked.read(
      {accepted(id_of(1), {"bob@example.org"}), entry_of(id_of(1), spool::HoldRecord{"asked"}),
       entry_of(id_of(1), spool::ReleaseRecord{}),
       entry_of(id_of(1), spool::RerouteRecord{{0}, "[mx2.example]"}), entry_of(id_of(1), again),
       entry_of(id_of(1), spool::WithdrawRecord{}), ended(id_of(1), {0}, RecipientState::delivered)}));
  CHECK(hooked.kinds() == Words{"accepted", "hold", "release", "rerouted", "withdrawn"});
  const Json hold = Json::parse(hooked.batch().events[1]);
  CHECK(hold.at("why") == "asked");
  CHECK(hold.at("sender") == "Alice@example.com");
}

TEST_CASE("what was under way when webhooks began is told from then on, with whom it is about") {
  Hooked hooked;
  hooked.begun = noon;
  hooked.hooks = {};
  REQUIRE(hooked.store->use({}));
  hooked.hooks = {test::webhook_of("crm")};
  REQUIRE(hooked.store->use(hooked.hooks));
  REQUIRE(hooked.read({accepted(id_of(1), {"bob@example.org", "eve@example.org"}, noon - 1h),
                       ended(id_of(1), {1}, RecipientState::delivered, noon - 30min),
                       ended(id_of(1), {0}, RecipientState::failed, noon + 1s)}));
  CHECK(hooked.kinds() == Words{"failed"});
  CHECK(Json::parse(hooked.batch().events[0]).at("recipient") == "bob@example.org");
}

TEST_CASE(
    "a gap is told in its place, and what nobody knows the beginning of is told as far as it is known") {
  Hooked hooked;
  REQUIRE(hooked.read({accepted(id_of(1), {"bob@example.org"})}));
  const spool::Cursor from = hooked.cursor;
  hooked.cursor.position.segment = 3;
  REQUIRE(hooked.follower->missed(from, hooked.cursor, "it was damaged"));
  REQUIRE(hooked.read({ended(id_of(2), {4}, RecipientState::delivered, noon + 1s),
                       accepted(id_of(3, noon + 2s), {"x@example.org"}, noon + 2s),
                       ended(id_of(4, noon + 3s), {0}, RecipientState::delivered, noon + 3s)}));
  CHECK(hooked.kinds() == Words{"accepted", "gap", "delivered", "accepted"});
  const Json unknown = Json::parse(hooked.batch().events[2]);
  CHECK_FALSE(unknown.contains("recipient"));
  CHECK(unknown.at("recipient_number") == 4);
}

TEST_CASE("D-17: the same journal read again makes no event twice, whichever part of it comes again") {
  Hooked hooked;
  const std::vector<spool::JournalEntry> journal{accepted(id_of(1), {"bob@example.org"}),
                                                 entry_of(id_of(1), spool::HoldRecord{"x"}),
                                                 ended(id_of(1), {0}, RecipientState::delivered, noon + 2s)};
  REQUIRE(hooked.read(journal));
  const auto first = hooked.batch();
  hooked.open();
  CHECK(hooked.store->cursor().value() == hooked.cursor);
  CHECK(hooked.batch().ids == first.ids);
  hooked.cursor.position.offset = 64;
  REQUIRE(hooked.read(journal));
  CHECK(hooked.batch().ids == first.ids);
}

TEST_CASE(
    "D-23: when the file was damaged a gap is told, and what the journal holds once more under the same "
    "names") {
  Hooked hooked;
  const std::vector<spool::JournalEntry> journal{accepted(id_of(1), {"bob@example.org"}),
                                                 ended(id_of(1), {0}, RecipientState::delivered, noon + 2s)};
  REQUIRE(hooked.read(journal));
  const auto first = hooked.batch();
  REQUIRE(hooked.store->confirm(*hooked.hooks[0], first, noon, "200").value());
  hooked.follower.reset();
  hooked.store.reset();
  {
    std::FILE* file = std::fopen(hooked.path().c_str(), "r+");
    REQUIRE(file != nullptr);
    std::fputs("no database at all, whatever it was before", file);
    std::fclose(file);
  }
  hooked.begun = noon + 1h;
  hooked.open();
  CHECK_FALSE(hooked.store->cursor().value());
  hooked.cursor.position.offset = 64;
  REQUIRE(hooked.read(journal));
  CHECK(hooked.kinds() == Words{"gap", "accepted", "delivered"});
  const auto again = hooked.batch().ids;
  CHECK(std::vector<std::string>(again.begin() + 1, again.end()) == first.ids);
  CHECK_FALSE(hooked.health.well());
}
