// SPDX-License-Identifier: Apache-2.0
#include "dns/ares_resolver.hpp"

#include <doctest.h>

#include "../few_descriptors.hpp"
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

ResolverSettings settings_for(std::initializer_list<const ScriptedServer*> servers,
                              TrustAd trust = TrustAd::loopback) {
  ResolverSettings settings;
  for (const auto* server : servers) settings.servers.push_back(server->endpoint());
  settings.trust_ad = trust;
  settings.try_limit = 60ms;
  settings.limit = 400ms;
  return settings;
}

AnswerPtr ask(const ResolverSettings& settings, std::string name, RrType type) {
  sealpost::event::EventLoop loop;
  AresResolver resolver(loop, settings);
  return sealpost::event::run_until_done(loop, resolver.query(std::move(name), type));
}

Message mx_answer(unsigned flags = Message::response) {
  Message message("b.test", RrType::mx, flags);
  message.answer("b.test", RrType::mx, 300, mx_data(10, "mx.b.test"));
  return message;
}

Message says(unsigned rcode, std::string_view name = "b.test", RrType type = RrType::mx) {
  return Message(name, type, Message::response | rcode);
}

}  // namespace

TEST_CASE("DANE-08, T-10: queries ask for DNSSEC and never switch it off") {
  ScriptedServer server([](const Query&) -> Reply { return mx_answer(); });
  const auto answer = ask(settings_for({&server}), "B.test.", RrType::mx);
  CHECK(answer->status == Status::found);
  REQUIRE(server.queries().size() == 1);
  const Octets query = server.queries()[0].octets;
  CHECK((query[2] & 0x01) == 0x01);  // RD
  CHECK((query[3] & 0x20) == 0x20);  // AD: tell us (RFC 6840 §5.7)
  CHECK((query[3] & 0x10) == 0);     // CD
  REQUIRE(query.size() == 12 + 8 + 4 + 11);
  const Octets opt(query.end() - 11, query.end());
  CHECK(opt == Octets{0, 0, 41, 0x04, 0xD0, 0, 0, 0x80, 0, 0, 0});  // 1232 octets, version 0, DO, no options
}

TEST_CASE("T-10, DANE-08: AD is believed from loopback, and from nobody when so configured") {
  ScriptedServer server([](const Query& query) -> Reply {
    if (query.type() == 15) return mx_answer(Message::response | Message::ad);
    Message none("b.test", static_cast<RrType>(query.type()), Message::response | Message::ad | 3);
    return none.soa(300, 300);
  });
  CHECK(ask(settings_for({&server}), "b.test", RrType::mx)->dnssec == Dnssec::secure);
  CHECK(ask(settings_for({&server}, TrustAd::never), "b.test", RrType::mx)->dnssec == Dnssec::insecure);
  const auto absent = ask(settings_for({&server}), "b.test", RrType::tlsa);  // on absence too
  CHECK(absent->status == Status::nxdomain);
  CHECK(absent->dnssec == Dnssec::secure);
  CHECK(ask(settings_for({&server}, TrustAd::never), "b.test", RrType::tlsa)->dnssec == Dnssec::insecure);
}

TEST_CASE("T-10: an answer without AD is insecure, a server that cannot is a failure") {
  ScriptedServer stripping([](const Query&) -> Reply { return mx_answer(); });
  CHECK(ask(settings_for({&stripping}), "b.test", RrType::mx)->dnssec == Dnssec::insecure);
  for (const auto& [rcode, name] : {std::pair{2u, "SERVFAIL"}, {4u, "NOTIMP"}, {5u, "REFUSED"}}) {
    ScriptedServer server([rcode = rcode](const Query&) -> Reply { return says(rcode | Message::ad); });
    const auto answer = ask(settings_for({&server}), "b.test", RrType::mx);
    CHECK(answer->status == Status::failed);
    CHECK(answer->dnssec == Dnssec::insecure);
    CHECK(answer->why.starts_with(name));
    CHECK(server.queries().size() == 1);  // an answer, if a useless one: not asked again
  }
}

TEST_CASE("T-10: a truncated answer is asked for again over TCP") {
  ScriptedServer server([](const Query& query) -> Reply {
    if (!query.tcp) return Message("b.test", RrType::txt, Message::response | Message::tc);
    Message message("b.test", RrType::txt, Message::response | Message::ad);
    for (int i = 0; i < 20; ++i)
      message.answer("b.test", RrType::txt, 300, text_data({std::string(250, 'x')}));
    return message;
  });
  const auto answer = ask(settings_for({&server}), "b.test", RrType::txt);
  CHECK(answer->status == Status::found);
  CHECK(answer->texts.size() == 20);
  CHECK(answer->dnssec == Dnssec::secure);
  REQUIRE(server.queries().size() == 2);
  CHECK(server.queries()[1].tcp);
}

TEST_CASE("T-10: an answer truncated over TCP too is a failure, not half a record set") {
  ScriptedServer server([](const Query&) -> Reply { return mx_answer(Message::response | Message::tc); });
  CHECK(ask(settings_for({&server}), "b.test", RrType::mx)->status == Status::failed);
}

