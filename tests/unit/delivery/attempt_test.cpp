// SPDX-License-Identifier: Apache-2.0
//
// One attempt along the hosts of a domain: who is asked next, what is never asked twice, what counts as a failure.
#include "delivery/attempt.hpp"

#include <functional>

#include "../smtp/scripted_peer.hpp"
#include "courier_world.hpp"

using namespace sealpost;
using namespace sealpost::delivery;
using namespace sealpost::test;
using namespace std::chrono_literals;

namespace {

// A host: what it says in its first session, its second, ...; the last goes on.
struct Host {
  using Script = std::function<void(ScriptedPeer&, std::size_t session)>;
  Host(event::SimLoop& loop, event::SimNetwork& network, const char* address, Script script_)
      : script(std::move(script_)), scope(loop) {
    network.listen(Endpoint(*IpAddress::parse(address), 25), [this](std::unique_ptr<event::Stream> stream) {
      sessions.push_back(std::make_unique<ScriptedPeer>());
      sessions.back()->always("EHLO", "250-mx.test\r\n250 PIPELINING\r\n");
      if (script) script(*sessions.back(), sessions.size());
      scope.spawn(sessions.back()->run(std::move(stream)));
    });
  }
  std::size_t messages() const {
    std::size_t count = 0;
    for (const auto& session : sessions) count += session->messages;
    return count;
  }
  std::size_t heard(std::string_view line) const {
    std::size_t count = 0;
    for (const auto& session : sessions) count += session->count(line);
    return count;
  }
  Script script;
  std::vector<std::unique_ptr<ScriptedPeer>> sessions;
  event::TaskScope scope;
};

Host::Script always(const char* verb, Say say) {
  return [verb, say](ScriptedPeer& peer, std::size_t) { peer.always(verb, say); };
}

struct AttemptWorld : CourierWorld {
  AttemptWorld() {
    two_hosts_for("b.example");
    deliver();
  }
  ~AttemptWorld() { shard.reset(); }
  Host& add(const char* address, Host::Script script = nullptr) {
    hosts_made.push_back(std::make_unique<Host>(loop, network, address, std::move(script)));
    return *hosts_made.back();
  }
  void send(std::vector<std::string> to = {"u@b.example"}) {
    accept(message("a@here.example", std::move(to)));
  }

  std::vector<std::unique_ptr<Host>> hosts_made;
};

}  // namespace

TEST_CASE("RFC 5321 §5.1: what the first host cannot take now, the second gets in the same attempt") {
  struct Row {
    const char* name;
    const char* verb;
    Say say;
  };
  for (const Row& row : std::vector<Row>{
           {"4yz greeting", "", "451 later\r\n"},
           {"5yz greeting", "", "554 not you\r\n"},
           {"4yz to EHLO", "EHLO", "451 later\r\n"},
           {"4yz to MAIL", "MAIL", "451 4.3.0 local trouble\r\n"},
           {"503 to MAIL", "MAIL", "503 5.5.1 polite people say hello first\r\n"},
           {"421 to MAIL", "MAIL", {"421 4.3.2 closing\r\n", Say::hang_up}},
           {"MAIL, gone", "MAIL", {"", Say::hang_up}},
           {"MAIL, silent", "MAIL", {"", Say::fall_silent}},
           {"MAIL, nonsense", "MAIL", "hello\r\n"},
           {"4yz to RCPT", "RCPT", "451 4.3.0 lookup trouble\r\n"},
           {"RCPT, gone", "RCPT", {"", Say::hang_up}},
           {"RCPT, silent", "RCPT", {"", Say::fall_silent}},
           {"4yz to DATA", "DATA", "451 4.3.0 later\r\n"},
           {"421 to DATA", "DATA", {"421 4.3.2 no disk\r\n", Say::hang_up}},
           {"DATA, silent", "DATA", {"", Say::fall_silent}},
           {"4yz to the final dot", ".", "452 4.3.1 mailbox system full\r\n"},
           {"421 to the final dot", ".", {"421 4.3.2 closing\r\n", Say::hang_up}},
       }) {
    CAPTURE(row.name);
    AttemptWorld world;
    world.add("198.51.100.1", always(row.verb, row.say));
    Host& second = world.add("198.51.100.2");
    world.send();
    world.loop.advance(7min);
    CHECK(second.messages() == 1);
    CHECK(world.queued().empty());
  }
}

