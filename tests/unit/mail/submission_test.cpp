// SPDX-License-Identifier: Apache-2.0
#include "mail/submission.hpp"

#include <doctest.h>

#include "mail/address_list.hpp"

using namespace sealpost;

namespace {

SubmissionFacts facts_with(std::vector<std::string> recipients, bool in_header = false) {
  SubmissionFacts facts;
  facts.sender = "anna@home.test";
  facts.full_name = "Anna \"A\" B";
  facts.hostname = "relay.home.test";
  facts.recipients = std::move(recipients);
  facts.recipients_in_header = in_header;
  return facts;
}

using Addresses = std::vector<std::string>;
const std::string whole_header = "From: <a@x.test>\nDate: today\nMessage-ID: <1@x.test>\n";
const std::string whole_header_sent = "From: <a@x.test>\r\nDate: today\r\nMessage-ID: <1@x.test>\r\n";

}  // namespace

TEST_CASE("addresses of a To field (RFC 5322 3.4)") {
  struct Row {
    const char* field;
    Addresses addresses;
  };
  for (const Row& row : {
           Row{" a@x.test", {"a@x.test"}},
           Row{"A <a@x.test>, b@x.test ,\r\n\t<c@x.test>", {"a@x.test", "b@x.test", "c@x.test"}},
           Row{"\"Doe, John <no@x.test>\" <j@x.test>", {"j@x.test"}},
           Row{"a@x.test (him, (and) \\) not b@x.test)", {"a@x.test"}},
           Row{"friends: a@x.test, B <b@x.test>; c@x.test", {"a@x.test", "b@x.test", "c@x.test"}},
           Row{"undisclosed-recipients:;", {}},
           Row{"\"a,b\"@x.test, u@[192.0.2.1]", {"\"a,b\"@x.test", "u@[192.0.2.1]"}},
           Row{"<@hop.test,@b.test:a@x.test>", {"a@x.test"}},
           Row{", ,", {}},
           Row{"root", {"root"}},
           Row{"anna smith@x.test", {"anna smith@x.test"}},
           Row{"<anna smith@x.test>", {"anna smith@x.test"}},
           Row{"a @ x . test", {"a@x.test"}},
           Row{"(never closed", {"(never closed"}},
           Row{"c@x.test (note, d@x.test", {"c@x.test(note, d@x.test"}},
           Row{"\"never closed", {"\"never closed"}},
       }) {
    CAPTURE(row.field);
    CHECK(addresses_in(row.field) == row.addresses);
  }
}

TEST_CASE("what is missing is added, once") {
  const auto made = make_submission("Subject: s\n\nhello\n", facts_with({"b@x.test", "b@x.test"}));
  REQUIRE(made);
  CHECK(made->recipients == Addresses{"b@x.test"});
  CHECK(made->message.rfind("From: \"Anna \\\"A\\\" B\" <anna@home.test>\r\nDate: ", 0) == 0);
  CHECK(made->message.find("\r\nMessage-ID: <") != std::string::npos);
  CHECK(made->message.find("\r\nSubject: s\r\n\r\nhello\r\n") != std::string::npos);

  const auto complete = make_submission(whole_header + "\nhello\n", facts_with({"b@x.test"}));
  REQUIRE(complete);
  CHECK(complete->message == whole_header_sent + "\r\nhello\r\n");
}

TEST_CASE("no octet of the text is lost, wherever its header ends") {
  struct Row {
    std::string input, output;
  };
  for (const Row& row : {
           Row{whole_header + "no field\nx: y\n", whole_header_sent + "\r\nno field\r\nx: y\r\n"},
           Row{whole_header + "\r\nlast line without an end",
               whole_header_sent + "\r\nlast line without an end\r\n"},
           Row{"From a@x.test Mon Jan  1\n" + whole_header + "\nx\n", whole_header_sent + "\r\nx\r\n"},
           Row{whole_header + "To: b@x.test,\n  c@x.test\n\nx\n",
               whole_header_sent + "To: b@x.test,\r\n  c@x.test\r\n\r\nx\r\n"},
           Row{whole_header, whole_header_sent + "\r\n"},
           Row{whole_header + "\nbefore\n.\nafter\n", whole_header_sent + "\r\nbefore\r\n"},
       }) {
    CAPTURE(row.input);
    const auto made = make_submission(row.input, facts_with({"b@x.test"}));
    REQUIRE(made);
    CHECK(made->message == row.output);
  }
  const auto bare = make_submission("hello: you\nthere\n", facts_with({"b@x.test"}));
  REQUIRE(bare);
  CHECK(bare->message.find("\r\n\r\nthere\r\n") != std::string::npos);
  const auto empty = make_submission("", facts_with({"b@x.test"}));
  REQUIRE(empty);
  CHECK(empty->message.size() > 4);
  auto dots = facts_with({"b@x.test"});
  dots.dot_ends = false;
  const auto whole = make_submission(whole_header + "\nbefore\n.\nafter\n", dots);
  REQUIRE(whole);
  CHECK(whole->message == whole_header_sent + "\r\nbefore\r\n.\r\nafter\r\n");
}

