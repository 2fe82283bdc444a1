// SPDX-License-Identifier: Apache-2.0
#include "smtp/command.hpp"

#include <doctest.h>

#include <limits>
#include <random>

using namespace sealpost;
using namespace sealpost::smtp;

TEST_CASE("command lines: verb and argument (RFC 5321 §4.1.1)") {
  const struct {
    std::string_view line;
    Verb verb;
    std::string_view argument;
  } rows[] = {
      {"EHLO client.example.net", Verb::ehlo, "client.example.net"},
      {"ehlo client", Verb::ehlo, "client"},
      {"HeLo client", Verb::helo, "client"},
      {"MAIL FROM:<a@b.example>", Verb::mail, "FROM:<a@b.example>"},
      {"RCPT  TO:<a@b.example> ", Verb::rcpt, "TO:<a@b.example>"},
      {"DATA", Verb::data, ""},
      {"DATA \t ", Verb::data, ""},
      {"QUIT", Verb::quit, ""},
      {"STARTTLS", Verb::starttls, ""},
      {"NOOP anything at all", Verb::noop, "anything at all"},
      {"VRFY someone", Verb::vrfy, "someone"},
      {"BDAT 100 LAST", Verb::bdat, "100 LAST"},
      {"AUTH PLAIN AGEAYg==", Verb::auth, "PLAIN AGEAYg=="},
      {"GET / HTTP/1.1", Verb::http, "/ HTTP/1.1"},
      {"POST /x HTTP/1.1", Verb::http, "/x HTTP/1.1"},
      {"PRI * HTTP/2.0", Verb::http, "* HTTP/2.0"},
      {"", Verb::unknown, ""},
      {" ", Verb::unknown, ""},
      {" MAIL FROM:<a@b.example>", Verb::unknown, "MAIL FROM:<a@b.example>"},
      {"MAILFROM:<a@b.example>", Verb::unknown, ""},
      {"MAIL\tFROM:<a@b.example>", Verb::unknown, ""},
      {"DATAX", Verb::unknown, ""},
      {"DAT", Verb::unknown, ""},
      {"XYZZY 1", Verb::unknown, "1"},
      {std::string_view("QUIT\0", 5), Verb::unknown, ""},
  };
  for (const auto& row : rows) {
    CAPTURE(row.line);
    const CommandLine command = split_command(row.line);
    CHECK(command.verb == row.verb);
    CHECK(command.argument == row.argument);
  }
}

TEST_CASE("command lines of a client that may relay: blanks and tabs where they do no harm") {
  const struct {
    std::string_view line;
    Verb verb;
    std::string_view argument;
  } rows[] = {
      {" MAIL FROM:<a@b.example>", Verb::mail, "FROM:<a@b.example>"},
      {"\tMAIL\tFROM:<a@b.example>", Verb::mail, "FROM:<a@b.example>"},
      {"RCPT \t TO:<a@b.example>\t", Verb::rcpt, "TO:<a@b.example>"},
      {"  DATA", Verb::data, ""},
      {"MAILFROM:<a@b.example>", Verb::unknown, ""},
      {" \t ", Verb::unknown, ""},
      {"\x0bQUIT", Verb::unknown, ""},
  };
  for (const auto& row : rows) {
    CAPTURE(row.line);
    const CommandLine command = split_command(row.line, Syntax::lenient);
    CHECK(command.verb == row.verb);
    CHECK(command.argument == row.argument);
  }
}

TEST_CASE("EHLO argument: anything that can stand in a log, nothing that cannot") {
  for (const std::string_view good : {"client.example.net", "CLIENT", "under_score.lan", "[192.0.2.1]",
                                      "[IPv6:2001:db8::1]", "-odd-", "a..b"}) {
    CAPTURE(good);
    CHECK(helo_name(good) == good);
    CHECK(helo_name(good, Syntax::lenient) == good);
  }
  for (const std::string_view bad : {"", "two words", "<x>", "a(b", "a\"b",
                                     "a\x01"
                                     "b",
                                     "caf\xc3\xa9", "a;b", "a\\b"}) {
    CAPTURE(bad);
    CHECK(!helo_name(bad));
  }
  CHECK(helo_name(std::string(255, 'x')));
  CHECK(!helo_name(std::string(256, 'x')));
}