TEST_CASE("D-16: each recipient is delivered once, wherever it was taken") {
  AttemptWorld world;
  Host& first = world.add("198.51.100.1", [](ScriptedPeer& peer, std::size_t) {
    peer.says["RCPT"] = {"250 ok\r\n", "451 later\r\n", "550 5.1.1 nobody\r\n"};
  });
  Host& second = world.add("198.51.100.2");
  world.send({"u@b.example", "v@b.example", "w@b.example"});
  world.loop.advance(30s);
  CHECK(first.messages() == 1);
  CHECK(second.messages() == 1);
  CHECK(second.heard("RCPT TO:<v@b.example>") == 1);
  CHECK(second.heard("RCPT") == 1);
  CHECK(world.totals.delivered == 2);
  CHECK(world.totals.bounced == 1);
}

TEST_CASE("D-13: what the first host took is on record before the second answers") {
  AttemptWorld world;
  world.add("198.51.100.1", [](ScriptedPeer& peer, std::size_t) {
    peer.says["RCPT"] = {"250 ok\r\n", "451 later\r\n"};
  });
  world.add("198.51.100.2", always("MAIL", {"", Say::fall_silent}));
  world.send({"u@b.example", "v@b.example"});
  world.loop.advance(10s);
  world.shard.reset();
  world.courier.reset();
  const auto recovered = world.reopen();
  REQUIRE(recovered.size() == 1);
  CHECK(recovered[0]->progress[0].state == spool::RecipientState::delivered);
  CHECK(recovered[0]->progress[1].state == spool::RecipientState::pending);
}

TEST_CASE("D-15: after a lost reply to the final dot no other host is asked") {
  for (const Say& say :
       std::vector<Say>{{"", Say::hang_up}, {"", Say::fall_silent}, "what\r\n", "354 go\r\n"}) {
    AttemptWorld world;
    Host& first = world.add("198.51.100.1", always(".", say));
    Host& second = world.add("198.51.100.2");
    world.send();
    world.loop.advance(14min);
    CHECK(first.messages() == 1);
    CHECK(second.sessions.empty());
    CHECK(world.queued().size() == 1);
  }
}

TEST_CASE("greylisting hosts are asked once each in an attempt, three at most in the first") {
  AttemptWorld world;
  world.resolver.mx("b.example", {{10, "mx1.b.example"},
                                  {20, "mx2.b.example"},
                                  {30, "mx3.b.example"},
                                  {40, "mx4.b.example"},
                                  {50, "mx5.b.example"}});
  std::vector<Host*> all;
  for (int i = 1; i <= 5; ++i) {
    const std::string address = "198.51.100." + std::to_string(i);
    world.resolver.address("mx" + std::to_string(i) + ".b.example", {address.c_str()});
    all.push_back(&world.add(address.c_str(), always("RCPT", "450 4.7.1 greylisted\r\n")));
  }
  world.send();
  world.loop.advance(1min);
  std::size_t asked = 0;
  for (const Host* host : all) {
    CHECK(host->sessions.size() <= 1);
    asked += host->heard("RCPT");
  }
  CHECK(asked == 3);
  const auto entries = world.queued();
  REQUIRE(entries.size() == 1);
  CHECK(entries[0].attempts == 1);
  CHECK(entries[0].reason.find("mx1.b.example: 450") != std::string::npos);
}

