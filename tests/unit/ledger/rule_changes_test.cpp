// SPDX-License-Identifier: Apache-2.0
//
// Changes of the rules in force among the rows: each once, before what was judged by them, and with their text.
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/digest.hpp"
#include "ledger/questions.hpp"
#include "ledger/words.hpp"
#include "samples.hpp"

using namespace sealpost;
using namespace sealpost::ledger;
using spool::RecipientState;
using test::accepted;
using test::ended;
using test::id_of;
using test::noon;
using test::Scene;
using namespace std::chrono_literals;

namespace {

// A history as src/partner/rules_store writes it.
class Rules {
 public:
  explicit Rules(const Scene& scene) : directory_(scene.path("rules-in-force")) {
    std::filesystem::create_directories(directory_);
  }
  RuleHistory history() const { return RuleHistory(directory_); }
  std::string file() const { return directory_ + "/history.jsonl"; }

  std::string set(const std::string& text) const {
    const std::string digest = sha256_hex(text);
    std::ofstream(directory_ + "/set-" + digest + ".json") << text;
    return digest;
  }
  void change(SystemTime when, const std::string& before, const std::string& after,
              const std::string& what = "reload") const {
    const Json entry{{"when", to_rfc3339(when)},
                     {"time", when.time_since_epoch().count()},
                     {"what", what},
                     {"sha256_before", before},
                     {"sha256", after},
                     {"files", {{{"path", "/etc/p/bank.toml"}, {"owner", "alice"}}}},
                     {"changes",
                      {{{"subject", "Bank"},
                        {"way", "weaker"},
                        {"text", "TLS from verify to encrypt"},
                        {"file", "/etc/p/bank.toml"},
                        {"approved_by", "Bob"},
                        {"reason", "ticket 4711"},
                        {"domains", {"bank.test"}}}}}};
    std::ofstream(file(), std::ios::app) << entry.dump() << '\n';
  }

 private:
  std::string directory_;
};

LedgerFollower follower_of(const Scene& scene, const Rules& rules, unsigned keep_days = 0) {
  return LedgerFollower(Store(scene.options()), keep_days, rules.history());
}

std::vector<std::string> kinds_in(const Scene& scene) {
  std::vector<std::string> found;
  for (const std::string& payload : scene.payloads()) found.push_back(Json::parse(payload).at("k"));
  return found;
}

using Words = std::vector<std::string>;

}  // namespace

TEST_CASE(
    "a change of rules is a row before the first row of a later time, and one behind the newest when all was "
    "read") {
  Scene scene;
  const Rules rules(scene);
  const std::string first = rules.set("{\"rules\":1}"), second = rules.set("{\"rules\":2}");
  rules.change(noon - 1s, "", first, "start");
  auto follower = follower_of(scene, rules);
  REQUIRE(follower.apply({accepted(id_of(1), {"bob@example.org"})}, scene.next()));
  rules.change(noon + 3s, first, second);
  follower.rules_changed();
  // The journal is behind: what was before the change comes before it, though the history has it already.
  REQUIRE(follower.apply({ended(id_of(1), {0}, RecipientState::pending, noon + 2s),
                          ended(id_of(1), {0}, RecipientState::delivered, noon + 4s)},
                         scene.next()));
  rules.change(noon + 9s, second, first);
  follower.rules_changed();
  REQUIRE(follower.caught_up(scene.next()));
  REQUIRE(follower.caught_up(scene.next()));  // once
  CHECK(kinds_in(scene) ==
        Words{"begun", "key", "rules", "accepted", "deferred", "rules", "delivered", "rules"});
  const Json row = Json::parse(scene.payloads()[5]);
  CHECK(row.at("old") == first);
  CHECK(row.at("new") == second);
  CHECK(row.at("what") == "reload");
  CHECK(row.at("weaker") == 1);
  CHECK(row.at("set") == 1);
  CHECK(row.at("t") == (noon + 3s).time_since_epoch().count());
  CHECK(scene.payloads()[5].find("Bob") == std::string::npos);  // names stand beside the chain
  auto reader = Reader::open(scene.path());
  REQUIRE(reader);
  Questions questions(*reader);
  const auto found = questions.rule_changes("", "");
  REQUIRE(found);
  REQUIRE(found->size() == 3);
  CHECK(changes_in_words(found->at(1).proof) ==
        Words{"Bank: weaker: TLS from verify to encrypt (file bank.toml, owner alice, approved by Bob: "
              "ticket 4711)"});
  CHECK(questions.rule_changes("2026-12-01", "")->empty());
  const auto octets = text::from_hex(second);
  CHECK(*reader->rules(std::string(octets->begin(), octets->end())) == "{\"rules\":2}");
  CHECK(scene.verified().whole());
}

