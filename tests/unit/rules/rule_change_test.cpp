// SPDX-License-Identifier: Apache-2.0
#include "rules/rule_change.hpp"

#include <doctest.h>

#include "rules/rule_hold.hpp"

using namespace sealpost;
using namespace sealpost::rules;
using namespace std::chrono_literals;
using Kind = RuleChange::Kind;

namespace {

const SystemTime now{std::chrono::sys_days{std::chrono::year{2026} / 3 / 1}};
constexpr auto tls12 = TlsVersion::tls1_2, tls13 = TlsVersion::tls1_3;

PartnerRule rule(std::string name, std::vector<std::string> domains, PartnerLevel level) {
  PartnerRule made;
  made.name = std::move(name);
  made.domains = std::move(domains);
  made.level = level;
  return made;
}

PartnerRule with(PartnerLevel level, auto change) {
  PartnerRule made = rule("B", {"b.example"}, level);
  change(made);
  return made;
}

std::vector<RuleChange> changes(const std::vector<PartnerRule>& before,
                                const std::vector<PartnerRule>& after) {
  return compare_rule_sets(before, after, now, tls12, tls12);
}

std::string joined(const std::vector<std::string>& texts) {
  std::string all;
  for (const std::string& text : texts) all += (all.empty() ? "" : "|") + text;
  return all;
}

}  // namespace

TEST_CASE("what one rule demands and the other does not") {
  const auto plain = [](PartnerRule&) {};
  const auto mx = [](std::vector<std::string> list) {
    return [list](PartnerRule& r) {
      r.mx = list;
      r.names = PartnerRule::Names::mx;
    };
  };
  const auto pins = [](std::vector<std::string> list) { return [list](PartnerRule& r) { r.pins = list; }; };
  const auto names = [](std::vector<std::string> list) {
    return [list](PartnerRule& r) {
      r.names = PartnerRule::Names::literal;
      r.literal_names = list;
    };
  };
  using L = PartnerLevel;
  struct Row {
    PartnerRule before, after;
    const char *weaker, *stronger;
  };
  const Row rows[] = {
      {with(L::verify, plain), with(L::verify, plain), "", ""},
      {with(L::verify, plain), with(L::encrypt, plain),
       "a certificate from a recognised authority is no longer required", ""},
      {with(L::encrypt, plain), with(L::verify, plain), "",
       "a certificate from a recognised authority is required"},
      {with(L::encrypt, plain), with(L::opportunistic, plain), "TLS is no longer required", ""},
      {with(L::opportunistic, plain), with(L::none, plain), "TLS is not even tried", ""},
      {with(L::none, plain), with(L::encrypt, plain), "", "TLS is required|TLS is used when offered"},
      {with(L::verify, plain), with(L::dane, plain), "", "DANE is required"},
      {with(L::dane, plain), with(L::verify, plain), "DANE is no longer required",
       "a certificate from a recognised authority is required"},
      {with(L::verify, plain), with(L::pin, pins({"aa"})), "", "only these keys: aa"},
      {with(L::pin, pins({"aa"})), with(L::pin, pins({"aa", "bb"})), "also accepts key bb", ""},
      {with(L::pin, pins({"aa", "bb"})), with(L::pin, pins({"bb"})), "", "no longer accepts key aa"},
      {with(L::verify, pins({"aa"})), with(L::pin, pins({"aa"})),
       "a certificate from a recognised authority is no longer required", ""},
      {with(L::verify, pins({"aa"})), with(L::verify, plain), "any key is accepted, no longer only aa", ""},
      {with(L::verify, [](PartnerRule& r) { r.minimum = tls13; }), with(L::verify, plain),
       "lowest version TLSv1.2 instead of TLSv1.3", ""},
      {with(L::verify, mx({"mx1.b.example"})), with(L::verify, mx({"mx1.b.example", "mx2.b.example"})),
       "also accepts mail host mx2.b.example", ""},
      {with(L::verify, mx({"*.b.example"})), with(L::verify, mx({"mx1.b.example"})), "",
       "no longer accepts mail host *.b.example"},
      {with(L::verify, mx({"mx1.b.example"})), with(L::verify, mx({"*.b.example"})),
       "also accepts mail host *.b.example", ""},
      {with(L::encrypt, mx({"mx1.b.example"})), with(L::encrypt, plain),
       "any mail host is accepted, no longer only mx1.b.example", ""},
      {with(L::verify, plain), with(L::verify, names({"x.example"})),
       "the certificate must name x.example instead of the partner's domain", ""},
      {with(L::verify, names({"x.example", "y.example"})), with(L::verify, names({"y.example"})), "",
       "the certificate may no longer name x.example"},
      {with(L::verify, plain), with(L::verify, [](PartnerRule& r) { r.audit = true; }),
       "TLS is no longer required|a certificate from a recognised authority is no longer required", ""},
  };
  for (const Row& row : rows) {
    CAPTURE(name_of(row.before.level));
    CAPTURE(name_of(row.after.level));
    const FloorChange change = compare_rules(&row.before, &row.after, now, tls12, tls12);
    CHECK(joined(change.weaker) == row.weaker);
    CHECK(joined(change.stronger) == row.stronger);
  }
}

TEST_CASE("the minimum of [tls] counts where a rule names none") {
  const PartnerRule one = rule("B", {"b.example"}, PartnerLevel::encrypt);
  CHECK(compare_rules(&one, &one, now, tls13, tls12).weaker.size() == 1);
  CHECK(compare_rules(&one, &one, now, tls12, tls13).stronger.size() == 1);
}

