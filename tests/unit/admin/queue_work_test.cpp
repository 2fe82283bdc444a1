// SPDX-License-Identifier: Apache-2.0
//
// What operators do to many messages, against a real journal on a simulated disk: in parts, counted, on record.
#include "admin/queue_work.hpp"

#include <doctest.h>

#include <set>
#include <string>

#include "../delivery/settle_world.hpp"

using namespace sealpost;
using namespace std::chrono_literals;
using admin::Answer;
using admin::QueueWork;
using delivery::Fate;
using Json = nlohmann::json;
using Verb = QueueWork::Verb;

namespace {

// Five messages that were tried and wait: the first with recipients in two domains, the last from nobody.
struct World : delivery::SettleWorld {
  World() {
    script->ends.push_back(
        delivery::end_with(delivery::fate_of(0, Fate::deferred, "4.4.1", "connect refused", false)));
    first = accept("a@here.example", {"u@b.example", "v@b.example", "w@c.example"});
    for (int i = 0; i < 3; ++i) accept("a@here.example", {"u@b.example"});
    accept("", {"u@b.example"});
    loop.advance(10s);
    limits.time = 0s;  // a part in each answer
  }
  Answer ask(Verb verb, const Json& arguments) {
    QueueWork work(loop, *dispatcher, *journal, limits);
    return event::run_until_done(loop, work.work(arguments, verb));
  }
  // As the command does: the question, and then part after part.
  Json all_of(Verb verb, Json arguments) {
    arguments["preview"] = true;
    arguments["as_of"] = ask(verb, arguments).body.at("as_of");
    arguments.erase("preview");
    Json sum{{"messages", 0}, {"recipients", 0}, {"parts", 0}};
    for (int part = 0; part < 20; ++part) {
      const Answer answer = ask(verb, arguments);
      REQUIRE(answer.status == 200);
      if (answer.body.at("messages") == 0) break;
      for (const char* key : {"messages", "recipients"})
        sum[key] = sum[key].get<int>() + answer.body.at(key).get<int>();
      sum["parts"] = part + 1;
      if (part == 0) accept("a@here.example", {"late@b.example"});
      if (answer.body.at("left") == 0) break;
    }
    return sum;
  }
  std::set<std::string> states() const {
    std::set<std::string> all;
    for (const auto& entry : queued()) all.insert(entry.state);
    return all;
  }
  admin::QueueWorkLimits limits;
  MessageId first;
};

const Json everything{{"filter", Json::object()}, {"all", true}};
Json about(const char* key, const std::string& value) { return {{"filter", {{key, value}}}}; }

}  // namespace

TEST_CASE("a large number is done in parts, counted once, and what comes meanwhile is not touched") {
  for (const Verb verb : {Verb::remove, Verb::bounce, Verb::hold})
    for (const std::size_t at_once : {1U, 2U, 100U}) {
      World world;
      world.limits.at_once = at_once;
      const bool told = verb == Verb::bounce;  // the null sender cannot be
      const Json done = world.all_of(verb, everything);
      CHECK(done.at("messages") >= (told ? 4 : 5));  // one with two lanes may come in two parts
      CHECK(done.at("messages") <= (told ? 5 : 6));
      CHECK(done.at("recipients") == (told ? 6 : 7));
      CHECK((done.at("parts") > 1) == (at_once < 100));
      std::size_t late = 0, held = 0;
      for (const auto& entry : world.queued()) {
        if (entry.recipient == "late@b.example") ++late;
        if (entry.state == "held") ++held;
      }
      CHECK(late == 1);
      CHECK(held == (verb == Verb::hold ? 7 : 0));
      const auto recovered = world.crash();  // all of it is on record
      std::size_t held_on_record = 0;
      for (const auto& message : recovered) held_on_record += message->held ? 1U : 0U;
      CHECK(held_on_record == (verb == Verb::hold ? 5 : 0));
    }
}

TEST_CASE("hold and release are about whole messages, and are counted so") {
  World world;
  Json asked = about("recipient", "w@c.example");
  asked["preview"] = true;
  Json preview = world.ask(Verb::hold, asked).body;
  CHECK(preview.at("messages") == 1);
  CHECK(preview.at("recipients") == 3);
  CHECK(preview.at("matching") == 1);
  CHECK(world.states() == std::set<std::string>{"deferred"});
  CHECK(world.ask(Verb::hold, about("recipient", "w@c.example")).body.at("recipients") == 3);
  CHECK(world.ask(Verb::hold, everything).body.at("recipients") == 4);
  CHECK(world.states() == std::set<std::string>{"held"});
  const Answer again = world.ask(Verb::hold, {{"filter", {{"id", {world.first.to_string()}}}}});
  CHECK(again.status == 400);
  preview = world.ask(Verb::release, about("recipient", "w@c.example")).body;
  CHECK(preview.at("recipients") == 3);
  world.loop.advance(10s);
  std::size_t held = 0;
  for (const auto& entry : world.queued()) held += entry.state == "held" ? 1U : 0U;
  CHECK(held == 4);
}

