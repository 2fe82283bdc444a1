// SPDX-License-Identifier: Apache-2.0
#include "intake/relay_control.hpp"

#include <doctest.h>

#include "mail/address.hpp"
#include "smtp/command.hpp"

using namespace sealpost;
using namespace sealpost::intake;

namespace {

RelayControl control(std::string postmaster = "", bool literals = false) {
  RelayRules rules;
  rules.allow = {*Network::parse("10.0.0.0/8"), *Network::parse("2001:db8:1::/48"),
                 *Network::parse("192.0.2.25")};
  rules.hostname = "relay.example.net";
  rules.postmaster = std::move(postmaster);
  rules.address_literals = literals;
  return RelayControl(rules);
}

// What a client hears to RCPT: the address the envelope gets, or the reply.
std::string rcpt(const RelayControl& control, bool trusted, std::string_view argument) {
  const auto command = smtp::parse_rcpt(argument, trusted ? Syntax::lenient : Syntax::strict);
  if (!command) return std::to_string(command.error().code) + " " + std::string(command.error().status);
  std::string address = command->address;
  const auto refusal = control.check_recipient(trusted, address);
  if (refusal) return std::to_string(refusal->code) + " " + std::string(refusal->status);
  return address;
}

}  // namespace

TEST_CASE("T-30 networks: mapped addresses are what they map, loopback is not implied") {
  const RelayControl rules = control();
  for (const std::string_view inside : {"10.1.2.3", "::ffff:10.1.2.3", "192.0.2.25", "2001:db8:1::9"}) {
    CAPTURE(inside);
    CHECK(rules.allows(*IpAddress::parse(inside)));
  }
  for (const std::string_view outside : {"11.0.0.1", "192.0.2.26", "127.0.0.1", "::1", "::ffff:11.0.0.1",
                                         "2001:db8:2::9", "::10.1.2.3", "64:ff9b::10.1.2.3", "0.0.0.0"}) {
    CAPTURE(outside);
    CHECK(!rules.allows(*IpAddress::parse(outside)));
  }
  CHECK(!RelayControl(RelayRules()).allows(*IpAddress::parse("127.0.0.1")));
}

TEST_CASE("SMTP-11 T-30 thirty ways to ask a stranger's relay, none of which works") {
  const RelayControl rules = control();
  const std::string_view forms[] = {
      "TO:<victim@elsewhere.example>",
      "TO:<victim%elsewhere.example@relay.example.net>",
      "TO:<victim%elsewhere.example>",
      "TO:<\"victim@elsewhere.example\"@relay.example.net>",
      "TO:<\"victim@elsewhere.example\">",
      "TO:<\"victim%elsewhere.example\"@relay.example.net>",
      "TO:<\"victim%elsewhere.example\">",
      "TO:<elsewhere.example!victim>",
      "TO:<elsewhere.example!victim@relay.example.net>",
      "TO:<relay.example.net!elsewhere.example!victim>",
      "TO:<@relay.example.net:victim@elsewhere.example>",
      "TO:<@relay.example.net,@other.example:victim@elsewhere.example>",
      "TO:<@127.0.0.1:victim@elsewhere.example>",
      "TO:<@[127.0.0.1]:victim@elsewhere.example>",
      "TO:<victim@elsewhere.example@relay.example.net>",
      "TO:<victim@elsewhere.example@[127.0.0.1]>",
      "TO:<victim%elsewhere.example@[127.0.0.1]>",
      "TO:<victim@[192.0.2.99]>",
      "TO:<victim@[IPv6:2001:db8::1]>",
      "TO:<victim@[::ffff:192.0.2.99]>",
      "TO:<victim@127.0.0.1>",
      "TO:<victim@localhost>",
      "TO:<victim@relay.example.net>",
      "TO:<victim>",
      "TO:victim@elsewhere.example",
      "TO: victim@elsewhere.example",
      "TO:<<victim@elsewhere.example>>",
      "TO:<postmaster%elsewhere.example@relay.example.net>",
      "TO:<postmaster@elsewhere.example>",
      "TO:<\"postmaster@elsewhere.example\"@relay.example.net>",
  };
  static_assert(std::size(forms) == 30);
  for (const std::string_view form : forms) {
    CAPTURE(form);
    const std::string said = rcpt(rules, false, form);
    CHECK((said == "554 5.7.1" || said.starts_with("501 5.1.3")));
  }
}

TEST_CASE(
    "T-30 from inside: quoted @ and literals are refused, source routes dropped, % and ! kept as they are") {
  const RelayControl rules = control();
  const struct {
    std::string_view form, said;
  } rows[] = {
      {"TO:<b@example.org>", "b@example.org"},
      {"TO:<b@EXAMPLE.org>", "b@EXAMPLE.org"},
      {"TO:<@one.example,@two.example:b@example.org>", "b@example.org"},
      {"TO:<b%example.com@example.org>", "b%example.com@example.org"},
      {"TO:<example.com!b@example.org>", "example.com!b@example.org"},
      {"TO:<\"b@example.com\"@example.org>", "553 5.1.3"},
      {"TO:<\"b%example.com\"@example.org>", "\"b%example.com\"@example.org"},
      {"TO:<@one.example:b%example.com@example.org>", "b%example.com@example.org"},
      {"TO:b%example.com", "501 5.1.3"},
      {"TO: b@example.org.", "b@example.org"},
      {"TO:<try..this@example.org>", "\"try..this\"@example.org"},
      {"TO:<b@[192.0.2.1]>", "553 5.1.3"},
      {"TO:<b@[IPv6:2001:db8::1]>", "553 5.1.3"},
      {"TO:<\"a b\"@example.org>", "\"a b\"@example.org"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.form);
    CHECK(rcpt(rules, true, row.form) == row.said);
  }
  CHECK(rcpt(control("", true), true, "TO:<b@[192.0.2.1]>") == "b@[192.0.2.1]");
}

TEST_CASE("SMTP-08 M9 postmaster: without domain or at our name, any case") {
  const RelayControl named = control("ops@example.net");
  const RelayControl unnamed = control();
  for (const std::string_view form :
       {"TO:<postmaster>", "TO:<POSTMASTER>", "TO:<Postmaster@relay.example.net>",
        "TO:<postmaster@RELAY.EXAMPLE.NET>"}) {
    CAPTURE(form);
    CHECK(rcpt(named, true, form) == "ops@example.net");
    CHECK(rcpt(named, false, form) == "ops@example.net");  // anyone may write to ours
    CHECK(rcpt(unnamed, true, form) == "postmaster@relay.example.net");
    CHECK(rcpt(unnamed, false, form) == "554 5.7.1");
  }
  CHECK(rcpt(named, false, "TO:<postmaster@example.org>") == "554 5.7.1");
  CHECK(rcpt(named, true, "TO:<postmaster@example.org>") == "postmaster@example.org");
}