TEST_CASE("X6 SMTPUTF8 is asked of a host for what needs it, and of nothing else (RFC 6531 §3.4)") {
  AttemptWorld world;
  const auto offers = always("EHLO", "250-mx.test\r\n250-DSN\r\n250-SMTPUTF8\r\n250 8BITMIME\r\n");
  Host& first = world.add("198.51.100.1", offers);
  world.send({"u@b.example"});
  world.loop.advance(30s);
  CHECK(first.heard("MAIL FROM:<a@here.example>") == 1);
  world.send({"u@b.example", "\xc3\xbc@b.example"});
  world.loop.advance(30s);
  CHECK(first.heard("MAIL FROM:<a@here.example> SMTPUTF8") == 1);
  CHECK(first.heard("RCPT TO:<\xc3\xbc@b.example>") == 1);
  auto header = world.message("a@here.example", {"u@b.example"});
  header.envelope.smtputf8 = true;
  header.envelope.recipients[0].original = "utf-8;\xc3\xbc@b.example";
  world.accept(std::move(header));
  world.loop.advance(30s);
  CHECK(first.heard("MAIL FROM:<a@here.example> SMTPUTF8") == 2);
  CHECK(first.heard("RCPT TO:<u@b.example> ORCPT=utf-8;\\x{FC}@b.example") == 1);
  CHECK(world.totals.delivered == 4);
}

TEST_CASE("X6 5.6.7 is for those who need SMTPUTF8, and final when no host of the domain offers it") {
  AttemptWorld world;
  Host& first = world.add("198.51.100.1");
  Host& second = world.add("198.51.100.2");
  world.send({"u@b.example", "\xc3\xbc@b.example"});
  world.loop.advance(30s);
  CHECK(first.messages() == 1);
  CHECK(first.heard("RCPT") == 1);
  CHECK(second.heard("MAIL") == 0);
  CHECK(world.totals.delivered == 1);
  CHECK(world.totals.bounced == 1);
  CHECK(world.totals.dsns == 1);
}

TEST_CASE("X6 another host that offers SMTPUTF8 gets what the first cannot be told") {
  AttemptWorld world;
  Host& first = world.add("198.51.100.1");
  Host& second = world.add("198.51.100.2", always("EHLO", "250-mx.test\r\n250 SMTPUTF8\r\n"));
  world.send({"u@b.example", "\xc3\xbc@b.example"});
  world.loop.advance(30s);
  CHECK(first.heard("RCPT TO:<u@b.example>") == 1);
  CHECK(first.heard("RCPT") == 1);
  CHECK(second.heard("RCPT TO:<\xc3\xbc@b.example>") == 1);
  CHECK(second.heard("RCPT") == 1);
  CHECK(world.totals.delivered == 2);
  CHECK(world.totals.bounced == 0);
}

TEST_CASE("X6 while a host of the domain is not reached, or puts it off, nothing comes back as 5.6.7") {
  const auto offers_and_waits = [](ScriptedPeer& peer, std::size_t) {
    peer.always("EHLO", "250-mx.test\r\n250 SMTPUTF8\r\n");
    peer.always("RCPT", "451 later\r\n");
  };
  for (const bool reached : {false, true}) {
    AttemptWorld world;
    if (reached) world.add("198.51.100.1", offers_and_waits);
    Host& second = world.add("198.51.100.2");
    world.send({"\xc3\xbc@b.example"});
    world.loop.advance(30s);
    CHECK(second.sessions.size() == 1);
    CHECK(world.totals.bounced == 0);
    CHECK(world.queued().size() == 1);
  }
}

namespace {

// A message whose body is beyond ASCII.
spool::NewMessage eight_bit(AttemptWorld& world, const char* header = "") {
  auto made = world.message("a@here.example", {"u@b.example"});
  made.envelope.body = BodyType::eight_bit_mime;
  made.body = std::string(header) +
              "Subject: x\r\n\r\ngr\xfc\xdf"
              "e\r\n.\r\n";
  return made;
}

void set(AttemptWorld& world, const std::function<void(Settings&)>& change) {
  auto made = std::make_shared<Rules>(*world.rules);
  change(made->settings);
  world.rules = std::move(made);
  world.courier->set_rules(world.rules);
}

}  // namespace