TEST_CASE("what is no demand is shown as such") {
  PartnerRule before = rule("B", {"b.example"}, PartnerLevel::verify), after = before;
  after.on_failure = PartnerRule::OnFailure::defer;
  after.grace = 4h;
  after.owner = "x@y.example";
  const auto all = changes({before}, {after});
  REQUIRE(all.size() == 1);
  CHECK(all[0].kind == Kind::changed);
  CHECK(joined(all[0].change.other) ==
        "on_failure defer instead of bounce|grace 4h instead of 15m|owner x@y.example instead of none");
  CHECK_FALSE(something_weaker(all));
}

TEST_CASE("gone, new, and what takes the place") {
  const PartnerRule wide = rule("Wide", {"*.example"}, PartnerLevel::encrypt);
  const PartnerRule narrow = rule("Narrow", {"b.example", "c.example"}, PartnerLevel::verify);
  auto all = changes({narrow}, {});
  REQUIRE(all.size() == 1);
  CHECK(all[0].kind == Kind::gone);
  CHECK(all[0].domains == std::vector<std::string>{"b.example", "c.example"});
  CHECK(something_weaker(all));

  all = changes({}, {narrow});
  REQUIRE(all.size() == 1);
  CHECK(all[0].kind == Kind::added);
  CHECK_FALSE(something_weaker(all));

  // The pattern steps in, with less.
  all = changes({narrow, wide}, {wide});
  REQUIRE(all.size() == 1);
  CHECK(all[0].kind == Kind::weaker);
  CHECK(all[0].before == "Narrow");
  CHECK(all[0].after == "Wide");

  // A new, more specific rule takes a domain out of a stronger one: nobody's text changed for the worse.
  PartnerRule hole = rule("Hole", {"b.example"}, PartnerLevel::opportunistic);
  const PartnerRule strong = rule("Strong", {"*.example"}, PartnerLevel::verify);
  all = changes({strong}, {strong, hole});
  REQUIRE(all.size() == 1);
  CHECK(all[0].kind == Kind::weaker);
  CHECK(all[0].after == "Hole");

  // A rule that demands nothing comes and goes: said, and no alarm.
  all = changes({}, {rule("Nothing", {"b.example"}, PartnerLevel::opportunistic)});
  REQUIRE(all.size() == 1);
  CHECK(all[0].kind == Kind::added);
  CHECK_FALSE(something_weaker(all));
  CHECK(changes({strong}, {strong}).empty());
}

TEST_CASE("a rule for everybody: who leaves it for a weaker one of his own is weaker off") {
  const PartnerRule everybody = rule("Everybody", {"*"}, PartnerLevel::encrypt);
  const PartnerRule own = rule("Own", {"b.example"}, PartnerLevel::opportunistic);
  const PartnerRule strict = rule("Strict", {"*.c.example"}, PartnerLevel::verify);
  CHECK(changes({everybody}, {everybody}).empty());
  const auto came = changes({everybody}, {everybody, own, strict});
  REQUIRE(came.size() == 2);
  CHECK(came[0].kind == Kind::weaker);
  CHECK(came[0].domains == std::vector<std::string>{"b.example"});
  CHECK(came[0].before == "Everybody");
  CHECK(came[1].kind == Kind::stronger);
  const auto gone = changes({everybody, strict}, {strict});
  REQUIRE(gone.size() == 1);
  CHECK(gone[0].kind == Kind::gone);
  CHECK(gone[0].domains == std::vector<std::string>{"*"});
  const auto replaced = changes({strict}, {everybody});
  REQUIRE(replaced.size() == 2);
  CHECK(replaced[0].kind == Kind::weaker);
  CHECK(replaced[0].after == "Everybody");
}

TEST_CASE("T-52 a rule for everybody that is held leaves what others name to those") {
  const PartnerRule everybody = rule("Everybody", {"*"}, PartnerLevel::encrypt);
  const PartnerRule own = rule("Own", {"b.example"}, PartnerLevel::opportunistic);
  const auto held = hold_rules({everybody, own}, {own}, {"*"});
  const auto governs = [&](const char* domain) {
    const PartnerRule* found = find_partner(held, domain, now);
    return found == nullptr ? std::string() : found->name;
  };
  CHECK(governs("b.example") == "Own");
  CHECK(governs("elsewhere.example") == "Everybody");
  CHECK(governs("any.test") == "Everybody");
}

TEST_CASE("dates: what changes only later is said with its date") {
  const PartnerRule before = rule("B", {"b.example"}, PartnerLevel::verify);
  PartnerRule after = before;
  after.ends = now + 24h * 31;
  auto all = changes({before}, {after});
  REQUIRE(all.size() == 2);
  CHECK(all[0].kind == Kind::gone);
  CHECK(all[0].from == after.ends);
  CHECK(all[1].kind == Kind::changed);
  CHECK(something_weaker(all));

  after = before;
  PartnerException exception;
  exception.until = now + 24h;
  exception.level = PartnerLevel::encrypt;
  after.exceptions = {exception};
  all = changes({before}, {after});
  REQUIRE(all.size() == 2);  // weaker now; the exception over, only its presence in the text is left
  CHECK(all[0].kind == Kind::weaker);
  CHECK_FALSE(all[0].from);
  CHECK(all[1].kind == Kind::changed);
  CHECK(all[1].from == exception.until);
}