TEST_CASE("the next server is asked when one cannot, is silent, talks nonsense or is not there") {
  ScriptedServer good([](const Query&) -> Reply { return mx_answer(Message::response | Message::ad); });
  ScriptedServer refusing([](const Query&) -> Reply { return says(5); });
  ScriptedServer silent([](const Query&) -> Reply { return std::nullopt; });
  ScriptedServer nonsense([](const Query&) -> Reply {
    Message message("b.test", RrType::mx);
    return message.answer("b.test", RrType::mx, 300, {0});
  });
  for (const auto* first : {&refusing, &silent, &nonsense}) {
    const auto answer = ask(settings_for({first, &good}), "b.test", RrType::mx);
    CHECK(answer->status == Status::found);
    CHECK(answer->dnssec == Dnssec::secure);
  }
  ResolverSettings settings = settings_for({&good});
  settings.servers.insert(settings.servers.begin(),
                          Endpoint(IpAddress::v4({127, 0, 0, 1}), 1));  // nobody listens
  CHECK(ask(settings, "b.test", RrType::mx)->status == Status::found);
}

TEST_CASE("a silent server is asked last for a while") {
  ScriptedServer silent([](const Query&) -> Reply { return std::nullopt; });
  ScriptedServer good([](const Query&) -> Reply { return mx_answer(); });
  sealpost::event::EventLoop loop;
  AresResolver resolver(loop, settings_for({&silent, &good}));
  for (int i = 0; i < 3; ++i) {
    const auto answer = sealpost::event::run_until_done(loop, resolver.query("b.test", RrType::mx));
    CHECK(answer->status == Status::found);
  }
  CHECK(silent.queries().size() == 1);
  CHECK(good.queries().size() == 3);
}

TEST_CASE("T-41: silence ends within the limit as failed, and says who was silent") {
  ScriptedServer silent([](const Query&) -> Reply { return std::nullopt; });
  const auto answer = ask(settings_for({&silent}), "b.test", RrType::mx);
  CHECK(answer->status == Status::failed);
  CHECK(answer->why == "timed out from " + silent.endpoint().to_string());
  CHECK(silent.queries().size() > 1);
}

TEST_CASE("an answer with another id or to another question is not taken (RFC 5452 §9)") {
  ScriptedServer wrong([](const Query&) -> Reply {
    Message message("c.test", RrType::mx);
    return message.answer("c.test", RrType::mx, 300, mx_data(10, "evil.test"));
  });
  CHECK(ask(settings_for({&wrong}), "b.test", RrType::mx)->status == Status::failed);
}

TEST_CASE("aliases that a server leaves unresolved are followed here, secure only when every link is (D4)") {
  for (const bool second_secure : {true, false}) {
    ScriptedServer server([&](const Query& query) -> Reply {
      if (query.octets[13] == 'a') {
        Message message("a.test", RrType::mx, Message::response | Message::ad);
        return message.alias("a.test", "b.test");
      }
      return mx_answer(second_secure ? Message::response | Message::ad : Message::response);
    });
    const auto answer = ask(settings_for({&server}), "a.test", RrType::mx);
    CHECK(answer->status == Status::found);
    CHECK(answer->canonical == "b.test");
    CHECK(answer->aliases.size() == 1);
    CHECK((answer->dnssec == Dnssec::secure) == second_secure);
  }
}

TEST_CASE("T-40: an endless chain of unresolved aliases is cut") {
  ScriptedServer server([](const Query& query) -> Reply {
    const std::string name(1, static_cast<char>(query.octets[13]));
    const std::string next(1, static_cast<char>(query.octets[13] + 1));
    Message message(name + ".test", RrType::mx);
    return message.alias(name + ".test", next + ".test");
  });
  CHECK(ask(settings_for({&server}), "a.test", RrType::mx)->status == Status::failed);
  CHECK(server.queries().size() <= alias_cap + 1);
}

TEST_CASE("what is no domain name is not asked for") {
  ScriptedServer server([](const Query&) -> Reply { return mx_answer(); });
  for (const auto* name : {"", "a..b", "a b", "[192.0.2.1]"}) {
    CHECK(ask(settings_for({&server}), name, RrType::mx)->status == Status::failed);
  }
  CHECK(server.queries().empty());
}

TEST_CASE("T-56: queries given up at any moment, and a resolver destroyed with queries in flight") {
  ScriptedServer server([](const Query&) -> Reply {
    std::this_thread::sleep_for(2ms);
    return mx_answer();
  });
  sealpost::event::EventLoop loop;
  auto stop_after = [&](Duration time) -> sealpost::event::Task<void> {
    co_await sealpost::event::sleep_for(loop, time);
  };
  for (int i = 0; i < 8; ++i) {
    AresResolver resolver(loop, settings_for({&server}));
    sealpost::event::TaskScope scope(loop);
    auto give_up = [&]() -> sealpost::event::Task<void> {
      auto answer = co_await resolver.query("b.test", RrType::mx);
      CHECK(answer->status == Status::found);
    };
    for (int n = 0; n < 50; ++n) scope.spawn(give_up());
    sealpost::event::run_until_done(loop, stop_after(std::chrono::microseconds(700 * i)));
    if (i % 2 == 0) {
      scope.cancel();
      sealpost::event::run_until_done(loop, stop_after(10ms));  // late answers find nobody
    }
  }
}

TEST_CASE("T-27: out of descriptors a question fails in words of its own, and the next one is asked again") {
  ScriptedServer server([](const Query&) -> Reply { return mx_answer(); });
  sealpost::event::EventLoop loop;
  ResolverSettings settings = settings_for({&server});
  settings.spread_always = true;
  AresResolver resolver(loop, settings);
  const auto ask_once = [&] {
    return sealpost::event::run_until_done(loop, resolver.query("b.test", RrType::mx));
  };
  {
    const sealpost::test::FewDescriptors none(0);
    const auto answer = ask_once();
    CHECK(answer->status == Status::failed);  // nothing is known of the name: mail waits
    CHECK(answer->why.find("Too many open files") != std::string::npos);
  }
  CHECK(server.queries().empty());
  CHECK(ask_once()->status == Status::found);
}