TEST_CASE("EHLO argument of a client that may relay: any name, kept so that it can stand in a log") {
  const struct {
    std::string_view said, kept;
  } rows[] = {
      {"M\xc3\x9cLLER-PC", "M??LLER-PC"}, {"M\xdcLLER-PC", "M?LLER-PC"},
      {"Annas-PC's", "Annas-PC?s"},       {"(none)", "?none?"},
      {"two words", "two?words"},         {"host.example.", "host.example."},
  };
  for (const auto& row : rows) {
    CAPTURE(row.said);
    CHECK(helo_name(row.said, Syntax::lenient) == row.kept);
  }
  for (const std::string_view bad :
       {std::string_view(""), std::string_view("a\tb"), std::string_view("a\0b", 3),
        std::string_view("a\x1b[2J"), std::string_view("a\x7f")}) {
    CAPTURE(bad);
    CHECK(!helo_name(bad, Syntax::lenient));
  }
  CHECK(!helo_name(std::string(256, 'x'), Syntax::lenient));
}

namespace {
std::string reply_to_mail(std::string_view argument) {
  const auto mail = parse_mail(argument);
  return mail ? "ok" : std::to_string(mail.error().code) + " " + std::string(mail.error().status);
}
std::string reply_to_rcpt(std::string_view argument) {
  const auto rcpt = parse_rcpt(argument);
  return rcpt ? "ok" : std::to_string(rcpt.error().code) + " " + std::string(rcpt.error().status);
}
}  // namespace

TEST_CASE("SMTP-08 MAIL: paths (RFC 5321 §4.1.2)") {
  const std::string local64(64, 'l'), local65(65, 'l');
  const std::string label(63, 'd');
  const std::string domain255 = label + "." + label + "." + label + "." + std::string(63, 'd');
  const struct {
    std::string argument;
    std::string_view reply;
    std::string path;
  } rows[] = {
      {"FROM:<>", "ok", ""},
      {"from:<a@b.example>", "ok", "a@b.example"},
      {"FROM: <a@b.example>", "ok", "a@b.example"},
      {"FROM:<@one.example,@two.example:a@b.example>", "ok", "a@b.example"},  // M10
      {"FROM:<\"a b\"@c.example>", "ok", "\"a b\"@c.example"},
      {"FROM:<\"a>b\"@c.example>", "ok", "\"a>b\"@c.example"},
      {"FROM:<a@[192.0.2.1]>", "ok", "a@[192.0.2.1]"},
      {"FROM:<" + local64 + "@b.example>", "ok", local64 + "@b.example"},
      {"FROM:<" + local65 + "@b.example>", "501 5.1.7", ""},
      {"FROM:<a@" + domain255 + "x>", "501 5.1.7", ""},
      {"FROM:a@b.example", "501 5.1.7", ""},
      {"FROM :<a@b.example>", "501 5.1.7", ""},
      {"FROM:<a@b.example", "501 5.1.7", ""},
      {"FROM:<a@b.example>>", "501 5.1.7", ""},
      {"FROM:<a@b.example>SIZE=1", "501 5.1.7", ""},
      {"FROM:<a b@c.example>", "501 5.1.7", ""},
      {"FROM:<a@under_score.example>", "501 5.1.7", ""},
      {"FROM:<a..b@c.example>", "501 5.1.7", ""},
      {"FROM:<@>", "501 5.1.7", ""},
      {"FROM:<postmaster>", "501 5.1.7", ""},
      {"TO:<a@b.example>", "501 5.1.7", ""},
      {"", "501 5.1.7", ""},
      {"FROM:<caf\xc3\xa9@b.example>", "501 5.6.7", ""},
  };
  for (const auto& row : rows) {
    CAPTURE(row.argument);
    CHECK(reply_to_mail(row.argument) == row.reply);
    if (row.reply == "ok") CHECK(parse_mail(row.argument)->reverse_path == row.path);
  }
}

TEST_CASE("SMTP-08 MAIL and RCPT of a client that may relay: blanks, tabs, no brackets (ADR 32)") {
  const struct {
    std::string_view argument, path;
    std::uint64_t size;
  } rows[] = {
      {"FROM:  <a@b.example>", "a@b.example", 0},
      {"FROM:\t<a@b.example>", "a@b.example", 0},
      {"FROM : <a@b.example> SIZE=7", "a@b.example", 7},
      {"FROM:a@b.example", "a@b.example", 0},
      {"FROM: a@b.example SIZE=7", "a@b.example", 7},
      {"FROM:<a@b.example>\tSIZE=7", "a@b.example", 7},
      {"FROM:<try..this@b.example.> SIZE=7", "\"try..this\"@b.example", 7},
  };
  for (const auto& row : rows) {
    CAPTURE(row.argument);
    const auto mail = parse_mail(row.argument, Syntax::lenient);
    REQUIRE(mail);
    CHECK(mail->reverse_path == row.path);
    CHECK(mail->size == row.size);
    const auto rcpt = parse_rcpt("TO" + std::string(row.argument.substr(4, row.argument.find(" SIZE") - 4)),
                                 Syntax::lenient);
    if (row.argument.find("\tSIZE") == std::string_view::npos) CHECK(rcpt->address == row.path);
    CHECK(!parse_mail(row.argument));
  }
  for (const std::string_view bad :
       {"FROM", "FROM:", "FROM: ", "FROM a@b.example", "FROM:: <a@b.example>", "FROM:a@b.example>",
        "FROM:<a@b.example>SIZE=1", "FROM:a@b.example c@d.example", "FROM:Anna <a@b.example>"}) {
    CAPTURE(bad);
    const auto mail = parse_mail(bad, Syntax::lenient);
    REQUIRE(!mail);
    CHECK((mail.error().code == 501 || mail.error().code == 555));
  }
}

