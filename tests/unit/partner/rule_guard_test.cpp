// SPDX-License-Identifier: Apache-2.0
#include "partner/rule_guard.hpp"
#include "config/resolving.hpp"

#include <doctest.h>

#include <algorithm>

#include "partner/partner_file.hpp"
#include "rules/rule_hold.hpp"

using namespace sealpost;
using namespace sealpost::app;

namespace {

const SystemTime today{std::chrono::sys_days{std::chrono::year{2026} / 11 / 29}};

Config with_rules(const std::string& text) {
  Config config;
  config.source = "/etc/sealpost.toml";
  if (text.empty()) return config;
  PartnerFiles files = read_partner_text(text, "p.toml", today);
  for (const Finding& finding : files.findings)
    CHECK_MESSAGE(finding.kind == Finding::Kind::warning, finding.to_string());
  config.partners = std::move(files.rules);
  config.weaker = std::move(files.weaker);
  return config;
}

std::string rule_of(const std::string& name, const std::string& domains, const std::string& more) {
  return "[[partner]]\nname = \"" + name + "\"\ndomains = [" + domains + "]\n" + more + "\n";
}

const std::string entry_head =
    "reason = \"agreed\"\napproved_by = \"ciso\"\n";  // keys of the table that is open

// The entries that are offered, with what a person has to add.
std::string filled_in(std::string offered) {
  for (const char* key : {"reason = \"\"", "approved_by = \"\""})
    for (auto at = offered.find(key); at != std::string::npos; at = offered.find(key))
      offered.replace(at, std::string(key).size(),
                      std::string(key).substr(0, std::string(key).size() - 1) + "me\"");
  return offered;
}

// What governs today, for each of these: "N verify", "-".
std::string governs(const Config& config, const std::string& domain) {
  const PartnerRule* found = find_partner(config.partners, domain, today);
  return found == nullptr ? "-" : found->name + " " + std::string(name_of(level_at(*found, today)));
}

}  // namespace

