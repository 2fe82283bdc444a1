// SPDX-License-Identifier: Apache-2.0
#include "partner/partner_file.hpp"

#include <doctest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

using namespace sealpost;
using namespace sealpost::app;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

const SystemTime now = *from_rfc3339("2026-07-01T12:00:00Z");

class Directory {
 public:
  Directory() {
    char name[] = "/tmp/sealpost-partners-XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    path_ = name;
  }
  ~Directory() { fs::remove_all(path_); }
  std::string write(const std::string& name, const std::string& text) const {
    const std::string path = (path_ / name).string();
    std::ofstream(path) << text;
    return path;
  }
  std::string path() const { return path_.string(); }

 private:
  fs::path path_;
};

std::string rule(const std::string& more, const std::string& name = "P",
                 const std::string& domains = "\"b.test\"") {
  return "[[partner]]\nname = \"" + name + "\"\ndomains = [" + domains + "]\n" + more + "\n";
}

PartnerFiles read(const std::string& text) {
  const Directory directory;
  return read_partner_file(directory.write("p.toml", text), now);
}

// "3 partner.tls: ..." per finding, file name left out.
std::string told(const PartnerFiles& files) {
  std::string out;
  for (const Finding& finding : files.findings)
    out += (finding.kind == Finding::Kind::error ? "E" : "W") + std::to_string(finding.line) + " " +
           finding.key + ": " + finding.message + "\n";
  return out;
}

const std::string key_hex = "5f2c7a0d9be14c3b8a6d0e1f2a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d";

}  // namespace

TEST_CASE("rules for domains with '_': mail is taken for them, so it can be demanded of them (ADR 32)") {
  const PartnerFiles files = read(R"([[partner]]
name = "Under"
domains = ["Under_score.example", "*.sub_.example"]
tls = "encrypt"
)");
  CHECK(told(files) == "");
  REQUIRE(files.rules.size() == 1);
  CHECK(files.rules[0].domains == std::vector<std::string>{"under_score.example", "*.sub_.example"});
}

TEST_CASE("a rule with everything in it") {
  const PartnerFiles files = read(R"([[partner]]
name = "Zorgverzekeraar Noord"
domains = ["Noord.Example", "*.noord.example"]
tls = "verify"
mx = ["*.MX.noord.example"]
names = ["mx"]
pins = []
minimum = "1.3"
mode = "enforce"
on_failure = "bounce"
grace = "15m"
starts = 2026-01-01
ends = 2030-01-01
review_by = 2027-01-01
owner = "privacy@example.net"
reference = "DPA-2026-014"
[[partner.exception]]
until = 2026-12-01T12:00:00Z
tls = "encrypt"
reason = "certificate renewal at partner, ticket 4711"
approved_by = "ciso@example.net"
)");
  REQUIRE(files.rules.size() == 1);
  CHECK_FALSE(has_errors(files.findings));
  const PartnerRule& got = files.rules[0];
  CHECK(got.name == "Zorgverzekeraar Noord");
  CHECK(got.domains == std::vector<std::string>{"noord.example", "*.noord.example"});
  CHECK(got.level == PartnerLevel::verify);
  CHECK(got.mx == std::vector<std::string>{"*.mx.noord.example"});
  CHECK(got.names == PartnerRule::Names::mx);
  CHECK(got.minimum == TlsVersion::tls1_3);
  CHECK_FALSE(got.audit);
  CHECK(got.on_failure == PartnerRule::OnFailure::bounce);
  CHECK(got.grace == 15min);
  CHECK(got.starts == from_rfc3339("2026-01-01T00:00:00Z"));
  CHECK(got.ends == from_rfc3339("2030-01-01T00:00:00Z"));
  CHECK(got.review_by == from_rfc3339("2027-01-01T00:00:00Z"));
  CHECK(got.owner == "privacy@example.net");
  CHECK(got.reference == "DPA-2026-014");
  REQUIRE(got.exceptions.size() == 1);
  CHECK(got.exceptions[0].until == from_rfc3339("2026-12-01T12:00:00Z"));
  CHECK(got.exceptions[0].level == PartnerLevel::encrypt);
  CHECK(got.line == 1);
  CHECK(got.hash.size() == 64);
}