TEST_CASE("D-23 a hold that the journal does not take changes nothing") {
  World world;
  std::vector<SystemTime> before;
  for (const auto& entry : world.queued()) before.push_back(entry.next_attempt);
  const std::size_t attempts = world.script->attempts;
  world.disk.break_syncs(true);
  const Answer answer = world.ask(Verb::hold, everything);
  CHECK(answer.status == 503);
  CHECK(answer.body.at("error").get<std::string>().find("the journal") == 0);
  world.loop.advance(10s);
  std::vector<SystemTime> after;
  for (const auto& entry : world.queued()) after.push_back(entry.next_attempt);
  CHECK(world.states() == std::set<std::string>{"deferred"});
  CHECK(after == before);  // not due before it was
  CHECK(world.script->attempts == attempts);
  CHECK(world.ask(Verb::remove, everything).status == 503);
  CHECK(world.queued().size() == 7);
}

TEST_CASE("a retry is of all recipients that go in one attempt, and is counted so") {
  World world;
  Json asked = about("recipient", "v@b.example");
  asked["preview"] = true;
  const Json preview = world.ask(Verb::retry, asked).body;
  CHECK(preview.at("recipients") == 2);
  CHECK(preview.at("matching") == 1);
  CHECK(preview.at("messages") == 1);
  const std::size_t attempts = world.script->attempts;
  CHECK(world.ask(Verb::retry, about("recipient", "v@b.example")).body.at("recipients") == 2);
  world.loop.advance(1s);
  CHECK(world.script->attempts == attempts + 1);
}

TEST_CASE("no more is ended than was counted, and nothing when more has come to be meant") {
  World world;
  Json asked = about("domain", "b.example");
  asked["preview"] = true;
  const Json counted = world.ask(Verb::remove, asked).body;
  asked.erase("preview");
  asked["as_of"] = counted.at("as_of");
  asked["counted"] = counted.at("recipients").get<int>() - 1;
  CHECK(world.ask(Verb::remove, asked).status == 409);
  CHECK(world.queued().size() == 7);
  asked["counted"] = counted.at("recipients");
  CHECK(world.ask(Verb::remove, asked).status == 200);
  asked["counted"] = "all";
  CHECK(world.ask(Verb::remove, asked).status == 400);
  Json later = everything;
  later["as_of"] = (world.loop.steady() + 1h).time_since_epoch().count();
  CHECK(world.ask(Verb::remove, later).status == 409);  // of a former start of the machine
}

TEST_CASE("what is not said, or cannot be done, is told apart from what there is not") {
  World world;
  CHECK(world.ask(Verb::remove, Json::object()).status == 400);
  CHECK(world.ask(Verb::remove, {{"filter", Json::object()}}).status == 400);
  for (const Json& as_of : {Json("soon"), Json(), Json(1.5), Json("01M8M4JEM78GFXF3XHDW191F5E")}) {
    Json asked = everything;
    asked["as_of"] = as_of;
    CHECK(world.ask(Verb::remove, asked).status == 400);
  }
  CHECK(world.ask(Verb::remove, about("domain", "z.example")).body.at("messages") == 0);
  const Json one{{"filter", {{"id", {world.first.to_string()}}}}};
  CHECK(world.ask(Verb::release, one).status == 400);
  CHECK(world.ask(Verb::remove, one).status == 200);
  CHECK(world.ask(Verb::remove, one).status == 404);
  CHECK(world.queued().size() == 4);
}

TEST_CASE("mail whose sender is about to be told of its failure can be removed, and the question says so") {
  World world;
  world.notices = std::make_unique<delivery::NoticeBudget>(delivery::NoticeSettings());
  world.context->notices = world.notices.get();
  world.script->ends.clear();
  world.script->ends.push_back(
      delivery::end_with(delivery::fate_of(0, Fate::failed, "5.1.1", "550 no such user")));
  world.accept("b@here.example", {"u@d.example", "v@e.example"});
  world.loop.advance(2s);
  Json asked = about("sender", "b@here.example");
  asked["preview"] = true;
  CHECK(world.ask(Verb::remove, asked).body.at("untold") >= 1);
  CHECK(world.ask(Verb::bounce, asked).body.at("passed_over").at("going_back") >= 1);
}
