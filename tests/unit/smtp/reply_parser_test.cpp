// SPDX-License-Identifier: Apache-2.0
//
// Replies of servers (SMTP-03): RFC 5321 §4.2, enhanced codes of RFC 2034 §4, bounds of T-25.
#include "smtp/reply_parser.hpp"

#include <doctest.h>

#include <string>
#include <vector>

#include "smtp/extensions.hpp"

using namespace sealpost;
using namespace sealpost::smtp;
using ParserState = ReplyParser::State;

namespace {

struct Outcome {
  ParserState state = ParserState::more;
  Reply reply;
  std::string error;
};

Outcome parse(const std::vector<std::string>& lines) {
  ReplyParser parser;
  Outcome outcome;
  for (const std::string& line : lines) {
    REQUIRE(outcome.state == ParserState::more);
    outcome.state = parser.add(line);
  }
  if (outcome.state == ParserState::done) outcome.reply = parser.take();
  if (outcome.state == ParserState::failed) outcome.error = parser.error().detail;
  return outcome;
}

Reply reply_of(const std::vector<std::string>& lines) {
  const Outcome outcome = parse(lines);
  REQUIRE(outcome.state == ParserState::done);
  return outcome.reply;
}

}  // namespace

TEST_CASE("SMTP-03: replies that are") {
  struct Row {
    std::vector<std::string> lines;
    int code;
    std::string status;
    std::string text;  // to_string()
  };
  const std::vector<Row> rows{
      {{"250 ok"}, 250, "2.0.0", "250 ok"},
      {{"250"}, 250, "2.0.0", "250"},
      {{"250 "}, 250, "2.0.0", "250"},
      {{"250\tok"}, 250, "2.0.0", "250 ok"},  // a blank of another kind is still one
      {{"250-a", "250\tb"}, 250, "2.0.0", "250 a b"},
      {{"250-a", "250-b", "250 c"}, 250, "2.0.0", "250 a b c"},
      {{"250-a", "250"}, 250, "2.0.0", "250 a"},
      {{"250-", "250 "}, 250, "2.0.0", "250"},
      {{"550 5.1.1 no such user"}, 550, "5.1.1", "550 5.1.1 no such user"},
      {{"550-5.1.1 no", "550 5.1.1 such user"}, 550, "5.1.1", "550 5.1.1 no such user"},
      {{"550-first", "550 5.7.1 then"}, 550, "5.7.1", "550 5.7.1 first then"},
      {{"550 5.1.1"}, 550, "5.1.1", "550 5.1.1"},
      {{"451 4.7.500 busy"}, 451, "4.7.500", "451 4.7.500 busy"},
      {{"250 2.0.0 Ok: queued"}, 250, "2.0.0", "250 2.0.0 Ok: queued"},
      // Of another class, or not quite one: text (RFC 2034 §4).
      {{"550 4.1.1 hm"}, 550, "5.0.0", "550 4.1.1 hm"},
      {{"550 5.1 short"}, 550, "5.0.0", "550 5.1 short"},
      {{"550 5.1.1x"}, 550, "5.0.0", "550 5.1.1x"},
      {{"550 5.1000.1 long"}, 550, "5.0.0", "550 5.1000.1 long"},
      {{"550 5.1.1.1"}, 550, "5.0.0", "550 5.1.1.1"},
      {{"550 5..1"}, 550, "5.0.0", "550 5..1"},
      {{"354 3.0.0 go"}, 354, "0.0.0", "354 3.0.0 go"},
      // Codes nobody knows: the first digit counts (§4.3.2).
      {{"259 fine"}, 259, "2.0.0", "259 fine"},
      {{"571 blocked"}, 571, "5.0.0", "571 blocked"},
      {{"599"}, 599, "5.0.0", "599"},
      // Any octet is tolerated, and comes out printable (T-34, T-48).
      {{std::string("250 a\0b", 7)}, 250, "2.0.0", "250 a\\x00b"},
      {{"250 \x1b[31m\r\x80"}, 250, "2.0.0", "250 \\x1b[31m\\x0d\\x80"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.lines.front());
    const Reply reply = reply_of(row.lines);
    CHECK(reply.code == row.code);
    CHECK(reply.status.to_string() == row.status);
    CHECK(reply.to_string() == row.text);
  }
}

TEST_CASE("SMTP-03: replies that are none end in one error") {
  const std::vector<std::vector<std::string>> rows{
      {""},
      {"2"},
      {"25"},
      {"abc"},
      {"000 no"},
      {"199 no"},
      {"999 no"},
      {"600 no"},
      {"1000 no"},
      {"250ok"},
      {"250_ok"},
      {" 250 ok"},
      {"-250 ok"},
      {"2 50"},
      {"2x0 ok"},
      {"25x ok"},
      {"\xff\xfe"},
      {"250-a", ""},
      {"250-a", "junk"},
      {"250-a", "251 b"},
      {"250-a", "550 b"},
      {"250-a", "250b"},
      {std::string(3, '\0')},
      {"HTTP/1.1 400 Bad Request"},
      {"SSH-2.0-x"},
      {"\x15\x03\x01"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.back());
    const Outcome outcome = parse(row);
    CHECK(outcome.state == ParserState::failed);
    CHECK_FALSE(outcome.error.empty());
    for (const char c : outcome.error) CHECK((c >= ' ' && c <= '~'));
  }
}

TEST_CASE("T-25: a reply has at most 1024 lines, and what is kept of a line is bounded") {
  const auto lines = [](std::size_t count) {
    std::vector<std::string> made(count - 1, "250-" + std::string(4000, 'x'));
    made.emplace_back("250 end");
    return made;
  };
  const Reply reply = reply_of(lines(most_reply_lines));
  CHECK(reply.lines.size() == most_reply_lines);
  for (const std::string& line : reply.lines) CHECK(line.size() <= longest_kept_text);
  CHECK(reply.to_string().size() <= 1024);
  CHECK(parse(lines(most_reply_lines + 1)).state == ParserState::failed);
}

