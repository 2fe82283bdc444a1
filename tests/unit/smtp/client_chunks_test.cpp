// SPDX-License-Identifier: Apache-2.0
//
// A message that leaves by BDAT (RFC 3030): chunks, what is said to them and when, and what a loss means.
#include <doctest.h>

#include "scripted_peer.hpp"
#include "smtp/client_command.hpp"

using namespace sealpost;
using namespace sealpost::smtp;
using namespace sealpost::test;

namespace {

using Lines = std::vector<std::string>;
constexpr const char* offer =
    "250-mx.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-BINARYMIME\r\n250 CHUNKING\r\n";

int code_said(const std::optional<Reply>& reply) { return reply ? reply->code : 0; }

// Offers what chunks need, and answers as told.
struct ChunkTalk : Talk {
  explicit ChunkTalk(const std::string& verb = "", std::deque<Say> words = {}, const char* ehlo = offer,
                     event::SimLink link = {})
      : Talk(link) {
    peer.always("EHLO", ehlo);
    if (!verb.empty()) peer.says[verb] = std::move(words);
    REQUIRE(open());
  }
  Lines chunks() const {
    Lines found;
    for (const std::string& line : peer.heard)
      if (line.starts_with("BDAT")) found.push_back(line);
    return found;
  }
};

std::shared_ptr<spool::StoredMessage> binary_message() {
  auto message = message_to({"a@mx.test"});
  message->envelope.body = BodyType::binary;
  return message;
}

const std::string large(200'000, 'x');

}  // namespace

TEST_CASE("X3 a small message is one chunk, dots are dots, and no CR or LF stands alone (T-22)") {
  ChunkTalk talk;
  const auto result =
      talk.send_chunks(message_to({"a@mx.test", "b@mx.test"}), {".x\r\n.\r", "\n..\nend\rof"});
  CHECK_FALSE(result.failure);
  CHECK(code_said(result.final) == 250);
  CHECK(talk.peer.data == ".x\r\n.\r\n..\r\nend\r\nof\r\n");
  CHECK(talk.chunks() == Lines{"BDAT " + std::to_string(talk.peer.data.size()) + " LAST"});
  CHECK(talk.peer.count("DATA") == 0);
  CHECK(code_said(talk.send_chunks(message_to({"c@mx.test"}), {}).final) == 250);
  CHECK(talk.chunks().back() == "BDAT 0 LAST");
  CHECK(talk.peer.count("RSET") == 0);
}

TEST_CASE(
    "X3 a large message is several chunks, the last one with octets, whatever the pieces and the "
    "pipelining") {
  for (const char* ehlo : {offer, "250-mx.test\r\n250 CHUNKING\r\n"}) {
    for (const std::size_t piece : {1000U, 65536U, 131072U, 200'000U}) {
      ChunkTalk talk("", {}, ehlo);
      Lines pieces;
      for (std::size_t at = 0; at < large.size(); at += piece) pieces.push_back(large.substr(at, piece));
      const auto result = talk.send_chunks(message_to({"a@mx.test"}), pieces);
      CHECK(code_said(result.final) == 250);
      CHECK(talk.peer.data == large + "\r\n");
      CHECK(talk.chunks().size() >= 3);
      for (const std::string& line : talk.chunks())
        CHECK(line.ends_with(" LAST") == (line == talk.chunks().back()));
      CHECK(talk.chunks().back() != "BDAT 0 LAST");
    }
  }
}

TEST_CASE("X4 what is binary goes as it is to who offers BINARYMIME, and to nobody else") {
  const std::string octets("Subject: x\r\n\r\n\0\n.\r\r\n", 21);
  ChunkTalk talk;
  const auto message = binary_message();
  CHECK(code_said(talk.send_chunks(message, {octets}).final) == 250);
  CHECK(talk.peer.data == octets);
  CHECK(talk.peer.count("MAIL FROM:<sender@source.test> BODY=BINARYMIME") == 1);
  CHECK(talk.send(message).failure->stage == Stage::mail);  // by DATA
  for (const char* ehlo : {"250-mx\r\n250 CHUNKING\r\n", "250-mx\r\n250 BINARYMIME\r\n", "250 mx\r\n"}) {
    ChunkTalk other("", {}, ehlo);
    const auto result = other.send_chunks(message, {octets});
    REQUIRE(result.failure);
    CHECK(other.peer.heard == Lines{"EHLO relay.test"});
    CHECK_FALSE(other.session->broken());
  }
}

TEST_CASE("X3 with nobody accepted no chunk is sent, and RSET comes before the next message") {
  ChunkTalk talk("RCPT", {"550 5.1.1 nobody\r\n", "250 ok\r\n"});
  const auto result = talk.send_chunks(message_to({"a@mx.test"}), {"secret\r\n"});
  CHECK_FALSE(result.final);
  CHECK(code_said(result.rcpt.front()) == 550);
  CHECK(talk.chunks().empty());
  CHECK(code_said(talk.send_chunks(message_to({"b@mx.test"}), {"x\r\n"}).final) == 250);
  CHECK(talk.peer.count("RSET") == 1);
}

TEST_CASE("X3 a refused chunk refuses the message, ends it, and RSET comes before the next") {
  for (const char* refusal : {"552 5.3.4 too big\r\n", "451 4.3.0 later\r\n", "503 5.5.1 what\r\n"}) {
    for (const bool first : {true, false}) {
      CAPTURE(refusal);
      ChunkTalk talk("BDAT", first ? std::deque<Say>{refusal} : std::deque<Say>{"250 ok\r\n", refusal});
      const auto result = talk.send_chunks(message_to({"a@mx.test"}), {large, large, large, large, large});
      CHECK_FALSE(result.failure);
      CHECK(result.final->to_string() + "\r\n" == refusal);
      CHECK_FALSE(talk.session->broken());
      CHECK(talk.chunks().size() < 15);
      CHECK_FALSE(talk.chunks().back().ends_with("LAST"));
      talk.peer.always("BDAT", "250 ok\r\n");
      CHECK(code_said(talk.send_chunks(message_to({"b@mx.test"}), {"x\r\n"}).final) == 250);
      CHECK(talk.peer.count("RSET") == 1);
    }
  }
}

TEST_CASE("X3 the reply to the last chunk is the message's") {
  for (const char* last : {"250 ok\r\n", "451 later\r\n", "554 no\r\n", "421 closing\r\n"}) {
    ChunkTalk talk(".", {last});
    const auto result = talk.send_chunks(message_to({"a@mx.test"}), {"x\r\n"});
    CHECK_FALSE(result.failure);
    CHECK(result.final->to_string() + "\r\n" == last);
    CHECK(talk.session->broken() == (result.final->code == 421));
  }
}

TEST_CASE("D-15 a connection lost behind the last chunk may have delivered, one lost before it has not") {
  for (const auto then : {Say::hang_up, Say::fall_silent}) {
    ChunkTalk last(".", {{"", then}});
    const auto lost = last.send_chunks(message_to({"a@mx.test"}), {"x\r\n"});
    REQUIRE(lost.failure);
    CHECK(lost.failure->stage == Stage::final_dot);
    ChunkTalk before("BDAT", {{"", then}}, "250-mx\r\n250 CHUNKING\r\n");
    const auto early = before.send_chunks(message_to({"a@mx.test"}), {large});
    REQUIRE(early.failure);
    CHECK(early.failure->stage == Stage::body);
  }
}

TEST_CASE("M27 SMTP-06 a word that answers nothing is no answer to the message") {
  SUBCASE("to the envelope") {
    ChunkTalk talk("RCPT", {"250 ok\r\n250 taken\r\n"});
    const auto result = talk.send_chunks(message_to({"a@mx.test"}), {"x\r\n"});
    CHECK_FALSE(result.final);
    CHECK(result.failure);
    CHECK(talk.chunks().empty());
  }
  SUBCASE("to a chunk") {
    ChunkTalk talk("BDAT", {"250 ok\r\n250 ok\r\n250 ok\r\n250 taken\r\n"}, "250-mx\r\n250 CHUNKING\r\n");
    const auto result = talk.send_chunks(message_to({"a@mx.test"}), {large});
    CHECK_FALSE(result.final);
    CHECK(result.failure);
    CHECK(talk.chunks().size() == 1);
  }
  SUBCASE("354") {
    ChunkTalk talk(".", {"354 go on\r\n"});
    const auto result = talk.send_chunks(message_to({"a@mx.test"}), {"x\r\n"});
    CHECK_FALSE(result.final);
    CHECK(result.failure->stage == Stage::final_dot);
  }
  SUBCASE("a chunk refused, and the message taken all the same: it has a hole") {
    event::SimLink link;
    link.latency = std::chrono::milliseconds(50);  // its words come when all chunks are on their way
    ChunkTalk talk("BDAT", {"451 not this one\r\n", "250 ok\r\n"}, offer, link);
    const auto result = talk.send_chunks(message_to({"a@mx.test"}), {large.substr(0, 70'000)});
    CHECK_FALSE(result.final);
    REQUIRE(result.failure);
    CHECK(result.failure->stage == Stage::final_dot);
    CHECK(talk.peer.messages == 1);
  }
}

TEST_CASE("X3 a host that offers CHUNKING and knows no BDAT refuses nobody's mail, and hears no more") {
  for (const char* what : {"500 5.5.1 unknown command\r\n", "502 what\r\n", "501 5.5.4 what\r\n"}) {
    for (const auto& body : {std::string("x\r\n"), large}) {
      ChunkTalk talk("BDAT", {what});
      talk.peer.chunks_known = false;
      const auto result = talk.send_chunks(message_to({"a@mx.test"}), {body});
      CHECK(result.chunks_unknown);
      CHECK_FALSE(result.final);
      REQUIRE(result.failure);
      CHECK(talk.session->broken());
    }
  }
}

TEST_CASE("X3 a body that cannot be read to its end is no message") {
  ChunkTalk talk;
  Transaction transaction;
  transaction.message = message_to({"a@mx.test"});
  transaction.recipients = {0};
  transaction.chunks = true;
  auto body = std::make_unique<Pieces>(Lines{large, "more\r\n"}, 1);
  const auto result = talk.run(talk.session->transact(std::move(transaction), std::move(body)));
  CHECK(result.unreadable);
  CHECK(talk.peer.messages == 0);
  CHECK(talk.session->broken());
}
