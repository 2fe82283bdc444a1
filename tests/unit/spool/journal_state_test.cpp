// SPDX-License-Identifier: Apache-2.0
#include "spool/journal_state.hpp"

#include <doctest.h>

#include "spool_world.hpp"

using namespace sealpost;
using namespace sealpost::spool;
using Effect = JournalState::Effect;

namespace {

JournalEntry entry(unsigned number, Record record, std::uint64_t segment = 1, std::uint32_t blob = 0) {
  JournalEntry made;
  made.id = id_of(number);
  made.record = std::move(record);
  made.blob = Extent{segment, 5000, blob, 77};
  made.octets = 200;
  return made;
}

JournalEntry message(unsigned number, unsigned recipients = 1, std::uint64_t segment = 1) {
  MessageRecord record;
  record.envelope = message_of(number, "", recipients).envelope;
  return entry(number, std::move(record), segment, 10);
}

JournalEntry outcome(unsigned number, RecipientState state, std::uint32_t recipient = 0) {
  return entry(number, OutcomeRecord{outcome_of(number, state, recipient, "the reply")}, 2);
}

const RecipientProgress& progress(const JournalState& state, unsigned number, std::size_t recipient = 0) {
  const LiveMessage* live = state.find(id_of(number));
  REQUIRE(live != nullptr);
  return live->progress.at(recipient);
}

}  // namespace

TEST_CASE("D-11: a new message is pending and in its first attempt, and pins its segment") {
  JournalState state;
  CHECK(state.apply(message(1, 2)) == Effect::appeared);
  CHECK(progress(state, 1).state == RecipientState::pending);
  CHECK(progress(state, 1).attempting);
  CHECK(progress(state, 1, 1).attempts == 1);
  CHECK_FALSE(state.is_free(1));
  CHECK(state.is_free(2));
  CHECK(state.live_octets() == 200);
}