TEST_CASE("X5 8-bit mail is converted for a host without 8BITMIME, and for no other (RFC 6152 §3)") {
  AttemptWorld world;
  Host& host = world.add("198.51.100.1", always("EHLO", "250-mx.test\r\n250 SIZE\r\n"));
  world.accept(eight_bit(world));
  world.loop.advance(30s);
  REQUIRE(host.messages() == 1);
  const std::string& got = host.sessions.front()->data;
  CHECK(got.find("Content-Transfer-Encoding: quoted-printable\r\n\r\ngr=FC=DFe\r\n..\r\n.\r\n") !=
        std::string::npos);
  CHECK(host.heard("BODY") == 0);
  CHECK(world.totals.converted == 1);

  AttemptWorld other;
  Host& able = other.add("198.51.100.1", always("EHLO", "250-mx.test\r\n250 8BITMIME\r\n"));
  other.accept(eight_bit(other));
  other.loop.advance(30s);
  REQUIRE(able.messages() == 1);
  CHECK(able.sessions.front()->data.find("gr\xfc\xdf"
                                         "e\r\n") != std::string::npos);
  CHECK(able.heard("MAIL FROM:<a@here.example> BODY=8BITMIME") == 1);
  CHECK(other.totals.converted == 0);
}

TEST_CASE("X5 signed 8-bit mail goes as delivery.signed_eight_bit says, and 5.6.3 waits for the last host") {
  const char* header = "DKIM-Signature: v=1\r\n";
  const std::string raw =
                        "gr\xfc\xdf"
                        "e",
                    encoded = "gr=FC=DFe";
  for (const auto how : {SignedEightBit::send, SignedEightBit::convert, SignedEightBit::bounce}) {
    AttemptWorld world;
    set(world, [&](Settings& settings) { settings.signed_eight_bit = how; });
    Host& first = world.add("198.51.100.1");
    Host& second = world.add("198.51.100.2");
    world.accept(eight_bit(world, header));
    world.loop.advance(30s);
    CHECK(first.messages() == (how == SignedEightBit::bounce ? 0 : 1));
    if (how == SignedEightBit::send) CHECK(first.sessions.front()->data.find(raw) != std::string::npos);
    if (how == SignedEightBit::convert)
      CHECK(first.sessions.front()->data.find(encoded) != std::string::npos);
    CHECK(second.sessions.size() == (how == SignedEightBit::bounce ? 1 : 0));
    CHECK(world.totals.bounced == (how == SignedEightBit::bounce ? 1 : 0));
  }
  AttemptWorld world;
  set(world, [&](Settings& settings) { settings.signed_eight_bit = SignedEightBit::bounce; });
  world.add("198.51.100.1");
  Host& second = world.add("198.51.100.2", always("EHLO", "250-mx.test\r\n250 8BITMIME\r\n"));
  world.accept(eight_bit(world, header));
  world.loop.advance(30s);
  CHECK(second.messages() == 1);
  CHECK(world.totals.bounced == 0);
}

namespace {

const std::string binary_octets("\0\n\r.\r\n", 6);
constexpr const char* takes_chunks = "250-mx.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 CHUNKING\r\n";

spool::NewMessage binary(AttemptWorld& world, const char* header = "") {
  auto made = world.message("a@here.example", {"u@b.example"});
  made.envelope.body = BodyType::binary;
  made.body = std::string(header) +
              "MIME-Version: 1.0\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n" +
              binary_octets;
  return made;
}

}  // namespace