TEST_CASE("SMTP-08 RCPT: postmaster needs no domain (RFC 5321 §4.1.1.3)") {
  for (const std::string_view argument : {"TO:<postmaster>", "TO:<Postmaster>", "to:<POSTMASTER>"}) {
    CAPTURE(argument);
    CHECK(reply_to_rcpt(argument) == "ok");
  }
  CHECK(reply_to_rcpt("TO:<>") == "501 5.1.3");
  CHECK(reply_to_rcpt("TO:<someone>") == "501 5.1.3");
  CHECK(reply_to_rcpt("FROM:<a@b.example>") == "501 5.1.3");
}

TEST_CASE("T-23 no control octet gets through an argument") {
  for (int c = 0; c < 32; ++c) {
    for (const std::string_view shape :
         {"FROM:<a?b@c.example>", "FROM:<\"a?b\"@c.example>", "FROM:<a@c?.example>",
          "FROM:<a@c.example> ENVID=a?b", "FROM:<a@c.example>?SIZE=1", "FROM:<a@c.example> SIZE=1?BODY=7BIT",
          "FROM:<\"a\\?\"@c.example>"}) {
      std::string argument(shape);
      argument[argument.find('?')] = static_cast<char>(c);
      CAPTURE(c);
      CAPTURE(shape);
      CHECK(!parse_mail(argument));
    }
  }
  for (const std::string_view xtext : {"+0D+0A", "+00", "a+0d", "+7F", "+80", "+", "+4", "+4g", "a=b"}) {
    CAPTURE(xtext);
    CHECK(reply_to_mail("FROM:<a@b.example> ENVID=" + std::string(xtext)) == "501 5.5.4");
    CHECK(reply_to_rcpt("TO:<a@b.example> ORCPT=rfc822;" + std::string(xtext)) == "501 5.5.4");
  }
}

TEST_CASE("MAIL parameters: SIZE and BODY (RFC 1870, RFC 6152), repeated and unknown ones (M11)") {
  const struct {
    std::string_view parameters, reply;
  } rows[] = {
      {" SIZE=0", "ok"},
      {" SIZE=12345", "ok"},
      {" size=1 BODY=8bitmime", "ok"},
      {"  SIZE=1   BODY=7BIT ", "ok"},
      {" SIZE=99999999999999999999", "ok"},  // twenty digits are legal, and too big
      {" SIZE=999999999999999999999", "501 5.5.4"},
      {" SIZE=", "501 5.5.4"},
      {" SIZE", "501 5.5.4"},
      {" SIZE=-1", "501 5.5.4"},
      {" SIZE=1k", "501 5.5.4"},
      {" SIZE=1 SIZE=1", "501 5.5.4"},
      {" BODY=7BIT body=7BIT", "501 5.5.4"},
      {" BODY=BINARYMIME", "ok"},
      {" BODY=BINARY", "501 5.5.4"},
      {" BODY", "501 5.5.4"},
      {" =1", "501 5.5.4"},
      {" -X=1", "501 5.5.4"},
      {" X=", "501 5.5.4"},
      {" X=a=b", "501 5.5.4"},
      {" XUNKNOWN", "555 5.5.4"},
      {" XUNKNOWN=1", "555 5.5.4"},
      {" NOTIFY=NEVER", "555 5.5.4"},  // belongs to RCPT
  };
  for (const auto& row : rows) {
    CAPTURE(row.parameters);
    CHECK(reply_to_mail("FROM:<a@b.example>" + std::string(row.parameters)) == row.reply);
  }
  const auto mail = parse_mail("FROM:<a@b.example> SIZE=12345 BODY=8BITMIME");
  REQUIRE(mail);
  CHECK(mail->size == 12345);
  CHECK(mail->body == BodyType::eight_bit_mime);
  CHECK(mail->seen == (parameter::size | parameter::body));
  CHECK(parse_mail("FROM:<> SIZE=99999999999999999999")->size == std::numeric_limits<std::uint64_t>::max());
}