TEST_CASE("a parser begins anew after a reply and after an error") {
  ReplyParser parser;
  CHECK(parser.add("250-a") == ParserState::more);
  CHECK(parser.add("junk") == ParserState::failed);
  CHECK(parser.add("550 5.1.1 b") == ParserState::done);
  CHECK(parser.take().to_string() == "550 5.1.1 b");
  CHECK(parser.add("250 c") == ParserState::done);
  CHECK(parser.take().to_string() == "250 c");
}

TEST_CASE("EHLO: what is offered (RFC 5321 §4.1.1.1)") {
  const auto read = [](std::vector<std::string> keywords) {
    std::vector<std::string> lines{"250-mx.example.test greets you"};
    for (const std::string& keyword : keywords) lines.push_back("250-" + keyword);
    lines.emplace_back("250 HELP");
    return read_ehlo(reply_of(lines));
  };
  SUBCASE("all of them, in any case") {
    const Extensions all = read({"PIPELINING", "size 35882577", "StartTLS", "8bitmime", "DSN", "SMTPUTF8",
                                 "CHUNKING", "REQUIRETLS", "ENHANCEDSTATUSCODES"});
    CHECK(all.esmtp);
    CHECK((all.pipelining && all.starttls && all.eight_bit_mime && all.dsn && all.smtputf8));
    CHECK((all.chunking && all.requiretls && all.enhanced_status && all.size));
    CHECK(all.size_limit == 35882577);
    CHECK(all.server_name == "mx.example.test");
  }
  SUBCASE("none of them") {
    const Extensions none =
        read({"XXXXXXXX", "XSTARTTLS", "STARTTLSX", "PIPELINING2", "SIZES 3", "AUTH=LOGIN", ""});
    CHECK_FALSE((none.starttls || none.pipelining || none.size || none.eight_bit_mime));
  }
  SUBCASE("mechanisms of AUTH, also as they were written before (RFC 4954 §3)") {
    const Extensions some = read({"AUTH PLAIN scram-sha-256 LOGIN", "AUTH=PLAIN XOAUTH2", "AUTHX Y"});
    CHECK(some.auth == std::vector<std::string>{"PLAIN", "SCRAM-SHA-256", "LOGIN", "XOAUTH2"});
    std::string many = "AUTH";
    for (int i = 0; i < 1000; ++i) many += " M" + std::to_string(i);
    CHECK(read({many}).auth.size() == 32);
  }
  SUBCASE("what is left out is as if it had not been said, but for what TLS hangs on") {
    Extensions some =
        read({"PIPELINING", "SIZE 5", "STARTTLS", "REQUIRETLS", "LIMITS MAILMAX=3", "AUTH PLAIN"});
    for (const char* keyword : {"pipelining", "SIZE", "STARTTLS", "REQUIRETLS", "LIMITS", "AUTH", "NOBODY"})
      leave_out(some, keyword);
    CHECK_FALSE((some.pipelining || some.size || some.mail_max || !some.auth.empty()));
    CHECK(some.size_limit == 0);
    CHECK((some.starttls && some.requiretls));
  }
  SUBCASE("a keyword in the last of many lines") {
    std::vector<std::string> many(900, "XNOTHING");
    many.emplace_back("STARTTLS");
    CHECK(read(many).starttls);
  }
  SUBCASE("the first line is no keyword") {
    CHECK_FALSE(read_ehlo(reply_of({"250 STARTTLS"})).starttls);
    CHECK_FALSE(read_ehlo(reply_of({"250-PIPELINING x", "250 SIZE"})).pipelining);
  }
  SUBCASE("SIZE (RFC 1870 §3)") {
    CHECK(read({"SIZE"}).size);
    CHECK(read({"SIZE"}).size_limit == 0);
    CHECK(read({"SIZE 0"}).size_limit == 0);
    CHECK(read({"SIZE junk"}).size_limit == 0);
    CHECK(read({"SIZE -5"}).size_limit == 0);
    CHECK(read({"SIZE 99999999999999999999999"}).size_limit == 0);
    CHECK(read({"SIZE  1000  x"}).size_limit == 1000);
  }
  SUBCASE("LIMITS (RFC 9422 §4)") {
    const Extensions limits = read({"LIMITS MAILMAX=20 rcptmax=100 RCPTDOMAINMAX=1 OTHER=x ODD"});
    CHECK(limits.mail_max == 20);
    CHECK(limits.rcpt_max == 100);
    CHECK(limits.rcpt_domain_max == 1);
    for (const char* wrong :
         {"LIMITS RCPTMAX=0", "LIMITS RCPTMAX=1000000", "LIMITS RCPTMAX=", "LIMITS RCPTMAX",
          "LIMITS RCPTMAX=1x", "LIMITS RCPTMAX=-1", "LIMITS MAILMAX=5 RCPTMAX=x"}) {
      CAPTURE(wrong);
      CHECK_FALSE(read({wrong}).rcpt_max);
      CHECK_FALSE(read({wrong}).mail_max);
    }
    CHECK_FALSE(read({"LIMITS"}).rcpt_max);
  }
  SUBCASE("a name that is none") {
    CHECK(read_ehlo(reply_of({"250"})).server_name.empty());
    CHECK(read_ehlo(reply_of({"250 " + std::string(4000, 'n')})).server_name.size() <= 255);
    CHECK(read_helo(reply_of({"250 \x1b"})).server_name == "\\x1b");
  }
}