TEST_CASE("X4 binary mail goes as it is to a host with BINARYMIME, as base64 to another (RFC 3030 §3)") {
  for (const char* ehlo :
       {"250-mx.test\r\n250-BINARYMIME\r\n250 CHUNKING\r\n", takes_chunks, "250 mx.test\r\n"}) {
    for (const auto how : {Chunking::needed, Chunking::offered, Chunking::never}) {
      AttemptWorld world;
      set(world, [&](Settings& settings) { settings.chunking = how; });
      Host& host = world.add("198.51.100.1", always("EHLO", ehlo));
      world.accept(binary(world));
      world.loop.advance(30s);
      REQUIRE(host.messages() == 1);
      const std::string& got = host.sessions.front()->data;
      const bool able = std::string(ehlo).find("BINARYMIME") != std::string::npos && how != Chunking::never;
      const bool chunks =
          able || (how == Chunking::offered && std::string(ehlo).find("CHUNKING") != std::string::npos);
      CHECK((got.find("\r\n\r\n" + binary_octets) != std::string::npos) == able);
      CHECK((got.find("Content-Transfer-Encoding: base64\r\n\r\nAAoNLg0K\r\n") != std::string::npos) ==
            !able);
      CHECK(host.heard("MAIL FROM:<a@here.example> BODY=BINARYMIME") == (able ? 1 : 0));
      CHECK(host.heard("DATA") == (chunks ? 0 : 1));
      CHECK(world.totals.converted == (able ? 0 : 1));
    }
  }
}

TEST_CASE("X4 signed binary mail is converted, or returned with 5.6.3 where that is not wanted") {
  for (const auto how : {SignedEightBit::send, SignedEightBit::convert, SignedEightBit::bounce}) {
    AttemptWorld world;
    set(world, [&](Settings& settings) { settings.signed_eight_bit = how; });
    Host& host = world.add("198.51.100.1", always("EHLO", takes_chunks));
    world.add("198.51.100.2", always("EHLO", takes_chunks));
    world.accept(binary(world, "DKIM-Signature: v=1\r\n"));
    world.loop.advance(30s);
    CHECK(host.messages() == (how == SignedEightBit::bounce ? 0 : 1));
    CHECK(world.totals.bounced == (how == SignedEightBit::bounce ? 1 : 0));
  }
}

TEST_CASE("X3 a host whose CHUNKING is none gets the message by DATA at once, and no more chunks") {
  AttemptWorld world;
  set(world, [&](Settings& settings) { settings.chunking = Chunking::offered; });
  const auto script = [](ScriptedPeer& peer, std::size_t) {
    peer.always("EHLO", takes_chunks);
    peer.always("BDAT", "500 5.5.1 unknown command\r\n");
    peer.chunks_known = false;
  };
  Host& first = world.add("198.51.100.1", script);
  Host& second = world.add("198.51.100.2", script);
  world.send();
  world.loop.advance(1min);
  CHECK(first.messages() + second.messages() == 1);
  CHECK(first.heard("BDAT") == 1);
  CHECK(world.totals.bounced == 0);
  world.send();
  world.loop.advance(1min);
  CHECK(first.heard("BDAT") == 1);
  CHECK(first.messages() + second.messages() == 2);
}

TEST_CASE("X11 MAILMAX and RCPTMAX of a host are obeyed (RFC 9422 §4)") {
  AttemptWorld world;
  Host& host = world.add("198.51.100.1", always("EHLO", "250-mx.test\r\n250 LIMITS MAILMAX=2 RCPTMAX=1\r\n"));
  for (int i = 0; i < 5; ++i) world.send();
  world.send({"u@b.example", "v@b.example", "w@b.example"});
  world.loop.advance(1min);
  CHECK(world.totals.delivered == 8);
  CHECK(host.messages() == 8);
  for (const auto& session : host.sessions) CHECK(session->count("MAIL") <= 2);
}

TEST_CASE("a keyword that is to be ignored is not used") {
  AttemptWorld world;
  set(world, [&](Settings& settings) {
    settings.ignored_keywords = {{"*.b.example", {"PIPELINING", "8BITMIME"}}};
  });
  Host& host = world.add("198.51.100.1", always("EHLO", "250-mx.test\r\n250-PIPELINING\r\n250 8BITMIME\r\n"));
  world.accept(eight_bit(world));
  world.loop.advance(30s);
  REQUIRE(host.messages() == 1);
  CHECK(host.sessions.front()->data.find("gr=FC=DFe") != std::string::npos);
}