TEST_CASE("T1 REQUIRETLS and SMTPUTF8 take no value (RFC 8689 §2, RFC 6531 §3.4)") {
  CHECK(parse_mail("FROM:<a@b.example> requiretls")->seen == parameter::requiretls);
  CHECK(parse_mail("FROM:<a@b.example> SMTPUTF8")->seen == parameter::smtputf8);
  CHECK(reply_to_mail("FROM:<a@b.example> REQUIRETLS=1") == "501 5.5.4");
  CHECK(reply_to_mail("FROM:<a@b.example> SMTPUTF8=1") == "501 5.5.4");
}

TEST_CASE("X13 HOLDFOR or HOLDUNTIL, one of them and once (RFC 4865 §4); XTLS is ours") {
  const auto mail = parse_mail("FROM:<a@b.example> holdfor=3600 XTLS=verify");
  REQUIRE(mail);
  CHECK(mail->hold_for == std::chrono::hours(1));
  CHECK(mail->tls_need == TlsNeed::verify);
  CHECK(mail->seen == (parameter::future_release | parameter::tls_need));
  const auto until = parse_mail("FROM:<a@b.example> HOLDUNTIL=2026-12-24T08:00:00Z");
  REQUIRE(until);
  CHECK(until->hold_until == from_rfc3339("2026-12-24T08:00:00Z"));
  for (const char* bad : {"HOLDFOR", "HOLDFOR=", "HOLDFOR=-1", "HOLDFOR=1h", "HOLDFOR=1000000000",
                          "HOLDUNTIL=", "HOLDUNTIL=tomorrow", "HOLDUNTIL=2026-12-24", "HOLDFOR=1 HOLDFOR=1",
                          "HOLDFOR=1 HOLDUNTIL=2026-12-24T08:00:00Z", "XTLS", "XTLS=none",
                          "XTLS=", "XTLS=verify XTLS=encrypt"}) {
    CAPTURE(bad);
    CHECK(reply_to_mail("FROM:<a@b.example> " + std::string(bad)) == "501 5.5.4");
  }
}

TEST_CASE("X6 addresses beyond ASCII where SMTPUTF8 is offered and said (RFC 6531 §3.3, §3.4)") {
  const auto mail = [](std::string_view argument) {
    return parse_mail(argument, Syntax::strict, Utf8::accept);
  };
  const auto rcpt = [](std::string_view argument) {
    return parse_rcpt(argument, Syntax::strict, Utf8::accept);
  };
  CHECK(mail("FROM:<caf\xc3\xa9@b\xc3\xbc.example> BODY=8BITMIME SMTPUTF8")->reverse_path ==
        "caf\xc3\xa9@xn--b-eha.example");
  CHECK(mail("FROM:<a@b.example>")->seen == 0);
  // A name needs the parameter, however it could be written without.
  for (const char* unsaid : {"FROM:<caf\xc3\xa9@b.example>", "FROM:<a@b\xc3\xbc.example> SIZE=1"}) {
    REQUIRE_FALSE(mail(unsaid));
    CHECK(mail(unsaid).error().status == "5.6.7");
  }
  for (const char* bad : {"FROM:<caf\xe9@b.example> SMTPUTF8", "FROM:<\xc3@b.example> SMTPUTF8"}) {
    REQUIRE_FALSE(mail(bad));
    CHECK(mail(bad).error().status == "5.1.7");
  }
  CHECK(rcpt("TO:<caf\xc3\xa9@b.example>")->address == "caf\xc3\xa9@b.example");
  CHECK(rcpt("TO:<\xff@b.example>").error().status == "5.1.3");
  CHECK(parse_rcpt("TO:<caf\xc3\xa9@b.example>").error().status == "5.6.7");
}