TEST_CASE("D-11 D-16: outcomes: the later wins until one is final; what is final stays") {
  JournalState state;
  state.apply(message(1, 3));
  state.apply(outcome(1, RecipientState::pending));
  CHECK(progress(state, 1).state == RecipientState::pending);
  CHECK_FALSE(progress(state, 1).attempting);
  CHECK(progress(state, 1).next_attempt == SystemTime(std::chrono::seconds(1'700'000'400)));
  CHECK(state.find(id_of(1))->last_reply() == "the reply");
  state.apply(outcome(1, RecipientState::held));
  CHECK(progress(state, 1).state == RecipientState::held);
  state.apply(outcome(1, RecipientState::delivered));
  for (const auto later : {RecipientState::pending, RecipientState::failed, RecipientState::held}) {
    state.apply(outcome(1, later));
    CHECK(progress(state, 1).state == RecipientState::delivered);
  }
  AttemptRecord again;
  again.recipients = {0, 1, 99};
  state.apply(entry(1, again));
  CHECK_FALSE(progress(state, 1).attempting);
  CHECK(state.apply(outcome(1, RecipientState::failed, 1)) == Effect::changed);
  CHECK(state.apply(outcome(1, RecipientState::failed, 7)) == Effect::changed);  // no such recipient
  CHECK(state.apply(outcome(1, RecipientState::removed, 2)) == Effect::finished);
  CHECK(state.live_messages() == 0);
  CHECK(state.is_free(1));
  CHECK(state.live_octets() == 0);
  CHECK(state.apply(outcome(1, RecipientState::pending)) == Effect::none);
}

TEST_CASE("D-12: attempts without outcome are counted, an outcome or an orderly stop forgives them") {
  JournalState state;
  state.apply(message(1, 2));
  AttemptRecord first_lane;
  first_lane.recipients = {0};
  state.apply(entry(1, first_lane));
  state.apply(entry(1, first_lane));
  CHECK(progress(state, 1).attempts == 3);
  CHECK(progress(state, 1).interrupted == 2);
  CHECK(progress(state, 1, 1).interrupted == 0);  // lanes are told apart
  const auto found = state.recovered();
  REQUIRE(found.size() == 1);
  CHECK(found[0]->progress[0].interrupted == 3);  // the open one counts for who starts again
  CHECK(found[0]->progress[1].interrupted == 1);
  state.apply(outcome(1, RecipientState::pending));
  CHECK(progress(state, 1).interrupted == 0);
  state.apply(entry(1, first_lane));
  state.apply(entry(0, CleanStopRecord()));
  CHECK_FALSE(progress(state, 1).attempting);
  CHECK(state.recovered()[0]->progress[1].interrupted == 0);
  state.apply(entry(1, first_lane));
  CHECK(progress(state, 1).interrupted == 0);
  state.apply(entry(0, DrainingRecord()));
  CHECK_FALSE(progress(state, 1).attempting);
  for (int i = 0; i < 300; ++i) state.apply(entry(1, first_lane));
  CHECK(progress(state, 1).interrupted == 255);  // and no further
}

TEST_CASE("D-11: an unknown record holds its message, a hold is released with its held recipients") {
  JournalState state;
  state.apply(message(1));
  state.apply(entry(1, UnknownRecord{77}));
  CHECK(state.find(id_of(1))->held);
  CHECK(state.find(id_of(1))->hold_reason().find("77") != std::string_view::npos);
  state.apply(outcome(1, RecipientState::held));
  state.apply(entry(1, ReleaseRecord()));
  CHECK_FALSE(state.find(id_of(1))->held);
  CHECK(progress(state, 1).state == RecipientState::pending);
  CHECK(state.apply(entry(2, UnknownRecord{77})) == Effect::none);
}

TEST_CASE("D-06: a withdrawn message never existed") {
  JournalState state;
  state.apply(message(1));
  CHECK(state.apply(entry(1, WithdrawRecord())) == Effect::finished);
  CHECK(state.recovered().empty());
  CHECK(state.is_free(1));
}

TEST_CASE("D-17: a second record of a living message means nothing") {
  JournalState state;
  state.apply(message(1, 2));
  state.apply(outcome(1, RecipientState::delivered, 1));
  CHECK(state.apply(message(1, 2, 9)) == Effect::none);
  CHECK(progress(state, 1, 1).state == RecipientState::delivered);
  CHECK(state.is_free(9));
}

TEST_CASE("D-18: parts pin their segments until the message is finished, or nobody wants them") {
  JournalState state;
  const auto part = [](std::uint64_t segment) { return entry(1, BodyPartRecord(), segment, 100); };
  state.apply(part(1));
  state.apply(part(2));
  CHECK_FALSE(state.is_free(1));
  MessageRecord record;
  record.envelope = message_of(1, "").envelope;
  record.chunks = {Extent{1, 5000, 100, 77}, Extent{2, 5000, 100, 77}};
  CHECK(state.has_parts(id_of(1), record.chunks));
  CHECK_FALSE(state.has_parts(id_of(1), {Extent{1, 5000, 100, 78}}));
  CHECK_FALSE(state.has_parts(id_of(2), record.chunks));
  state.apply(entry(1, record, 3, 7));
  CHECK(state.find(id_of(1))->message->size == 207);
  CHECK_FALSE(state.find(id_of(1))->held);
  state.discard_parts(id_of(1));  // not parts any more
  CHECK_FALSE(state.is_free(2));
  state.apply(outcome(1, RecipientState::delivered));
  for (std::uint64_t segment = 1; segment <= 3; ++segment) CHECK(state.is_free(segment));
  state.apply(part(5));
  state.discard_parts(id_of(1));
  CHECK(state.is_free(5));
  state.apply(part(6));
  state.discard_all_parts();
  CHECK(state.is_free(6));
  CHECK(state.live_octets() == 0);
}

TEST_CASE("D-03: a message that lacks a part, or whose body is damaged, is held and not sent") {
  JournalState state;
  MessageRecord record;
  record.envelope = message_of(1, "").envelope;
  record.chunks = {Extent{1, 5000, 100, 77}};
  state.apply(entry(1, record, 3, 7));
  CHECK(state.find(id_of(1))->held);
  JournalEntry damaged = message(2);
  damaged.blob_intact = false;
  state.apply(std::move(damaged));
  CHECK(state.find(id_of(2))->held);
}

TEST_CASE("D-18: a relocated message takes its state along and lets go of where it was") {
  JournalState state;
  state.apply(message(1, 2));
  state.apply(outcome(1, RecipientState::delivered, 1));
  const auto shared = state.find(id_of(1))->message;
  RelocateRecord record;
  record.message.envelope = message_of(1, "", 2).envelope;
  record.progress = state.find(id_of(1))->progress;
  record.held = true;
  record.hold_reason = "operator";
  record.last_reply = "the reply";
  Answer answer;
  answer.host = "mx1.example";
  record.last_answer = std::make_shared<const Answer>(answer);
  record.message.unknown = "of a later release";
  CHECK(state.apply(entry(1, record, 4, 10)) == Effect::changed);
  CHECK(state.is_free(1));
  CHECK_FALSE(state.is_free(4));
  CHECK(state.find(id_of(1))->message == shared);  // the queue's object is the same one
  CHECK(shared->body->look().extents[0].segment == 4);
  CHECK(progress(state, 1, 1).state == RecipientState::delivered);
  CHECK(state.find(id_of(1))->held);

  JournalState replayed;  // the segment with the original is gone
  CHECK(replayed.apply(entry(1, record, 4, 10)) == Effect::appeared);
  const auto found = replayed.recovered();
  CHECK(found[0]->progress[1].state == RecipientState::delivered);
  CHECK(found[0]->progress[0].attempts == 1);
  CHECK(found[0]->hold_reason == "operator");
  CHECK(found[0]->last_reply == "the reply");
  CHECK(found[0]->last_answer->host == "mx1.example");
  CHECK(replayed.find(id_of(1))->unknown() == "of a later release");
}

TEST_CASE("an operator's next hop is of each recipient, and the last one that was said holds") {
  JournalState state;
  state.apply(message(1, 4));
  const auto next_hops = [&state] {
    std::string all;
    const auto found = state.recovered();
    for (std::uint32_t i = 0; i < 4; ++i) {
      const std::string* next_hop = found[0]->rerouted(i);
      all += (i > 0 ? " " : "") + (next_hop == nullptr ? std::string("-") : *next_hop);
    }
    return all;
  };
  CHECK(next_hops() == "- - - -");
  state.apply(entry(1, RerouteRecord{{3, 0, 1, 0, 99}, "a.example:25"}));
  CHECK(next_hops() == "a.example:25 a.example:25 - a.example:25");
  state.apply(entry(1, RerouteRecord{{1, 2}, "b.example:25"}));
  CHECK(next_hops() == "a.example:25 b.example:25 b.example:25 a.example:25");
  state.apply(entry(1, RerouteRecord{{0}, ""}));
  CHECK(next_hops() == "- b.example:25 b.example:25 a.example:25");
  RelocateRecord relocate;  // supersedes what was said before it, and is followed by what holds
  relocate.message.envelope = message_of(1, "", 4).envelope;
  relocate.progress = state.find(id_of(1))->progress;
  state.apply(entry(1, relocate, 4, 10));
  state.apply(entry(1, RerouteRecord{{3}, "a.example:25"}, 4));
  CHECK(next_hops() == "- - - a.example:25");
  CHECK(state.apply(entry(2, RerouteRecord{{0}, "a.example:25"})) == Effect::none);
}

TEST_CASE("what is recovered comes in order of arrival") {
  JournalState state;
  for (const unsigned number : {5u, 1u, 9u, 3u}) state.apply(message(number));
  unsigned last = 0;
  for (const auto& found : state.recovered()) {
    CHECK(found->id.bytes()[15] > last);
    last = found->id.bytes()[15];
  }
}
