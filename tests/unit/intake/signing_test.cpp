// SPDX-License-Identifier: Apache-2.0
//
// `[dkim] sign_relayed` while mail is taken in: what is stored is what was signed, however it got to the journal.
#include <doctest.h>

#include "../mail/example_signer.hpp"
#include "intake_fixture.hpp"

using namespace sealpost;
using namespace sealpost::test;

namespace {

const std::string head = "From: Anna <a@b.example>\r\nSubject: hi\r\n";

struct Signing : IntakeFixture {
  Signing() {
    dkim = std::make_shared<const DkimKeyring>(std::vector<DkimSigner>{example_signer("b.example")});
  }

  // The reply to the final dot.
  std::string send(const std::string& message, std::size_t step = 10'000) {
    Script& client = connect();
    say(client, hello + envelope);
    for (std::size_t at = 0; at < message.size(); at += step) {
      say(client, message.substr(at, step));
      most_memory = std::max(most_memory, budget().used());
    }
    return say(client, ".\r\n");
  }
  // Signature, our Received field, the message: in this order, and nothing else.
  void check_stored(const std::string& message, std::string_view body) {
    REQUIRE(spool.stored.size() == 1);
    const std::string& kept = spool.body(0);
    const std::string field = dkim_signature(example_signer("b.example"), head, body, loop.wall()).value();
    CHECK(kept.starts_with(field + "Received: from client.example.net"));
    CHECK(kept.ends_with("\r\n" + message));
    CHECK(spool.stored[0]->size == kept.size());
    CHECK(spool.discarded == 0);
  }
  std::uint64_t most_memory = 0;
};

}  // namespace

TEST_CASE("a short message is stored with its signature in front, in one piece") {
  for (const std::string body : {"Hello.\r\n", "", ".hidden\r\n\r\n\r\n"}) {
    Signing fixture;
    const std::string message = head + "\r\n" + body;
    const std::string stuffed = body.starts_with('.') ? head + "\r\n." + body : message;
    CHECK(fixture.send(stuffed, 7).starts_with("250 "));
    CHECK(fixture.spool.appends == 0);
    fixture.check_stored(message, body);
  }
}

TEST_CASE("T-28 a long one is hashed while it goes ahead, and its signature becomes the first part") {
  Signing fixture;
  std::string body;
  for (int i = 0; body.size() < (3U << 20); ++i) body += "line " + std::to_string(i) + "\r\n";
  CHECK(fixture.send(head + "\r\n" + body).starts_with("250 "));
  CHECK(fixture.spool.appends >= 10);
  CHECK(fixture.spool.pieces.back().starts_with("DKIM-Signature: "));
  CHECK(fixture.most_memory <= 400 * 1024);
  CHECK(fixture.budget().used() == 0);
  fixture.check_stored(head + "\r\n" + body, body);
}

TEST_CASE("D-01 a signature that cannot be written refuses the message, and nothing of it stays") {
  Signing fixture;
  Script& client = fixture.connect();
  fixture.say(client, hello + envelope + head + "\r\n");
  for (int i = 0; i < 60; ++i) fixture.say(client, std::string(9'998, 'x') + "\r\n");
  REQUIRE(fixture.spool.appends >= 1);
  fixture.spool.append_error = Error(Errc::no_space, "full");
  CHECK(fixture.say(client, ".\r\n").starts_with("452 4.3.1"));
  CHECK(fixture.spool.stored.empty());
  CHECK(fixture.spool.discarded == 1);
}

TEST_CASE("signing never refuses mail: what has no author, no key or too long a header is stored as it is") {
  const std::string long_head = "From: a@b.example\r\n" + [] {
    std::string fields;
    for (int i = 0; i < 300; ++i) fields += "X: " + std::string(990, 'x') + "\r\n";
    return fields;
  }();
  for (const std::string& message :
       {std::string("Subject: x\r\n\r\nx\r\n"), std::string("From: a@c.example\r\n\r\n"),
        std::string("x\r\n"), long_head + "\r\nx\r\n"}) {
    Signing fixture;
    CHECK(fixture.send(message).starts_with("250 "));
    REQUIRE(fixture.spool.stored.size() == 1);
    CHECK(fixture.spool.body(0).starts_with("Received: "));
    CHECK(fixture.spool.body(0).ends_with(message));
  }
}