TEST_CASE("N8 ORCPT of type utf-8, as it may be said with SMTPUTF8 and without (RFC 6533 §3)") {
  const struct {
    std::string_view value;
    bool with, without;
  } rows[] = {
      {"utf-8;b\\x{FC}@b.example", true, true},
      {"utf-8;b@b.example", true, true},
      {"utf-8;b+C3+BC@b.example", true, false},  // as Postfix writes it
      {"rfc822;b+C3+BC@b.example", true, false},
      {"utf-8;b+c3+BC@b.example", false, false},
      {"UTF-8;b\xc3\xbc@b.example", true, false},
      {"utf-8;b\xc3@b.example", false, false},
      {"rfc822;b\xc3\xbc@b.example", false, false},
      {"utf-8;b\\@b.example", true, true},  // as xtext it is read, as any type's
      {"utf-8;b\\x{fc}+0D@b.example", false, false},
  };
  for (const auto& row : rows) {
    CAPTURE(row.value);
    const std::string argument = "TO:<b@b.example> ORCPT=" + std::string(row.value);
    CHECK(parse_rcpt(argument, Syntax::strict, Utf8::accept).has_value() == row.with);
    CHECK(parse_rcpt(argument).has_value() == row.without);
  }
}

TEST_CASE("N1 DSN parameters of MAIL (RFC 3461 §4.3, §4.4)") {
  const auto mail = parse_mail("FROM:<a@b.example> RET=hdrs ENVID=Q+2B1+3Dx");
  REQUIRE(mail);
  CHECK(mail->ret == 2);
  CHECK(mail->envid == "Q+1=x");
  CHECK(mail->seen == parameter::dsn);
  CHECK(parse_mail("FROM:<a@b.example> RET=FULL")->ret == 1);
  CHECK(parse_mail("FROM:<a@b.example> ENVID=" + std::string(100, 'e')));
  for (const std::string& bad :
       {std::string("RET=BOTH"), std::string("RET"), std::string("ENVID"), std::string("ENVID="),
        "ENVID=" + std::string(101, 'e'), std::string("RET=FULL RET=FULL"), std::string("ENVID=a ENVID=a")}) {
    CAPTURE(bad);
    CHECK(reply_to_mail("FROM:<a@b.example> " + bad) == "501 5.5.4");
  }
}

TEST_CASE("N1 DSN parameters of RCPT (RFC 3461 §4.1, §4.2), DSN-03") {
  const auto rcpt = parse_rcpt("TO:<a@b.example> NOTIFY=success,DELAY ORCPT=rfc822;Bob+2B@x.example");
  REQUIRE(rcpt);
  CHECK(rcpt->notify == (notify_success | notify_delay));
  CHECK(rcpt->original == "rfc822;Bob+2B@x.example");
  CHECK(parse_rcpt("TO:<a@b.example> NOTIFY=NEVER")->notify == notify_never);
  const std::string longest = "ORCPT=rfc822;" + std::string(500 - 7, 'o');
  CHECK(parse_rcpt("TO:<a@b.example> " + longest));
  for (const std::string& bad :
       {std::string("NOTIFY"), std::string("NOTIFY="), std::string("NOTIFY=NEVER,DELAY"),
        std::string("NOTIFY=DELAY,"), std::string("NOTIFY=,DELAY"), std::string("NOTIFY=SOON"),
        std::string("NOTIFY=DELAY NOTIFY=DELAY"), std::string("ORCPT"), std::string("ORCPT=rfc822"),
        std::string("ORCPT=rfc822;"), std::string("ORCPT=;a@b"), longest + "o",
        std::string("ORCPT=rfc822;a ORCPT=rfc822;a")}) {
    CAPTURE(bad);
    CHECK(reply_to_rcpt("TO:<a@b.example> " + bad) == "501 5.5.4");
  }
  CHECK(reply_to_rcpt("TO:<a@b.example> SIZE=1") == "555 5.5.4");
}

TEST_CASE("T-23 random bytes never give an address with a control octet or a blank outside quotes") {
  std::mt19937 random(23);
  const std::string_view pieces[] = {
      "FROM:", "TO:",    "<",   ">",     "@", ".", "a",    "b.example", "\"", "\\",
      " ",     "[",      "]",   "IPv6:", "1", ",", ":",    "\r",        "\n", "\t",
      "SIZE=", "ENVID=", "+0D", "=",     "%", "!", "\x80", "postmaster"};
  for (int round = 0; round < 200'000; ++round) {
    std::string argument = round % 2 ? "FROM:<" : "TO:<";
    for (std::size_t i = random() % 10; i > 0; --i) argument += pieces[random() % std::size(pieces)];
    if (round % 3) argument += "@b.example>";
    std::string address;
    const Syntax syntax = round % 5 < 2 ? Syntax::strict : Syntax::lenient;
    if (const auto mail = parse_mail(argument, syntax)) address = mail->reverse_path + mail->envid;
    if (const auto rcpt = parse_rcpt(argument, syntax)) address = rcpt->address + rcpt->original;
    for (const char c : address) REQUIRE((c >= ' ' && c != '\x7f'));
  }
}
