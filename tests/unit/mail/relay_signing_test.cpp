// SPDX-License-Identifier: Apache-2.0
#include "mail/relay_signing.hpp"

#include <doctest.h>

#include <algorithm>

#include "base/text.hpp"
#include "example_signer.hpp"

using namespace sealpost;

namespace {

const SystemTime now{std::chrono::seconds(1'772'000'000)};
const std::string head = "From: Anna <a@b.example>\r\nTo: x@y.example\r\nSubject: hi\r\n";
const std::string message = head + "\r\nHello.\r\n";

std::shared_ptr<const DkimKeyring> keys() {
  std::vector<DkimSigner> signers{example_signer("b.example", "s1"), example_signer("b.example", "s2"),
                                  example_signer("deep.b.example", "d1"), example_signer("c.example", "c1")};
  return std::make_shared<const DkimKeyring>(std::move(signers));
}

struct Signed {
  std::string fields, outcome, problem;
};

Signed sign(std::string_view text, std::size_t first = std::string::npos, std::size_t slice = 7) {
  RelaySigning signing(keys());
  const std::size_t begin = std::min(first, text.size());
  signing.add(text.substr(0, begin));
  for (std::size_t at = begin; at < text.size(); at += slice) signing.add(text.substr(at, slice));
  Signed result;
  result.fields = signing.finish(now);
  result.outcome = signing.outcome();
  result.problem = signing.problem();
  return result;
}

std::size_t count(std::string_view text, std::string_view what) {
  std::size_t found = 0;
  for (auto at = text.find(what); at != text.npos; at = text.find(what, at + 1)) ++found;
  return found;
}

}  // namespace

TEST_CASE("K4 the author's domain chooses the keys, the nearest domain above it otherwise") {
  const struct {
    std::string_view from, outcome;
    std::size_t signatures;
  } rows[] = {
      {"a@b.example", "b.example", 2},
      {"a@B.EXAMPLE", "b.example", 2},
      {"a@sub.b.example", "b.example", 2},
      {"a@deep.b.example", "deep.b.example", 1},
      {"a@x.deep.b.example", "deep.b.example", 1},
      {"a@c.example", "c.example", 1},
      {"a@notb.example", "no-key", 0},
      {"a@example", "no-key", 0},
  };
  for (const auto& row : rows) {
    const Signed made = sign("From: " + std::string(row.from) + "\r\n\r\nx\r\n");
    CHECK_MESSAGE(made.outcome == row.outcome, row.from);
    CHECK(count(made.fields, "DKIM-Signature:") == row.signatures);
    if (row.signatures > 0)
      CHECK(made.fields.find("d=" + std::string(row.outcome) + ";") != std::string::npos);
    CHECK(made.problem.empty());
  }
}

TEST_CASE("pieces make no difference, and the result is what signing the whole gives") {
  const Signed whole = sign(message);
  for (const std::size_t first : {head.size() + 2, head.size() + 5})
    for (const std::size_t slice : {1UL, 2UL, 5UL}) CHECK(sign(message, first, slice).fields == whole.fields);
  const auto alone = dkim_signature(example_signer("b.example", "s1"), head, "Hello.\r\n", now);
  CHECK(whole.fields.starts_with(alone.value()));
}

TEST_CASE("a message without body, and one that is all header") {
  CHECK(sign(head + "\r\n").outcome == "b.example");
  CHECK(sign(head + "\r\n").fields == sign(head).fields);
  CHECK(sign(head).fields.find("bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=") != std::string::npos);
}

TEST_CASE("what cannot be signed stays as it is, with the reason") {
  for (const std::string text :
       {"", "\r\n", "\r\nFrom: a@b.example\r\n", "Subject: x\r\n\r\nFrom: a@b.example\r\n"}) {
    const Signed made = sign(text);
    CHECK(made.fields.empty());
    CHECK(made.outcome == "unsigned");
    CHECK(made.problem == "there is no From field");
  }
  CHECK(sign("From: a@b.example\r\nFrom: a@c.example\r\n\r\n").problem == "there are 2 From fields");
  const std::string endless = "From: a@b.example\r\nX: " + std::string(300'000, 'x');
  CHECK(sign(endless, 262'144).problem == "its header is too long to be signed");
}

TEST_CASE("a first line that continues nothing becomes part of our Received field and is no field to sign") {
  const Signed made = sign("\tSubject: hidden\r\n" + head + "\r\nHello.\r\n");
  CHECK(made.fields == sign(message).fields);
}

TEST_CASE(
    "no double signature: ours that still holds is enough, one that does not gets a good one beside it") {
  const Signed once = sign(message);
  const std::string passed =
      "Received: from a by b; later\r\n" + once.fields + "Received: from x\r\n" + message;
  CHECK(sign(passed).fields.empty());
  CHECK(sign(passed).outcome == "already");

  const auto changed = [&](std::string_view from, std::string_view to) {
    std::string text = passed;
    text.replace(text.find(from), from.size(), to);
    return count(sign(text).fields, "DKIM-Signature:");
  };
  CHECK(changed("Hello.", "Goodbye.") == 2);          // the body
  CHECK(changed("Subject: hi", "Subject: ho") == 2);  // a signed field
  CHECK(changed("s=s1;", "s=sx;") == 1);              // somebody else's
  CHECK(changed("t=1772000000", "t=99999999999999999") == 1);
  CHECK(changed("t=1772000000", "t=253402300799") == 1);
  CHECK(changed("d=b.example", "d=e.example") == 1);
}
