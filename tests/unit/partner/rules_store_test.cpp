// SPDX-License-Identifier: Apache-2.0
#include "partner/rules_store.hpp"

#include <doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/digest.hpp"
#include "partner/partner_file.hpp"
#include "partner/rule_keeper.hpp"
#include "partner/rules_json.hpp"

using namespace sealpost;
using namespace sealpost::app;
using State = RulesStore::Found::State;
using Moment = RuleKeeper::Moment;
namespace fs = std::filesystem;

namespace {

const SystemTime stored_at{std::chrono::sys_days{std::chrono::year{2026} / 11 / 29}};

struct Data {
  std::string path;
  Data() {
    char name[] = "/tmp/sealpost-rules-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~Data() { fs::remove_all(path); }
  std::string file(const char* name) const { return path + "/rules-in-force/" + name; }
};

Config with_level(const std::string& level) {
  Config config;
  config.source = "/etc/sealpost.toml";
  if (!level.empty())
    config.partners =
        read_partner_text("[[partner]]\nname = \"N\"\ndomains = [\"n.test\"]\ntls = \"" + level +
                              "\"\nends = 2030-01-01\n[[partner.exception]]\nuntil = 2026-11-01\n"
                              "tls = \"encrypt\"\nreason = \"r\"\napproved_by = \"a\"\n",
                          "p.toml", stored_at)
            .rules;
  return config;
}

// A start or reload with these files, as the relay does it: the level in force for n.test afterwards.
struct Life {
  const Data& data;
  Health health;
  std::string last;
  std::string go(const std::string& level, Moment moment = Moment::start) {
    RuleKeeper keeper(data.path, health);
    const auto admission = keeper.admit(with_level(level), stored_at);
    const auto kept = keeper.commit(admission, moment, stored_at);
    if (!kept) return "refused";
    if (!admission.guarded.config.delivery.hold_all.empty()) return "all waits";
    const PartnerRule* found = find_partner(admission.guarded.config.partners, "n.test", stored_at);
    return found == nullptr ? "-" : std::string(name_of(found->level));
  }
};

}  // namespace

TEST_CASE("rules come back from the record as they were") {
  const Data data;
  RulesStore store(data.path);
  CHECK(store.load().state == State::none);
  RulesInForce rules = rules_in_force(with_level("verify"));
  rules.settings.routes.emplace_back();
  rules.settings.routes.back().domain = "*";
  rules.settings.routes.back().hosts = {{"a.test", 10, 3}, {"b.test", 20, 1}};
  rules.settings.routes.back().implicit_tls = true;
  rules.settings.allow_destinations = {"10.0.0.0/8"};
  rules.partners[0].file = "/etc/\xff.toml";  // a name that is no UTF-8
  const auto saved = store.save(rules, stored_at);
  REQUIRE(saved);
  const auto found = store.load();
  REQUIRE(found.state == State::known);
  CHECK(found.sha256 == *saved);
  CHECK(found.trouble.empty());
  CHECK(found.rules.partners[0].ends == rules.partners[0].ends);
  CHECK(found.rules.partners[0].exceptions[0].until == rules.partners[0].exceptions[0].until);
  CHECK(found.rules.partners[0].hash == rules.partners[0].hash);
  CHECK(found.rules.settings.routes[0].domain == "*");
  CHECK(found.rules.settings.routes[0].implicit_tls);
  REQUIRE(found.rules.settings.routes[0].hosts.size() == 2);
  CHECK(found.rules.settings.routes[0].hosts[1].name == "b.test");
  CHECK(found.rules.settings.routes[0].hosts[1].preference == 20);
}

TEST_CASE("T-52 the floor outlives the process: starts with less hold what was in force") {
  const Data data;
  Life life{data, Health(), ""};
  CHECK(life.go("verify") == "verify");
  CHECK(life.health.well());
  for (const char* level : {"encrypt", "opportunistic", ""}) {
    CAPTURE(level);
    CHECK(life.go(level) == "verify");
    CHECK_FALSE(life.health.well());
    CHECK(life.go(level, Moment::reload) == "verify");
  }
  CHECK(life.go("verify") == "verify");
  CHECK(life.health.well());
}

TEST_CASE("T-52 a record that is damaged is not a record that is absent") {
  struct Row {
    const char* what;
    void (*damage)(const Data&);
    const char* expected;  // with files that ask for nothing
  };
  const auto spoil = [](const std::string& path) { fs::resize_file(path, fs::file_size(path) / 2); };
  static const auto half = spoil;
  static const auto flip = [](const std::string& path) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(100);
    file.put('~');
  };
  const Row rows[] = {
      {"current torn", [](const Data& d) { half(d.file("current.json")); }, "verify"},
      {"copy torn", [](const Data& d) { half(d.file("copy.json")); }, "verify"},
      {"current gone", [](const Data& d) { fs::remove(d.file("current.json")); }, "verify"},
      {"current emptied", [](const Data& d) { fs::resize_file(d.file("current.json"), 0); }, "verify"},
      {"one octet of both",
       [](const Data& d) {
         flip(d.file("current.json"));
         flip(d.file("copy.json"));
       },
       "all waits"},
      {"both a directory",
       [](const Data& d) {
         for (const char* name : {"current.json", "copy.json"}) {
           fs::remove(d.file(name));
           fs::create_directory(d.file(name));
         }
       },
       "all waits"},
      {"one torn, one gone",
       [](const Data& d) {
         half(d.file("current.json"));
         fs::remove(d.file("copy.json"));
       },
       "all waits"},
      {"both gone, the history left",
       [](const Data& d) {
         fs::remove(d.file("current.json"));
         fs::remove(d.file("copy.json"));
       },
       "all waits"},
      {"removed on purpose", [](const Data& d) { fs::remove_all(d.path + "/rules-in-force"); }, "-"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const Data data;
    Life life{data, Health(), ""};
    REQUIRE(life.go("verify") == "verify");
    row.damage(data);
    CHECK(life.go("") == row.expected);
    CHECK(life.go("") == row.expected);
  }
}

TEST_CASE("T-52 rules are written down before they are in force") {
  const Data data;
  Life life{data, Health(), ""};
  REQUIRE(life.go("encrypt") == "encrypt");
  // Nobody can write there any more, whoever he is: the name of the new file is taken by a directory.
  fs::create_directory(data.file("current.json.new"));
  CHECK(life.go("verify", Moment::reload) == "refused");
  CHECK(life.go("verify", Moment::start) == "verify");  // more than the record says, so it may; aloud
  CHECK_FALSE(life.health.well());
  CHECK(RulesStore(data.path).load().rules.partners[0].level == PartnerLevel::encrypt);
}

TEST_CASE("the history is a chain of lines, and a torn one is left behind") {
  const Data data;
  RulesStore store(data.path);
  REQUIRE(store.save(rules_in_force(with_level("verify")), stored_at));
  RuleNews news;
  news.way = RuleNews::Way::weaker;
  news.subject = "N";
  news.text = "TLS is no longer required";
  news.held = true;
  SourceFile source;
  source.path = "/etc/p.toml";
  source.sha256 = std::string(64, 'a');
  REQUIRE(store.append(history_entry(stored_at, "start", {source}, "", "b", {})));
  REQUIRE(store.append(history_entry(stored_at, "reload", {source}, "b", "b", {news})));
  {
    std::ofstream torn(data.file("history.jsonl"), std::ios::app);
    torn << "{\"changes\":[{\"subj";
  }
  REQUIRE(store.append(history_entry(stored_at, "reload", {source}, "b", "c", {news})));
  const auto all = store.history("", 10);
  REQUIRE(all.size() == 3);
  CHECK(store.history("n", 10).size() == 2);
  CHECK(store.history("", 1).at(0).at("sha256") == "c");
  CHECK(all[1].at("changes")[0].at("held") == true);
  CHECK(all[0].at("previous") == "");
  CHECK(all[1].at("previous") == sha256_hex(all[0].dump()));
  CHECK(all[0].at("files")[0].at("owner").get<std::string>().size() > 0);
}

namespace {

Config with_exception_until(SystemTime until) {
  Config config = with_level("verify");
  config.partners.front().exceptions.front().until = until;
  return config;
}

std::vector<std::string> told(const Data& data) {
  std::vector<std::string> lines;
  for (const auto& entry : RulesStore(data.path).history("", 100))
    for (const auto& change : entry.at("changes"))
      lines.push_back(entry.at("what").get<std::string>() + " " + entry.at("when").get<std::string>() + " " +
                      change.at("way").get<std::string>());
  return lines;
}

}  // namespace

TEST_CASE("an exception or rule that ends by its date is in the history, once, with the date that it had") {
  using namespace std::chrono_literals;
  const Data data;
  Health health;
  const auto start = [&](SystemTime now) {
    RuleKeeper keeper(data.path, health);
    const auto admission = keeper.admit(with_exception_until(stored_at + 24h), now);
    REQUIRE(keeper.commit(admission, Moment::start, now));
    return keeper;
  };
  {
    RuleKeeper keeper = start(stored_at);
    CHECK_FALSE(keeper.tend(stored_at + 23h));
    CHECK(told(data).empty());
    CHECK(keeper.tend(stored_at + 25h));
    CHECK_FALSE(keeper.tend(stored_at + 26h));
  }
  const std::vector<std::string> once{"calendar 2026-11-30T00:00:00Z stronger"};
  CHECK(told(data) == once);
  start(stored_at + 27h);
  CHECK(told(data) == once);
  // The rule itself ends in 2030, while nothing runs.
  start(stored_at + 24h * 1500);
  REQUIRE(told(data).size() == 2);
  CHECK(told(data)[1] == "calendar 2030-01-01T00:00:00Z weaker");
}

TEST_CASE("a process that ends between the record and its history leaves no change untold") {
  const Data data;
  Life life{data, Health(), ""};
  REQUIRE(life.go("encrypt") == "encrypt");
  // As a reload writes the record, and no more.
  REQUIRE(RulesStore(data.path).save(rules_in_force(with_level("verify")), stored_at));
  REQUIRE(life.go("verify") == "verify");
  CHECK(told(data) == std::vector<std::string>{"start 2026-11-29T00:00:00Z stronger"});
  REQUIRE(life.go("verify") == "verify");
  CHECK(told(data).size() == 1);
}

TEST_CASE("the sets between which a change was can be read by their digest, the newest of them") {
  const Data data;
  RulesStore store(data.path);
  std::string first;
  for (int i = 0; i < 70; ++i) {
    RulesInForce rules = rules_in_force(with_level("verify"));
    rules.partners.front().reference = std::to_string(i);
    const auto saved = store.save(rules, stored_at);
    REQUIRE(saved);
    if (i == 0) first = *saved;
    REQUIRE(store.set(*saved));
    CHECK(store.set(*saved)->partners.front().reference == std::to_string(i));
  }
  std::size_t sets = 0;
  for (const auto& entry : fs::directory_iterator(data.path + "/rules-in-force"))
    if (entry.path().filename().string().starts_with("set-")) ++sets;
  CHECK(sets == 64);
  CHECK_FALSE(store.set(first));
}
