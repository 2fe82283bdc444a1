// SPDX-License-Identifier: Apache-2.0
#include "dns/question_case.hpp"

#include <doctest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "base/text.hpp"
#include "dns/ares_resolver.hpp"
#include "event/event_loop.hpp"
#include "event/run.hpp"
#include "scripted_server.hpp"

using namespace sealpost;
using namespace sealpost::dns;
using namespace sealpost::dns::test;
using namespace std::chrono_literals;

namespace {

using Query = ScriptedServer::Query;
using Reply = std::optional<Message>;

constexpr std::string_view long_name = "a-long-name.with-letters.for.mail.test";

// The name as it stands in the query.
std::string name_in(const Octets& query) {
  std::string name;
  for (std::size_t at = 12; query[at] != 0; at += query[at] + std::size_t{1}) {
    if (!name.empty()) name += '.';
    name.append(query.begin() + static_cast<std::ptrdiff_t>(at) + 1,
                query.begin() + static_cast<std::ptrdiff_t>(at + 1 + query[at]));
  }
  return name;
}

Message mx_for(const std::string& name, std::string_view exchange = "mx.mail.test") {
  Message message(name, RrType::mx);
  return message.answer(name, RrType::mx, 300, mx_data(10, exchange));
}

struct QuestionWorld {
  explicit QuestionWorld(const ScriptedServer& server) : resolver(loop, settings(server)) {}
  static ResolverSettings settings(const ScriptedServer& server) {
    ResolverSettings made;
    made.servers.push_back(server.endpoint());
    made.try_limit = 100ms;
    made.limit = 400ms;
    made.spread_always = true;
    return made;
  }
  AnswerPtr ask() { return event::run_until_done(loop, resolver.query(std::string(long_name), RrType::mx)); }
  event::EventLoop loop;
  AresResolver resolver;
};

}  // namespace

TEST_CASE("T-41 the letters of a question are mixed, and nothing else of it") {
  const Octets plain = make_query(Question(std::string(long_name), RrType::mx), 0x1234);
  std::set<std::string> names;
  for (int i = 0; i < 50; ++i) {
    Octets query = plain;
    mix_case(query);
    REQUIRE(query.size() == plain.size());
    CHECK(text::lower(name_in(query)) == long_name);
    names.insert(name_in(query));
    for (std::size_t at = 0; at < query.size(); ++at)
      if (query[at] != plain[at]) CHECK((query[at] ^ plain[at]) == 0x20);
    CHECK(std::equal(plain.end() - 15, plain.end(), query.end() - 15));
    CHECK(echoes_question(query, query));
  }
  CHECK(names.size() > 45);
}

TEST_CASE("T-41 only the same octets are the question; short and compressed ones are not") {
  const Octets query = make_query(Question("Mx.Test", RrType::mx), 1);
  Octets answer = mx_for("Mx.Test").octets();
  CHECK(echoes_question(query, answer));
  for (std::size_t size = 0; size < 12 + 9 + 4; ++size)
    CHECK_FALSE(echoes_question(query, std::span(answer).first(std::min(size, answer.size()))));
  CHECK_FALSE(echoes_question(query, mx_for("mx.Test").octets()));
  CHECK_FALSE(echoes_question(query, Message("Mx.Test", RrType::a).octets()));
  answer[12] = 0xC0;
  CHECK_FALSE(echoes_question(query, answer));
}

TEST_CASE("T-41 a server that keeps the letters is asked once, and each time in others") {
  ScriptedServer server([](const Query& query) -> Reply { return mx_for(name_in(query.octets)); });
  QuestionWorld world(server);
  std::set<std::string> names;
  for (int i = 0; i < 10; ++i) CHECK(world.ask()->status == Status::found);
  for (const auto& query : server.queries()) names.insert(name_in(query.octets));
  CHECK(server.queries().size() == 10);
  CHECK(names.size() > 8);
  CHECK(world.resolver.counters().case_differed == 0);
}

TEST_CASE("T-41 a guessed answer is not taken: the question is put once more over TCP") {
  ScriptedServer server([](const Query& query) -> Reply {
    const std::string asked = name_in(query.octets);
    return query.tcp ? mx_for(asked) : mx_for(std::string(long_name), "evil.test");
  });
  QuestionWorld world(server);
  for (int i = 0; i < 3; ++i) {
    const auto answer = world.ask();
    REQUIRE(answer->status == Status::found);
    CHECK(answer->mx.at(0).exchange == "mx.mail.test");
  }
  CHECK(world.resolver.counters().case_differed == 3);
  CHECK(world.resolver.counters().suspect == 3);
}

TEST_CASE("T-41 once a server was seen to keep the letters, a doubtful answer without TCP is none") {
  std::atomic<bool> forged{false};
  ScriptedServer server([&](const Query& query) -> Reply {
    if (query.tcp) return std::nullopt;
    return forged ? mx_for(std::string(long_name), "evil.test") : mx_for(name_in(query.octets));
  });
  QuestionWorld world(server);
  CHECK(world.ask()->status == Status::found);
  forged = true;
  CHECK(world.ask()->status == Status::failed);
}

TEST_CASE(
    "T-41 a server that lowers the letters is found out over TCP, or without it, and then asked plainly") {
  for (const bool has_tcp : {true, false}) {
    CAPTURE(has_tcp);
    ScriptedServer server([has_tcp](const Query& query) -> Reply {
      if (query.tcp && !has_tcp) return std::nullopt;
      return mx_for(std::string(long_name));
    });
    QuestionWorld world(server);
    for (int i = 0; i < 3; ++i) CHECK(world.ask()->status == Status::found);
    CHECK(world.resolver.counters().case_differed == 1);
    CHECK(world.resolver.counters().suspect == 0);
    REQUIRE(server.queries().size() == 4);
    CHECK(name_in(server.queries().back().octets) == long_name);
  }
}

TEST_CASE("T-41 on loopback questions go out as they are") {
  ScriptedServer server([](const Query& query) -> Reply { return mx_for(name_in(query.octets)); });
  ResolverSettings settings = QuestionWorld::settings(server);
  settings.spread_always = false;
  event::EventLoop loop;
  AresResolver resolver(loop, settings);
  const auto answer = event::run_until_done(loop, resolver.query(std::string(long_name), RrType::mx));
  CHECK(answer->status == Status::found);
  CHECK(name_in(server.queries().front().octets) == long_name);
}