TEST_CASE("T-52 what asks for less goes in only when a file says so") {
  struct Row {
    const char* what;
    std::string before, after;
    const char* governs;  // n.test afterwards
    bool held;
  };
  const std::string verify = rule_of("N", "\"n.test\"", "tls = \"verify\"");
  const std::string encrypt = rule_of("N", "\"n.test\"", "tls = \"encrypt\"");
  const auto weaker = [](const std::string& date, const std::string& more = "") {
    return "[[weaker]]\npartners = [\"N\"]\ndate = " + date + "\n" + more + entry_head;
  };
  const std::string removed = "removed = true\n";
  const Row rows[] = {
      {"the same", verify, verify, "N verify", false},
      {"more", encrypt, verify, "N verify", false},
      {"new", "", verify, "N verify", false},
      {"less", verify, encrypt, "N verify", true},
      {"gone", verify, "", "N verify", true},
      {"another rule is left",
       verify + rule_of("O", "\"o.test\"", "tls = \"pin\"\npins = [\"" + std::string(64, 'a') + "\"]"),
       rule_of("O", "\"o.test\"", "tls = \"pin\"\npins = [\"" + std::string(64, 'a') + "\"]"), "N verify",
       true},
      {"on trial", verify, rule_of("N", "\"n.test\"", "tls = \"verify\"\nmode = \"audit\""), "N verify",
       true},
      {"an end in the future", verify, rule_of("N", "\"n.test\"", "tls = \"verify\"\nends = 2027-01-01"),
       "N verify", true},
      {"a start in the future", verify, rule_of("N", "\"n.test\"", "tls = \"verify\"\nstarts = 2027-01-01"),
       "N verify", true},
      {"a lower minimum", rule_of("N", "\"n.test\"", "tls = \"verify\"\nminimum = \"1.3\""), verify,
       "N verify", true},
      {"taken out of a stronger pattern", rule_of("N", "\"*.test\"", "tls = \"verify\""),
       rule_of("N", "\"*.test\"", "tls = \"verify\"") + rule_of("M", "\"n.test\"", "tls = \"encrypt\""),
       "N verify", true},
      {"renamed", verify, rule_of("New", "\"n.test\"", "tls = \"verify\""), "New verify", false},
      {"renamed and less", verify, rule_of("New", "\"n.test\"", "tls = \"encrypt\""), "N verify", true},
      {"TLS left out where nothing was asked", "", rule_of("N", "\"n.test\"", "tls = \"none\""),
       "(as before: no rule) opportunistic", true},
      {"less, said today", verify, encrypt + weaker("2026-11-29"), "N encrypt", false},
      {"less, said a week ago", verify, encrypt + weaker("2026-11-22"), "N encrypt", false},
      {"less, said long ago", verify, encrypt + weaker("2026-11-21"), "N verify", true},
      {"less, to be said next week", verify, encrypt + weaker("2026-12-05"), "N verify", true},
      {"gone, said", verify, weaker("2026-11-29", removed), "-", false},
      {"gone, where less was said", verify, weaker("2026-11-29"), "N verify", true},
      {"said of another", verify,
       encrypt + "[[weaker]]\npartners = [\"O\"]\ndate = 2026-11-29\n" + entry_head, "N verify", true},
      {"an exception is a dated line by itself", verify,
       verify + "[[partner.exception]]\nuntil = 2026-12-01\ntls = \"encrypt\"\n" + entry_head, "N encrypt",
       false},
      {"an exception hides no lower rule", verify,
       encrypt + "[[partner.exception]]\nuntil = 2026-12-01\ntls = \"encrypt\"\n" + entry_head, "N verify",
       true},
      {"an exception is taken out",
       verify + "[[partner.exception]]\nuntil = 2026-12-01\ntls = \"encrypt\"\n" + entry_head, verify,
       "N verify", false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const Config before_config = with_rules(row.before);
    const RulesInForce before = rules_in_force(before_config);
    const Guarded guarded = guard_rules(&before, with_rules(row.after), today);
    CHECK(governs(guarded.config, "n.test") == row.governs);
    CHECK(guarded.holds() == row.held);
    CHECK(entries_to_write(guarded.news, today).empty() == !row.held);
    // What is kept of it is no weaker: the same files once more hold the same.
    const RulesInForce kept = rules_in_force(guarded.config);
    const Guarded again = guard_rules(&kept, with_rules(row.after), today);
    CHECK(governs(again.config, "n.test") == row.governs);
    CHECK(again.config.partners.size() == guarded.config.partners.size());
    // The entry that was offered first still counts, and none but rules of the files are spoken of.
    const std::string entry = filled_in(entries_to_write(guarded.news, today));
    CHECK_FALSE(guard_rules(&kept, with_rules(row.after + entry), today).holds());
    CHECK(filled_in(entries_to_write(again.news, today)) == entry);
    for (const RuleNews& news : again.news) CHECK_FALSE(news.subject.starts_with("(as "));
  }
}

TEST_CASE("T-52 what is held keeps nothing else out") {
  const std::string before_text = rule_of("N", "\"n.test\", \"*.n.test\"", "tls = \"verify\"") +
                                  rule_of("O", "\"o.test\"", "tls = \"encrypt\"");
  const RulesInForce before = rules_in_force(with_rules(before_text));
  const Guarded guarded = guard_rules(&before,
                                      with_rules(rule_of("N", "\"n.test\"", "tls = \"encrypt\"") +
                                                 rule_of("O", "\"o.test\"", "tls = \"verify\"") +
                                                 rule_of("P", "\"p.test\"", "tls = \"dane\"")),
                                      today);
  CHECK(governs(guarded.config, "n.test") == "N verify");
  CHECK(governs(guarded.config, "a.b.n.test") == "N verify");
  CHECK(governs(guarded.config, "o.test") == "O verify");
  CHECK(governs(guarded.config, "p.test") == "P dane");
  CHECK(entries_to_write(guarded.news, today).find("removed = true") != std::string::npos);  // *.n.test
}

TEST_CASE("T-52 a pattern that is held asks no more of the names that are spelled out inside it") {
  const std::string pattern = rule_of("R", "\"*.n.test\"", "tls = \"verify\"");
  const std::string lower = rule_of("R", "\"*.n.test\"", "tls = \"encrypt\"");
  const auto inside = [](const std::string& level, const std::string& more = "") {
    return rule_of("A", "\"a.n.test\"", "tls = \"" + level + "\"\n" + more);
  };
  const struct {
    const char* what;
    std::string before, after;
    const char* governs;  // a.n.test afterwards
  } rows[] = {
      {"its rule goes and the pattern's asks for as much", pattern + inside("encrypt"), lower, "R encrypt"},
      {"nothing was asked of it, and all rules go", pattern + inside("opportunistic"), "",
       "(as written: no rule) opportunistic"},
      {"all rules go", pattern + inside("encrypt"), "", "A encrypt"},
      {"all rules go, and its own had an end", pattern + inside("encrypt", "ends = 2027-01-01"), "",
       "A encrypt"},
      {"its rule stays", pattern + inside("encrypt"), inside("encrypt"), "A encrypt"},
      {"it asks for more", pattern + inside("encrypt"), lower + inside("verify"), "A verify"},
      {"it was under the pattern", pattern, lower + inside("encrypt"), "R verify"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.what);
    const RulesInForce before = rules_in_force(with_rules(row.before));
    const Config after = with_rules(row.after);
    const Guarded guarded = guard_rules(&before, after, today);
    CHECK(guarded.holds());
    CHECK(governs(guarded.config, "a.n.test") == row.governs);
    CHECK(governs(guarded.config, "b.n.test") == "R verify");
    const RulesInForce kept = rules_in_force(guarded.config);
    const Guarded again = guard_rules(&kept, after, today);
    CHECK(governs(again.config, "a.n.test") == row.governs);
    CHECK(again.config.partners.size() == guarded.config.partners.size());
    for (const RuleNews& news : again.news) CHECK_FALSE(news.subject.starts_with("(as "));
  }
}

TEST_CASE("T-52 what follows a rule that ends is not taken from a pattern that is held") {
  // The pattern gives up its list of hosts for a certificate, so it is held; a.n.test relies on the certificate.
  const std::string verify = rule_of("R", "\"*.n.test\"", "tls = \"verify\"");
  const std::string hosts = rule_of("R", "\"*.n.test\"", "tls = \"encrypt\"\nmx = [\"mx.n.test\"]");
  const RulesInForce before =
      rules_in_force(with_rules(hosts + rule_of("A", "\"a.n.test\"", "tls = \"verify\"")));
  const Guarded guarded = guard_rules(
      &before, with_rules(verify + rule_of("A", "\"a.n.test\"", "tls = \"verify\"\nends = 2027-01-01")),
      today);
  CHECK(governs(guarded.config, "b.n.test") == "R encrypt");
  const SystemTime later{std::chrono::sys_days{std::chrono::year{2027} / 6 / 1}};
  const PartnerRule* found = find_partner(guarded.config.partners, "a.n.test", later);
  REQUIRE(found != nullptr);
  CHECK(found->level == PartnerLevel::verify);
}

TEST_CASE("T-52 an entry as it is offered lets in what was held") {
  const RulesInForce before =
      rules_in_force(with_rules(rule_of("N \\\"x\\\"", "\"n.test\"", "tls = \"verify\"") +
                                rule_of("O", "\"o.test\"", "tls = \"verify\"")));
  const std::string after = rule_of("O", "\"o.test\"", "tls = \"encrypt\"");
  const Guarded held = guard_rules(&before, with_rules(after), today);
  REQUIRE(held.holds());
  const std::string offered = filled_in(entries_to_write(held.news, today));
  const Guarded let_in = guard_rules(&before, with_rules(after + offered), today);
  CHECK_FALSE(let_in.holds());
  CHECK(governs(let_in.config, "n.test") == "-");
  CHECK(governs(let_in.config, "o.test") == "O encrypt");
  for (const RuleNews& news : let_in.news) CHECK(news.approved_by == "me");
}

// By hosts of which one has a rule.
void through(Config& config, std::vector<delivery::SmartHostChoice> hosts) {
  PartnerRule rule;
  rule.name = "Ours";
  rule.domains = {"a.test"};
  rule.level = PartnerLevel::verify;
  config.partners.push_back(std::move(rule));
  RouteConfig route;
  route.name = route.domain = "*";
  route.relay = "[a.test]:587";
  route.hosts = std::move(hosts);
  config.routes.push_back(std::move(route));
}

TEST_CASE("T-52 settings that ask for less are held one by one") {
  struct Row {
    const char* key;
    void (*before)(Config&);
    void (*after)(Config&);
    bool (*as_before)(const Config&);
    bool back_is_more = true;  // sets of roots have no order: another set may always trust more
  };
  const auto nothing = [](Config&) {};
  const Row rows[] = {
      {"mta_sts.enabled", nothing, [](Config& c) { c.delivery.mta_sts = false; },
       [](const Config& c) { return c.delivery.mta_sts; }},
      {"dane.enabled", nothing, [](Config& c) { c.delivery.dane = false; },
       [](const Config& c) { return c.delivery.dane; }},
      {"dane.satisfies_sts", nothing, [](Config& c) { c.delivery.dane_satisfies_sts = true; },
       [](const Config& c) { return !c.delivery.dane_satisfies_sts; }},
      {"tls.minimum", [](Config& c) { c.minimum = TlsVersion::tls1_3; }, nothing,
       [](const Config& c) { return c.minimum == TlsVersion::tls1_3 && c.delivery.minimum == c.minimum; }},
      {"tls.trust", [](Config& c) { c.trust = "/etc/passwd"; }, [](Config& c) { c.trust = "/etc/group"; },
       [](const Config& c) { return c.trust == "/etc/passwd"; }, false},
      {"delivery.hold_first_for_policy", nothing, [](Config& c) { c.delivery.hold_first_for_policy = {}; },
       [](const Config& c) { return c.delivery.hold_first_for_policy == std::chrono::seconds(10); }},
      {"listener.honour_tls_required", nothing, [](Config& c) { c.listeners[0].honour_tls_required = true; },
       [](const Config& c) { return !c.listeners[0].honour_tls_required; }},
      {"delivery.allow_destinations", nothing,
       [](Config& c) { c.delivery.routing.allow_destinations.push_back(*Network::parse("10.0.0.0/8")); },
       [](const Config& c) { return c.delivery.routing.allow_destinations.empty(); }},
      {"dns.trust_ad", [](Config& c) { c.dns.servers = {*Endpoint::parse("127.0.0.1:53")}; },
       [](Config& c) {
         c.dns.servers = {*Endpoint::parse("127.0.0.1:53")};
         c.dns.trust_ad = dns::TrustAd::never;
       },
       [](const Config& c) { return c.dns.trust_ad == dns::TrustAd::loopback; }},
      {"dns.servers", [](Config& c) { c.dns.servers = {*Endpoint::parse("127.0.0.1:53")}; },
       [](Config& c) { c.dns.servers = {*Endpoint::parse("192.0.2.53:53")}; },
       [](const Config& c) { return c.dns.servers.at(0).to_string() == "127.0.0.1:53"; }},
      {"route", nothing,
       [](Config& c) {
         RouteConfig route;
         route.domain = "*";
         route.relay = "smart.test:25";
         c.routes.push_back(route);
       },
       [](const Config& c) { return c.routes.empty(); }},
      {"route",
       [](Config& c) {
         through(c, {{"a.test", 10, 1}});
       },
       [](Config& c) {
         through(c, {{"a.test", 10, 1}, {"b.test", 20, 1}});
       },
       [](const Config& c) { return c.routes.at(0).hosts.size() == 1; }},
  };
  for (const Row& row : rows) {
    CAPTURE(row.key);
    Config old, wanted;
    row.before(old);
    row.after(wanted);
    const RulesInForce before = rules_in_force(old);
    const Guarded held = guard_rules(&before, wanted, today);
    CHECK(held.holds());
    CHECK(row.as_before(held.config));
    const RulesInForce back = rules_in_force(wanted);
    CHECK(guard_rules(&back, old, today).holds() != row.back_is_more);
    WeakerEntry entry;
    entry.settings = {row.key};
    entry.date = today;
    entry.approved_by = "ciso";
    wanted.weaker.push_back(entry);
    const Guarded approved = guard_rules(&before, wanted, today);
    CHECK_FALSE(approved.holds());
    CHECK_FALSE(row.as_before(approved.config));
  }
}

TEST_CASE(
    "T-10 T-52 DANE lost by servers and trust together: both are held, and what is recorded is what holds") {
  Config old, wanted;
  old.dns.servers = {*Endpoint::parse("127.0.0.1:53")};
  wanted.dns.servers = {*Endpoint::parse("192.0.2.53:53")};
  wanted.dns.trust_ad = dns::TrustAd::never;
  const RulesInForce before = rules_in_force(old);
  const Guarded held = guard_rules(&before, wanted, today);
  CHECK(held.holds());
  CHECK(held.config.dns.trust_ad == dns::TrustAd::loopback);
  CHECK(held.config.dns.servers.at(0).to_string() == "127.0.0.1:53");
  CHECK(rules_in_force(held.config).settings.dns_believed);
}

TEST_CASE("T-10 T-52 the system's servers are on record by what they are") {
  Config config;  // no [dns] servers
  const FloorSettings floor = floor_settings(config);
  CHECK(floor.dns_servers.size() == resolver_settings(config.dns).servers.size());
}

TEST_CASE("a first start has nothing to compare with") {
  const Guarded guarded =
      guard_rules(nullptr, with_rules(rule_of("N", "\"n.test\"", "tls = \"none\"")), today);
  CHECK(guarded.news.empty());
  CHECK(governs(guarded.config, "n.test") == "N none");
}

TEST_CASE("T-52 random edits of rules never lower a domain without a word") {
  // Small worlds, every pair of them: three names, four levels, exact and pattern.
  const std::vector<std::string> domains = {"n.test", "*.n.test", "a.n.test"};
  const std::vector<std::string> levels = {"", "tls = \"opportunistic\"", "tls = \"encrypt\"",
                                           "tls = \"verify\""};
  std::vector<std::string> worlds;
  for (const auto& one : levels)
    for (const auto& two : levels)
      for (const auto& three : levels) {
        std::string text;
        const std::vector<std::string> chosen = {one, two, three};
        for (std::size_t i = 0; i < chosen.size(); ++i)
          if (!chosen[i].empty())
            text += rule_of("R" + std::to_string(i), "\"" + domains[i] + "\"", chosen[i]);
        worlds.push_back(text);
      }
  std::vector<Config> configs;
  for (const std::string& world : worlds) configs.push_back(with_rules(world));
  for (const Config& before_config : configs) {
    const RulesInForce before = rules_in_force(before_config);
    for (const Config& after : configs) {
      const Guarded guarded = guard_rules(&before, after, today);
      for (const char* domain : {"n.test", "a.n.test", "b.n.test", "x.a.n.test"}) {
        const PartnerRule* was = find_partner(before.partners, domain, today);
        const PartnerRule* wanted = find_partner(after.partners, domain, today);
        const PartnerRule* is = find_partner(guarded.config.partners, domain, today);
        const auto level = [](const PartnerRule* one) {
          return one == nullptr ? PartnerLevel::opportunistic : one->level;
        };
        CHECK(level(is) == std::max(level(was), level(wanted)));
      }
    }
  }
}