TEST_CASE("what is left out has its default") {
  const PartnerFiles files = read(rule("tls = \"verify\""));
  CHECK(told(files).empty());
  const PartnerRule& got = files.rules.at(0);
  CHECK(got.names == PartnerRule::Names::domain);
  CHECK(got.on_failure == PartnerRule::OnFailure::bounce);
  CHECK(got.grace == 15min);
  CHECK(got.minimum == TlsVersion::none);
  CHECK_FALSE(got.audit);
  CHECK(read(rule("tls = \"verify\"\nmx = [\"mx.b.test\"]")).rules.at(0).names == PartnerRule::Names::mx);
}

TEST_CASE("errors say line, key and what would be right") {
  struct Row {
    std::string text, told;
  };
  const Row rows[] = {
      {"[[partner]\n", "E1 : "},
      {"[[partners]]\nname = \"x\"\n", "E1 partners: unknown key; did you mean 'partner'?"},
      {"[partner]\nname = \"x\"\n",
       "E1 partner: must be an array of tables, written as [[partner]], not a table"},
      {rule(""), "E1 partner.tls: is missing"},
      {"[[partner]]\ntls = \"encrypt\"\ndomains = [\"b.test\"]", "E1 partner.name: is missing"},
      {"[[partner]]\ntls = \"encrypt\"\nname = \"x\"", "E1 partner.domains: is missing"},
      {rule("tls = \"encrypt\"", "P", ""), "E3 partner.domains: names no domain"},
      {rule("tls = \"encrypt\"", " "), "E2 partner.name: is empty"},
      {rule("tls = \"encrypt\"", "a\\nb"), "E2 partner.name: has control characters"},
      {rule("tls = \"secure\""),
       "E4 partner.tls: 'secure' is not one of: none, opportunistic, encrypt, verify, dane, pin"},
      {rule("tls = true"), "E4 partner.tls: must be a string, not true or false"},
      {rule("tls = \"encrypt\"\nmods = \"audit\""), "E5 partner.mods: unknown key; did you mean 'mode'?"},
      {rule("tls = \"encrypt\"\nonfailure = \"defer\""),
       "E5 partner.onfailure: unknown key; did you mean 'on_failure'?"},
      {rule("tls = \"encrypt\"", "P", "\"**\""),
       "E3 partner.domains: '**' is not a domain; write \"noord.example\""},
      {rule("tls = \"encrypt\"\nmx = [\"*\"]"), "E5 partner.mx: '*' is not a domain"},
      {rule("tls = \"encrypt\"", "P", "\"a@b.test\""), "E3 partner.domains: 'a@b.test' is not a domain"},
      {rule("tls = \"encrypt\"", "P", "\"m*.b.test\""), "E3 partner.domains: 'm*.b.test' is not a domain"},
      {rule("tls = \"encrypt\"\ndomains_ = 1"), "did you mean 'domains'?"},
      {rule("tls = \"encrypt\"\nmx = \"mx.b.test\""),
       "E5 partner.mx: must be an array of strings, not a string"},
      {rule("tls = \"encrypt\"\nmx = [\"10 mx.b.test\"]"), "E5 partner.mx: '10 mx.b.test' is not a domain"},
      {rule("tls = \"verify\"\nnames = []"), "E5 partner.names: is empty"},
      {rule("tls = \"verify\"\nnames = [\"mx\", \"domain\"]"),
       "E5 partner.names: \"mx\" and \"domain\" stand alone"},
      {rule("tls = \"verify\"\nnames = [\"*.b.test\"]"), "E5 partner.names: '*.b.test' is neither"},
      {rule("tls = \"encrypt\"\nnames = [\"mx\"]"),
       "E5 partner.names: is only checked with tls = \"verify\""},
      {rule("tls = \"pin\""), "E1 partner.pins: tls = \"pin\" needs at least one pin"},
      {rule("tls = \"pin\"\npins = [\"abc\"]"), "E5 partner.pins: 'abc' is not the SHA-256 of a public key"},
      {rule("tls = \"encrypt\"\npins = [\"" + key_hex + "\"]"), "E5 partner.pins: is only checked with"},
      {rule("tls = \"encrypt\"\nminimum = \"1.1\""), "E5 partner.minimum: '1.1' is not one of: 1.2, 1.3"},
      {rule("tls = \"encrypt\"\nminimum = 1.3"),
       "E5 partner.minimum: must be a string, not a number with a fraction"},
      {rule("tls = \"opportunistic\"\nminimum = \"1.3\""),
       "E5 partner.minimum: is only checked with tls = \"encrypt\" or more"},
      {rule("tls = \"encrypt\"\nmode = \"test\""), "E5 partner.mode: 'test' is not one of: enforce, audit"},
      {rule("tls = \"encrypt\"\non_failure = \"drop\""),
       "E5 partner.on_failure: 'drop' is not one of: bounce, defer, reroute:HOST:PORT"},
      {rule("tls = \"encrypt\"\non_failure = \"reroute:\""),
       "E5 partner.on_failure: the gateway must be host:port"},
      {rule("tls = \"encrypt\"\non_failure = \"reroute:gw.test\""),
       "E5 partner.on_failure: the gateway must be host:port"},
      {rule("tls = \"encrypt\"\non_failure = \"reroute:gw.test:99999\""),
       "E5 partner.on_failure: the gateway must be host:port"},
      {rule("tls = \"encrypt\"\non_failure = \"reroute:192.0.2.1:25\""),
       "E5 partner.on_failure: the gateway must be host:port with a name its certificate can show"},
      {rule("tls = \"encrypt\"\ngrace = \"15 minutes\""), "E5 partner.grace: '15 minutes' is not a duration"},
      {rule("tls = \"encrypt\"\ngrace = \"31d\""), "E5 partner.grace: is longer than 30 days"},
      {rule("tls = \"encrypt\"\nstarts = \"2026-01-01\""), "E5 partner.starts: must be a date"},
      {rule("tls = \"encrypt\"\nstarts = 2026-01-01T00:00:00"), "E5 partner.starts: has no time zone"},
      {rule("tls = \"encrypt\"\nstarts = 2027-01-01\nends = 2027-01-01"),
       "E6 partner.ends: is not after starts"},
      {rule("tls = \"verify\"\n[[partner.exception]]\ntls = \"encrypt\""),
       "E5 partner.exception.until: is missing"},
      {rule("tls = \"verify\"\n[[partner.exception]]\ntls = \"encrypt\""),
       "E5 partner.exception.reason: is missing"},
      {rule("tls = \"verify\"\n[[partner.exception]]\ntls = \"encrypt\""),
       "E5 partner.exception.approved_by: is missing"},
      {rule("tls = \"verify\"\n[[partner.exception]]\nuntil = 2026-12-01\nreason = \"x\"\napproved_by = "
            "\"y\""),
       "E5 partner.exception.tls: is missing"},
      {rule("tls = \"verify\"\n[[partner.exception]]\nlevel = \"encrypt\""),
       "E6 partner.exception.level: unknown key"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    const PartnerFiles files = read(row.text);
    CHECK(has_errors(files.findings));
    CHECK_MESSAGE(told(files).find(row.told) != std::string::npos, told(files), " lacks ", row.told);
  }
}

TEST_CASE("warnings: allowed, and worth a word") {
  struct Row {
    std::string text, told;
  };
  const std::string exception =
      "\n[[partner.exception]]\ntls = \"encrypt\"\nreason = \"renewal\"\napproved_by = \"ciso\"\nuntil = ";
  const Row rows[] = {
      {rule("tls = \"verify\"\nnames = [\"mx\"]"), "W5 partner.names: \"mx\" without mx trusts DNS"},
      {rule("tls = \"pin\"\npins = [\"" + key_hex + "\"]"), "W5 partner.pins: there is one pin only"},
      {rule("tls = \"none\""), "W4 partner.tls: \"none\" sends mail in clear"},
      {rule("tls = \"encrypt\"\nreview_by = 2026-06-30\nowner = \"me\""),
       "W5 partner.review_by: the review was due on 2026-06-30; owner: me"},
      {rule("tls = \"encrypt\"\nreview_by = 2026-07-30"),
       "W5 partner.review_by: the review is due on 2026-07-30"},
      {rule("tls = \"encrypt\"\nends = 2026-07-01"), "W5 partner.ends: the rule ended on 2026-07-01"},
      {rule("tls = \"encrypt\"\nends = 2026-07-02"), "W5 partner.ends: the rule ends on 2026-07-02"},
      {rule("tls = \"encrypt\"\nmode = \"audit\"\non_failure = \"defer\""),
       "W6 partner.on_failure: has no effect with mode = \"audit\""},
      {rule("tls = \"verify\"" + exception + "2026-07-01T12:00:00Z"),
       "partner.exception: the exception 'renewal' ended on 2026-07-01T12:00:00Z"},
      {rule("tls = \"verify\"" + exception + "2026-07-01T12:00:01Z"),
       "is in force until 2026-07-01T12:00:01Z: tls = \"encrypt\", approved by ciso"},
      {rule("tls = \"verify\"" + exception + "2026-07-01T14:00:00+02:00"), "ended on 2026-07-01T12:00:00Z"},
      {rule("tls = \"verify\"" + exception + "2026-10-15"), "lasts longer than 90 days"},
      {rule("tls = \"verify\"" + exception + "2026-07-02" + exception + "2026-07-03"),
       "several exceptions are in force"},
      {rule("tls = \"encrypt\"", "P", "\"b.test\", \"B.test\""),
       "W3 partner.domains: 'b.test' is there twice"},
      {rule("tls = \"encrypt\"", "A", "\"*.b.test\"") +
           rule("tls = \"verify\"\nmode = \"audit\"", "B", "\"x.b.test\""),
       "partner.mode: audit: for 'x.b.test' this rule takes the place of 'A'"},
      {rule("tls = \"encrypt\"", "A", "\"*.b.test\"") +
           rule("tls = \"verify\"\nmode = \"audit\"", "B", "\"*.x.b.test\""),
       "partner.mode: audit: for '*.x.b.test' this rule takes the place of 'A'"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    const PartnerFiles files = read(row.text);
    CHECK_FALSE(has_errors(files.findings));
    CHECK_MESSAGE(told(files).find(row.told) != std::string::npos, told(files), " lacks ", row.told);
  }
  CHECK(told(read(rule("tls = \"encrypt\"\nreview_by = 2026-08-01"))).empty());
  CHECK(told(read(rule("tls = \"encrypt\"\nends = 2026-08-01"))).empty());
}

TEST_CASE("pins in the forms people have them") {
  const std::string base64 = "Xyx6DZvhTDuKbQ4fKjtMXW5/gJGis8TV5vcIGSo7TF0=";
  std::string colons;
  for (std::size_t i = 0; i < key_hex.size(); i += 2) colons += (i == 0 ? "" : ":") + key_hex.substr(i, 2);
  std::string capitals = key_hex;
  for (char& c : capitals) c = static_cast<char>(std::toupper(c));
  for (const std::string& written : {key_hex, capitals, colons, base64, "sha256/" + base64}) {
    CAPTURE(written);
    const PartnerFiles files = read(rule("tls = \"pin\"\npins = [\"" + written + "\"]"));
    CHECK_FALSE(has_errors(files.findings));
    CHECK(files.rules.at(0).pins == std::vector<std::string>{key_hex});
  }
}

TEST_CASE("names beyond ASCII are what DNS calls them") {
  const PartnerFiles files = read(rule("tls = \"verify\"\nnames = [\"m\xc3\xbcnchen.test\"]", "P",
                                       "\"*.b\xc3\xbc"
                                       "cher.test\""));
  CHECK_FALSE(has_errors(files.findings));
  CHECK(files.rules.at(0).domains.at(0) == "*.xn--bcher-kva.test");
  CHECK(files.rules.at(0).literal_names.at(0) == "xn--mnchen-3ya.test");
}

TEST_CASE("two rules for one domain are a conflict, unless time parts them") {
  const std::string a = rule("tls = \"encrypt\"", "A"),
                    b = rule("tls = \"verify\"", "B", "\"c.test\", \"b.test\"");
  const PartnerFiles files = read(a + b);
  CHECK(told(files).find("E5 partner.domains: 'b.test' is in rule 'A' (/tmp/") != std::string::npos);
  CHECK(told(files).find("p.toml:1) as well, and both hold at the same time") != std::string::npos);
  CHECK_FALSE(has_errors(read(rule("tls = \"encrypt\"\nends = 2027-01-01", "A") +
                              rule("tls = \"verify\"\nstarts = 2027-01-01", "B"))
                             .findings));
  CHECK(has_errors(read(rule("tls = \"encrypt\"\nends = 2027-01-02", "A") +
                        rule("tls = \"verify\"\nstarts = 2027-01-01", "B"))
                       .findings));
  CHECK_FALSE(has_errors(read(a + rule("tls = \"verify\"", "B", "\"*.b.test\", \"a.b.test\"")).findings));
  CHECK(
      told(read(a + rule("tls = \"verify\"", "A", "\"c.test\""))).find("partner.name: is the name of 'A'") !=
      std::string::npos);
}

TEST_CASE(
    "a rule for everybody gives way to each that names a domain, and says where a trial takes its place") {
  const PartnerFiles files = read(rule("tls = \"encrypt\"", "Everybody", "\"*\"") +
                                  rule("tls = \"verify\"\nmode = \"audit\"", "Trial", "\"b.test\""));
  CHECK_FALSE(has_errors(files.findings));
  REQUIRE(files.rules.size() == 2);
  CHECK(files.rules[0].domains == std::vector<std::string>{"*"});
  CHECK(told(files).find("for 'b.test' this rule takes the place of") != std::string::npos);
  const PartnerFiles two =
      read(rule("tls = \"encrypt\"", "A", "\"*\"") + rule("tls = \"verify\"", "B", "\"*\""));
  CHECK(told(two).find("'*' is in rule 'A'") != std::string::npos);
}

TEST_CASE("a directory is read whole, by name, and checked together") {
  const Directory directory;
  directory.write("20-b.toml", rule("tls = \"verify\"", "B", "\"b.test\""));
  directory.write("10-a.toml", rule("tls = \"encrypt\"", "A", "\"a.test\""));
  directory.write("notes.txt", "no TOML");
  const PartnerFiles files = read_partner_directory(directory.path(), now);
  CHECK(told(files).empty());
  REQUIRE(files.rules.size() == 2);
  CHECK(files.rules[0].name == "A");
  CHECK(files.rules[1].file == directory.path() + "/20-b.toml");

  // What looks like a rule and is not read is told.
  directory.write(".hidden.toml", rule("tls = \"dane\"", "H", "\"h.test\""));
  directory.write(".#20-b.toml", "");
  std::filesystem::create_directory(directory.path() + "/more");
  std::filesystem::create_directory(directory.path() + "/.git");
  const PartnerFiles passed_over = read_partner_directory(directory.path(), now);
  CHECK(passed_over.rules.size() == 2);
  REQUIRE(passed_over.findings.size() == 2);
  for (const Finding& found : passed_over.findings) {
    CHECK(found.kind == Finding::Kind::warning);
    CHECK((found.file.ends_with("/.hidden.toml") || found.file.ends_with("/more")));
  }

  directory.write("30-c.toml", rule("tls = \"dane\"", "C", "\"a.test\""));
  CHECK(has_errors(read_partner_directory(directory.path(), now).findings));

  const PartnerFiles absent = read_partner_directory(directory.path() + "/absent", now);
  REQUIRE(absent.findings.size() == 1);
  CHECK(absent.findings[0].to_string() ==
        directory.path() +
            "/absent: error: the directory of partner files cannot be read: No such file or directory; "
            "restore or "
            "mount it, or take [policies] directory out of the configuration");
}

TEST_CASE("the hash is about meaning") {
  const auto hash_of = [](const std::string& more, const std::string& name = "P",
                          const std::string& domains = "\"b.test\"") {
    return read(rule(more, name, domains)).rules.at(0).hash;
  };
  const std::string plain = hash_of("tls = \"verify\"");
  CHECK(hash_of("tls = \"verify\"", "another name") == plain);
  CHECK(hash_of("tls = \"verify\"\nowner = \"x\"\nreference = \"y\"\nreview_by = 2028-01-01") == plain);
  CHECK(hash_of("tls = \"verify\"\nnames = [\"domain\"]\ngrace = \"900s\"\nmode = \"enforce\"") == plain);
  CHECK(hash_of("tls = \"verify\"", "P", "\"B.Test\"") == plain);
  CHECK(hash_of("tls = \"encrypt\"", "P", "\"a.test\", \"b.test\"") ==
        hash_of("tls = \"encrypt\"", "P", "\"b.test\", \"a.test\""));
  const std::string different[] = {"tls = \"encrypt\"",
                                   "tls = \"verify\"\nmode = \"audit\"",
                                   "tls = \"verify\"\nnames = [\"mx\"]",
                                   "tls = \"verify\"\nnames = [\"x.test\"]",
                                   "tls = \"verify\"\nmx = [\"x.test\"]",
                                   "tls = \"verify\"\nminimum = \"1.3\"",
                                   "tls = \"verify\"\ngrace = \"1h\"",
                                   "tls = \"verify\"\non_failure = \"defer\"",
                                   "tls = \"verify\"\nstarts = 2026-01-01",
                                   "tls = \"verify\"\nends = 2030-01-01",
                                   "tls = \"verify\"\npins = [\"" + key_hex + "\"]",
                                   "tls = \"verify\"\n[[partner.exception]]\nuntil = 2026-12-01\ntls = "
                                   "\"encrypt\"\nreason = \"r\"\napproved_by = \"a\""};
  for (const std::string& more : different) {
    CAPTURE(more);
    CHECK(hash_of(more) != plain);
  }
}

TEST_CASE("the shipped partner files are right") {
  const PartnerFiles files = read_partner_directory(SHIPPED_POLICIES, now);
  for (const Finding& finding : files.findings)
    CHECK_MESSAGE(finding.kind == Finding::Kind::warning, finding.to_string());
  const auto level_of = [&](const char* domain) {
    const PartnerRule* found = find_partner(files.rules, domain, now);
    REQUIRE_MESSAGE(found != nullptr, domain);
    return level_at(*found, now);
  };
  CHECK(level_of("noord.example") == PartnerLevel::verify);
  CHECK(level_of("claims.noord.example") == PartnerLevel::verify);
  CHECK(level_of("press.noord.example") == PartnerLevel::encrypt);
  CHECK(level_of("settlement.zuid.example") == PartnerLevel::pin);
  CHECK(find_partner(files.rules, "zuid.example", now)->audit);
  CHECK(level_of("water.gov.example") == PartnerLevel::dane);
  CHECK(level_of("dikes.water.gov.example") == PartnerLevel::encrypt);  // its exception is in force
  CHECK(level_at(*find_partner(files.rules, "dikes.water.gov.example", now),
                 *from_rfc3339("2026-12-01T12:00:00Z")) == PartnerLevel::verify);
  CHECK(level_of("clinic.example") == PartnerLevel::verify);
  CHECK(level_of("school.example") == PartnerLevel::verify);
  CHECK(find_partner(files.rules, "elsewhere.example", now) == nullptr);
}
