// SPDX-License-Identifier: Apache-2.0
#include "injection/request.hpp"

#include <doctest/doctest.h>

#include <tuple>

#include "base/text.hpp"
#include "mail/header.hpp"

using namespace sealpost;
using injection::read_json_wish;
using injection::read_message_wish;
using injection::WishLimits;

namespace {

// As the middle of a request that is fine without it.
std::string request_with(const std::string& more) {
  return R"({"from": "anna@a.test", "to": ["bo@b.test"], "text": "x")" + (more.empty() ? "" : ", " + more) +
         "}";
}

}  // namespace

TEST_CASE("recipients are those of to, cc and bcc, each once, and bcc stands in no field") {
  const auto wish = read_json_wish(
      R"({"from": "Anna <anna@a.test>", "to": ["bo@b.test", "Cy <cy@c.test>"], "cc": "bo@b.test",
          "bcc": ["di@d.test"], "text": "x", "tls": "verify", "send_at": "2026-12-24T08:00:00+01:00"})",
      {});
  REQUIRE(wish);
  CHECK(wish->sender == "anna@a.test");
  CHECK(wish->recipients == std::vector<std::string>{"bo@b.test", "cy@c.test", "di@d.test"});
  CHECK(wish->places == std::vector<std::string>{"/to/0", "/to/1", "/bcc/0"});
  CHECK(wish->tls == TlsNeed::verify);
  CHECK(wish->send_at == from_rfc3339("2026-12-24T07:00:00Z"));
  CHECK(wish->message.find("di@d.test") == std::string::npos);
  CHECK(wish->message.find("To: bo@b.test, \"Cy\" <cy@c.test>\r\n") != std::string::npos);
}

TEST_CASE("an envelope of its own goes before the addresses of the header") {
  const auto wish = read_json_wish(request_with(R"("envelope": {"from": "", "to": ["list@b.test"]})"), {});
  REQUIRE(wish);
  CHECK(wish->sender.empty());
  CHECK(wish->recipients == std::vector<std::string>{"list@b.test"});
}

TEST_CASE("T-23 what could end a line or begin a field is refused, and the place is named") {
  for (const auto& [said, at] : std::vector<std::pair<std::string, std::string>>{
           {R"("subject": "a\r\nBcc: x@x.test")", "/subject"},
           {R"("subject": "a\nb")", "/subject"},
           {R"("subject": "a\u0000b")", "/subject"},
           {R"("cc": ["\"a\r\nX: y\" <x@x.test>"])", "/cc/0"},
           {R"("reply_to": "x@x.test\r\nX: y")", "/reply_to"},
           {R"("headers": {"X-A": "b\r\nX-C: d"})", "/headers/X-A"},
           {R"("headers": {"X-A\r\nX-C": "d"})", "/headers/X-A\\x0d\\x0aX-C"},
           {R"("headers": {"X A": "d"})", "/headers/X A"},
           {R"("headers": {"X/A:": "d"})", "/headers/X~1A:"},
           {R"("envelope": {"to": ["a@b.test>\r\nRCPT TO:<x@x.test"]})", "/envelope/to/0"},
           {R"("attachments": [{"content": "", "name": "a\r\nb"}])", "/attachments/0/name"},
           {R"("attachments": [{"content": "", "type": "a/b\r\nX: y"}])", "/attachments/0/type"},
           {R"("attachments": [{"content": "", "type": "a/b; name=\"x\""}])", "/attachments/0/type"},
           {R"("attachments": [{"content": "", "content_id": "a>\r\n"}])", "/attachments/0/content_id"},
       }) {
    const std::string& more = said;
    CAPTURE(more);
    const auto wish = read_json_wish(request_with(more), {});
    REQUIRE(!wish);
    CHECK(wish.error().status == 422);
    CHECK(wish.error().at == at);
  }
}