TEST_CASE(
    "a change that was made while nobody read is told at the next start, once, whatever ended in between") {
  Scene scene;
  const Rules rules(scene);
  const std::string first = rules.set("{\"rules\":1}"), second = rules.set("{\"rules\":2}");
  rules.change(noon, "", first, "start");
  for (int start = 0; start < 3; ++start) {
    auto follower = follower_of(scene, rules);
    REQUIRE(follower.caught_up(scene.next()));
    if (start == 1) rules.change(noon + 1h, first, second, "start");  // not told: the process ends here
  }
  CHECK(kinds_in(scene) == Words{"begun", "key", "rules", "rules"});
  {
    // A crash tore a line; what comes behind it counts.
    std::ofstream(rules.file(), std::ios::app) << "{\"changes\":[\n";
    rules.change(noon + 2h, second, first);
    auto follower = follower_of(scene, rules);
    REQUIRE(follower.caught_up(scene.next()));
  }
  CHECK(kinds_in(scene).size() == 5);
  // The record was removed, and a first start began another.
  std::filesystem::remove(rules.file());
  rules.change(noon + 3h, "", second, "start");
  auto follower = follower_of(scene, rules);
  REQUIRE(follower.caught_up(scene.next()));
  REQUIRE(kinds_in(scene).size() == 6);
  CHECK_FALSE(Json::parse(scene.payloads()[5]).contains("old"));
  CHECK(scene.verified().whole());
}

TEST_CASE("what changed before the ledger's newest row opens no day of the past") {
  Scene scene;
  const Rules rules(scene);
  {
    auto follower = scene.follower();  // of a release without a history
    REQUIRE(follower.apply({accepted(id_of(1), {"bob@example.org"})}, scene.next()));
  }
  rules.change(noon - 24h * 40, "", rules.set("{}"), "start");
  auto follower = follower_of(scene, rules);
  REQUIRE(follower.caught_up(scene.next()));
  const Json row = Json::parse(scene.payloads().back());
  CHECK(row.at("t") == noon.time_since_epoch().count());
  CHECK(row.at("at") == (noon - 24h * 40).time_since_epoch().count());
  CHECK(scene.verified().days == 1);
}

TEST_CASE("a history that cannot be read keeps back no row of mail") {
  Scene scene;
  std::filesystem::create_directories(scene.path("rules-in-force/history.jsonl"));  // no file
  LedgerFollower follower(Store(scene.options()), 0, RuleHistory(scene.path("rules-in-force")));
  REQUIRE(follower.apply({accepted(id_of(1), {"bob@example.org"})}, scene.next()));
  CHECK(kinds_in(scene) == Words{"begun", "key", "accepted"});
}

TEST_CASE("the text of a change and of a set is what its row says, or verify tells") {
  Scene scene;
  const Rules rules(scene);
  rules.change(noon, "", rules.set("{\"rules\":1}"), "start");
  {
    auto follower = follower_of(scene, rules);
    REQUIRE(follower.caught_up(scene.next()));
  }
  CHECK(scene.verified().whole());
  std::filesystem::copy_file(scene.path(), scene.path("other.db"));
  scene.tamper("DELETE FROM rules", "other.db");
  REQUIRE(scene.verified({}, "other.db").breaks.size() == 1);
  CHECK(scene.verified({}, "other.db").breaks[0].what.find("set of rules") != std::string::npos);
  scene.tamper("UPDATE proof SET text = replace(text, 'encrypt', 'verify')");
  CHECK_FALSE(scene.verified().whole());
}

TEST_CASE("sets that are in force, or were on a day that is kept, stay when days are pruned") {
  Scene scene;
  const Rules rules(scene);
  const std::string first = rules.set("{\"rules\":1}"), second = rules.set("{\"rules\":2}");
  rules.change(noon, "", first, "start");
  auto follower = follower_of(scene, rules, 10);
  REQUIRE(follower.caught_up(scene.next()));
  rules.change(noon + 24h, first, second);
  follower.rules_changed();
  REQUIRE(follower.caught_up(scene.next()));
  const auto kept = [&](const std::string& set) {
    auto reader = Reader::open(scene.path());
    REQUIRE(reader);
    const auto octets = text::from_hex(set);
    return !reader->rules(std::string(octets->begin(), octets->end()))->empty();
  };
  const SystemTime later = noon + 24h * 30;
  REQUIRE(follower.apply({accepted(id_of(5, later), {"bob@example.org"}, later)}, scene.next()));
  CHECK_FALSE(kept(first));
  CHECK(kept(second));
  CHECK(scene.verified().whole());
}