TEST_CASE("a definite 5yz to RCPT is final at the first host") {
  AttemptWorld world;
  world.add("198.51.100.1", always("RCPT", "550 5.1.1 nobody\r\n"));
  Host& second = world.add("198.51.100.2");
  world.send();
  world.loop.advance(30s);
  CHECK(second.sessions.empty());
  CHECK(world.totals.bounced == 1);
}

TEST_CASE(
    "T-03: a host that refuses mail in clear and wants TLS is tried again, and never bounces mail at once") {
  for (const char* words :
       {"530 5.7.0 Must issue a STARTTLS command first\r\n", "523 5.7.10 Encryption Needed\r\n",
        "538 5.7.11 Encryption required for requested authentication mechanism\r\n",
        "554 5.7.1 TLS required, use STARTTLS\r\n", "550 5.7.10 encryption needed\r\n"}) {
    CAPTURE(words);
    AttemptWorld world;
    world.add("198.51.100.1", always("MAIL", words));
    world.add("198.51.100.2", always("RCPT", words));
    world.send();
    world.loop.advance(30s);
    CHECK(world.totals.bounced == 0);
    CHECK(world.queued().size() == 1);
    CHECK(world.hosts.encryption_wanted("mx1.b.example", world.loop.now()));
  }
}

TEST_CASE("N messages per session: a new connection at once, no failure, and the number is learned") {
  for (const Say& end : std::vector<Say>{{"421 4.7.0 too many messages in this session\r\n", Say::hang_up},
                                         {"", Say::hang_up},
                                         "452 4.4.5 too many messages\r\n",
                                         "450 4.7.1 enough for one session\r\n"}) {
    CAPTURE(end.text);
    AttemptWorld world;
    world.resolver.mx("b.example", {{10, "mx1.b.example"}});
    Host& only = world.add("198.51.100.1", [&](ScriptedPeer& peer, std::size_t) {
      peer.always("EHLO", "250 mx.test\r\n");  // without PIPELINING nothing follows a refused MAIL
      peer.says["MAIL"] = {"250 ok\r\n", "250 ok\r\n", "250 ok\r\n", end};
    });
    for (int i = 0; i < 40; ++i) world.send();
    world.loop.advance(5s);
    CHECK(only.messages() == 40);
    CHECK(world.queued().empty());
    CHECK(world.totals.deferred == 0);
    CHECK(world.hosts.session_limit("mx1.b.example", world.loop.now()) == 3);
    CHECK_FALSE(world.hosts.session_limit("mx1.b.example", world.loop.now() + 2h));
  }
}

TEST_CASE("a host that ends every session before the first message has failed, and is left alone") {
  AttemptWorld world;
  world.resolver.mx("b.example", {{10, "mx1.b.example"}});
  Host& only = world.add("198.51.100.1", always("MAIL", {"421 4.7.0 too many messages\r\n", Say::hang_up}));
  for (int i = 0; i < 10; ++i) world.send();
  world.loop.advance(1min);
  CHECK(only.sessions.size() <= 10);
  CHECK(world.queued().size() == 10);
}

TEST_CASE("T-27 our own want of descriptors is not held against the host, and is no failed attempt") {
  AttemptWorld world;
  world.resolver.mx("b.example", {{10, "mx1.b.example"}});
  Host& only = world.add("198.51.100.1");
  world.connector.starved = 3;
  world.send();
  world.loop.advance(30s);
  CHECK(only.messages() == 1);
  CHECK(world.totals.deferred == 0);
  CHECK(world.queued().empty());
}

TEST_CASE("RFC 5321 §3.1: a host that says 554 as greeting gets QUIT") {
  AttemptWorld world;
  world.resolver.mx("b.example", {{10, "mx1.b.example"}});
  Host& only = world.add("198.51.100.1", always("", "554 5.7.1 no service for you\r\n"));
  world.send();
  world.loop.advance(10s);
  REQUIRE(only.sessions.size() == 1);
  CHECK(only.sessions[0]->heard == std::vector<std::string>{"QUIT"});
}