TEST_CASE("what is wrong is named by its place") {
  using Row = std::tuple<std::string, int, std::string>;
  for (const auto& [said, status, at] : std::vector<Row>{
           {"{", 400, ""},
           {"[]", 400, ""},
           {std::string(100, '[') + std::string(100, ']'), 400, ""},
           {"\"\xff\"", 400, ""},
           // Of two, one would count for nothing, and which one is anybody's guess.
           {request_with(R"("tls": "verify", "tls": "encrypt")"), 400, ""},
           {request_with(R"("tls": "verify", "\u0074ls": "encrypt")"), 400, ""},
           {R"({"to": "a@b.test", "text": "x"})", 422, "/from"},
           {R"({"from": "a@b.test", "text": "x"})", 422, "/to"},
           {R"({"from": "a@b.test", "to": "a@b.test"})", 422, "/text"},
           {R"({"from": "a", "to": "a@b.test", "text": "x"})", 422, "/from"},
           {R"({"from": "a@b.test", "to": [1], "text": "x"})", 422, "/to/0"},
           {R"({"from": "a@b.test", "to": {}, "text": "x"})", 422, "/to"},
           {request_with(R"("subjekt": "x")"), 400, "/subjekt"},
           {request_with(R"("tls": "maybe")"), 422, "/tls"},
           {request_with(R"("send_at": "tomorrow")"), 422, "/send_at"},
           {request_with(R"("send_at": 1798099200)"), 422, "/send_at"},
           {request_with(R"("subject": 1)"), 422, "/subject"},
           {request_with(R"("headers": {"From": "x@x.test"})"), 422, "/headers/From"},
           {request_with(R"("headers": {"content-type": "text/html"})"), 422, "/headers/content-type"},
           {request_with(R"("headers": {"Sender": "Ä <x@x.test>"})"), 422, "/headers/Sender"},
           {request_with(R"("attachments": [{"name": "x"}])"), 422, "/attachments/0/content"},
           {request_with(R"("attachments": [{"content": "*"}])"), 422, "/attachments/0/content"},
           {request_with(R"("attachments": [{"content": "", "type": "message/rfc822"}])"), 422,
            "/attachments/0/type"},
           {request_with(R"("raw": "")"), 422, "/from"},
           {R"({"raw": "YQ=="})", 422, "/envelope"},
       }) {
    const std::string& body = said;
    CAPTURE(body);
    const auto wish = read_json_wish(body, {});
    REQUIRE(!wish);
    CHECK(wish.error().status == status);
    CHECK(wish.error().at == at);
    CHECK(!wish.error().what.empty());
  }
}

TEST_CASE("T-29 there are no more recipients, and no more octets, than are allowed") {
  WishLimits limits;
  limits.recipients = 2;
  const auto many = read_json_wish(request_with(R"("cc": ["a@c.test", "b@c.test"])"), limits);
  REQUIRE(!many);
  CHECK(many.error().at == "/cc/1");
  limits.message = 100;
  const auto large = read_json_wish(request_with(""), limits);
  REQUIRE(!large);
  CHECK(large.error().status == 413);
}

TEST_CASE("a message has its envelope in the query, or in its header") {
  const std::string message =
      "From: Anna <anna@a.test>\r\nTo: bo@b.test, cy@c.test\r\nBcc: di@d.test\r\n\r\nx\r\n";
  const auto of_header = read_message_wish("", message, {});
  REQUIRE(of_header);
  CHECK(of_header->sender == "anna@a.test");
  CHECK(of_header->recipients == std::vector<std::string>{"bo@b.test", "cy@c.test", "di@d.test"});
  CHECK(of_header->message == message);
  const auto of_query = read_message_wish(
      "from=b%2Bx@a.test&to=e+f@e.test&to=g%40g.test&tls=encrypt&send_at=2026-12-24T08:00:00Z", message, {});
  REQUIRE(of_query);
  CHECK(of_query->sender == "b+x@a.test");
  CHECK(of_query->recipients == std::vector<std::string>{"e+f@e.test", "g@g.test"});
  CHECK(of_query->tls == TlsNeed::encrypt);
  CHECK(of_query->send_at == from_rfc3339("2026-12-24T08:00:00Z"));
  CHECK(of_query->send_at_place == "?send_at");
  for (const char* query : {"to=%0d%0a@b.test", "to=%4", "x=y", "from=a@a.test&from=b@b.test", "tls=x",
                            "tls=verify&tls=encrypt", "tls=encrypt&tls=encrypt", "send_at=now",
                            "send_at=2026-12-24T08:00:00Z&send_at=2026-12-24T08:00:00Z"}) {
    CAPTURE(query);
    const auto wrong = read_message_wish(query, message, {});
    REQUIRE(!wrong);
    CHECK(wrong.error().status == 400);
  }
  CHECK(!read_message_wish("to=nobody", message, {}));
  CHECK(!read_message_wish("", "Subject: x\r\n\r\nx\r\n", {}));
}

TEST_CASE("a raw message is taken as it is") {
  const std::string message = "From: anna@a.test\r\n\r\nx\r\n";
  const auto wish = read_json_wish(R"({"raw": ")" + text::base64(message) +
                                       R"(", "envelope": {"from": "anna@a.test", "to": ["bo@b.test"]}})",
                                   {});
  REQUIRE(wish);
  CHECK(wish->message == message);
}