TEST_CASE("-t takes recipients from the header, and nobody sees Bcc") {
  const auto made = make_submission(
      whole_header + "To: b@x.test\nBcc: secret@x.test,\n more@x.test\nCc: C <c@x.test>\n\nx\n",
      facts_with({"d@x.test"}, true));
  REQUIRE(made);
  CHECK(made->recipients == Addresses{"d@x.test", "b@x.test", "secret@x.test", "more@x.test", "c@x.test"});
  CHECK(made->message == whole_header_sent + "To: b@x.test\r\nCc: C <c@x.test>\r\n\r\nx\r\n");

  const auto resent =
      make_submission(whole_header + "Resent-To: r@x.test\nTo: b@x.test\n\nx\n", facts_with({}, true));
  REQUIRE(resent);
  CHECK(resent->recipients == Addresses{"r@x.test"});
}

TEST_CASE("a header is read as its receivers will read it, whatever ends its lines") {
  const auto hidden = make_submission(whole_header + "To: b@x.test\nSubject: hi\rBcc: hidden@x.test\n\nx\n",
                                      facts_with({}, true));
  REQUIRE(hidden);
  CHECK(hidden->recipients == Addresses{"b@x.test", "hidden@x.test"});
  CHECK(hidden->message == whole_header_sent + "To: b@x.test\r\nSubject: hi\r\n\r\nx\r\n");
  std::string doubled;
  for (const char c : whole_header + "\nx\n") doubled += c == '\n' ? "\r\r\n" : std::string(1, c);
  const auto made = make_submission(doubled, facts_with({"b@x.test"}));
  REQUIRE(made);
  CHECK(made->message == whole_header_sent + "\r\nx\r\n");
}

TEST_CASE("what is no address in the header is an error, and no other address") {
  for (const char* to : {"anna smith@x.test", "c@x.test (note, d@x.test", "(never closed"})
    CHECK_FALSE(make_submission(whole_header + "To: a@x.test, " + to + "\n\nx\n", facts_with({}, true)));
}

TEST_CASE("without a recipient, or with one that is none, nothing is sent") {
  CHECK_FALSE(make_submission("x\n", facts_with({})));
  CHECK_FALSE(make_submission("Subject: x\n\n", facts_with({}, true)));
  const auto bad = make_submission("x\n", facts_with({"a@x.test", "a b@@c"}));
  REQUIRE_FALSE(bad);
  CHECK(bad.error().detail.find("a b@@c") != std::string::npos);
}

TEST_CASE("users of this machine have a domain, or the postmaster answers for them") {
  CHECK(*full_address("root", "relay.home.test", "") == "root@relay.home.test");
  CHECK(*full_address("root", "relay.home.test", "ops@home.test") == "ops@home.test");
  CHECK(*full_address(" <a@x.test> ", "relay.home.test", "ops@home.test") == "a@x.test");
  CHECK_FALSE(full_address("", "relay.home.test", "ops@home.test"));
  CHECK_FALSE(full_address("a@x.test\r\nDATA", "relay.home.test", ""));
}

TEST_CASE(
    "X10 the header that an account sends: what is missing is added, Bcc goes, nothing else is touched") {
  SubmissionFacts facts;
  facts.sender = "anna@home.example";
  facts.hostname = "relay.example.net";
  const std::string whole =
      "Received: by x\r\nFrom: Anna <anna@home.example>,\r\n\t\"B, C\" <b@home.example>\r\n"
      "Date: Mon, 05 Jan 2026 00:00:00 +0000\r\nMessage-ID: <1@x>\r\nsubject:  two  blanks \r\n\r\n";
  const auto same = submitted_header(whole, facts);
  REQUIRE(same);
  CHECK(same->text == whole);
  CHECK(same->authors == std::vector<std::string>{"anna@home.example", "b@home.example"});

  const auto added = submitted_header("Subject: x\r\nBcc: a@b.example\r\nTo: c@d.example\r\n", facts);
  REQUIRE(added);
  CHECK(added->text.starts_with("From: <anna@home.example>\r\nDate: "));
  CHECK(added->text.find("\r\nMessage-ID: <") != std::string::npos);
  CHECK(added->text.find("@relay.example.net>\r\n") != std::string::npos);
  CHECK(added->text.ends_with("\r\nSubject: x\r\nTo: c@d.example\r\n\r\n"));
  CHECK(added->authors == std::vector<std::string>{"anna@home.example"});
  CHECK(submitted_header("\r\n", facts));
}

TEST_CASE("X10 a header that is malformed, and authors that are none") {
  SubmissionFacts facts;
  facts.sender = "anna@home.example";
  for (const char* header :
       {"no field\r\n\r\n", "Subject: x\r\nno field\r\n\r\n", " folded\r\n\r\n",
        "From anna Mon Jan 5 2026\r\n\r\n", "From: a@b.example\r\nFrom: c@d.example\r\n\r\n",
        "From : a@b.example\r\nfrom: c@d.example\r\n\r\n", "From: Anna\r\n\r\n", "From:\r\n\r\n",
        "From: undisclosed:;\r\n\r\n", "From: <anna@home.example> <ceo@bank.example>\r\n\r\n",
        "From: \"anna <ceo@bank.example>\r\n\r\n", "From: <ceo@bank.example> <:anna@home.example>\r\n\r\n",
        "From: [x <ceo@bank.example>] <anna@home.example>\r\n\r\n",
        "From: <ceo@bank.example:anna@home.example>\r\n\r\n",
        "From: ceo@bank.example <anna@home.example>\r\n\r\n"}) {
    CAPTURE(header);
    CHECK_FALSE(submitted_header(header, facts));
  }
  facts.sender.clear();
  CHECK_FALSE(submitted_header("Subject: x\r\n\r\n", facts));
  CHECK(submitted_header("From: a@b.example\r\n\r\n", facts));
}
