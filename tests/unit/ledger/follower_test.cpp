// SPDX-License-Identifier: Apache-2.0
#include "ledger/follower.hpp"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "samples.hpp"

using namespace sealpost;
using namespace sealpost::ledger;
using spool::RecipientState;
using test::accepted;
using test::ended;
using test::entry_of;
using test::id_of;
using test::noon;
using test::Scene;
using namespace std::chrono_literals;
using Json = nlohmann::json;

namespace {

std::vector<std::string> kinds(const Scene& scene) {
  std::vector<std::string> found;
  for (const std::string& payload : scene.payloads()) found.push_back(Json::parse(payload).at("k"));
  return found;
}

using Words = std::vector<std::string>;

std::int64_t count_in(const Scene& scene, const std::string& sql) {
  sqlite3* raw = nullptr;
  REQUIRE(sqlite3_open(scene.path().c_str(), &raw) == SQLITE_OK);
  sqlite3_stmt* statement = nullptr;
  REQUIRE(sqlite3_prepare_v2(raw, sql.c_str(), -1, &statement, nullptr) == SQLITE_OK);
  const std::int64_t count = sqlite3_step(statement) == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : -1;
  sqlite3_finalize(statement);
  sqlite3_close(raw);
  return count;
}

}  // namespace

TEST_CASE("a message is a row when it comes, and one for each recipient and attempt that got a verdict") {
  Scene scene;
  {
    auto follower = scene.follower();
    const auto first = id_of(1);
    const auto proof = test::proof_of("{\"verdict\":\"deliver\"}");
    REQUIRE(follower.apply({accepted(first, {"bob@example.org", "Eve@example.org"})}, scene.next()));
    REQUIRE(follower.apply(
        {entry_of(first, spool::AttemptRecord{}), ended(first, {0, 1}, RecipientState::pending, noon + 1s)},
        scene.next()));
    REQUIRE(follower.apply({ended(first, {0}, RecipientState::delivered, noon + 2s, proof)}, scene.next()));
    // Final is final (D-16), and what names nobody means nothing.
    REQUIRE(follower.apply({ended(first, {0}, RecipientState::failed, noon + 3s),
                            ended(first, {1}, RecipientState::removed, noon + 4s),
                            ended(first, {1}, RecipientState::delivered, noon + 5s)},
                           scene.next()));
    CHECK(follower.counters().rows == 7);
  }
  CHECK(kinds(scene) == Words{"begun", "key", "accepted", "deferred", "deferred", "delivered", "removed"});
  const auto rows = scene.payloads();
  const Json taken = Json::parse(rows[2]);
  CHECK(taken.at("id") == id_of(1).to_string());
  CHECK(taken.at("n") == 2);
  CHECK(taken.at("client") == "app.example.com ([192.0.2.7])");
  const Json deferred = Json::parse(rows[3]);
  CHECK(deferred.at("re") == "450 4.2.0 try <{to}> later");
  CHECK(Json::parse(rows[4]).at("re") == "450 4.2.0 try <{address}> later");
  CHECK(deferred.at("mx") == "mx.example.org");
  const Json delivered = Json::parse(rows[5]);
  CHECK(delivered.at("to") == deferred.at("to"));
  CHECK(delivered.at("pf").get<std::string>().size() == 43);
  CHECK_FALSE(delivered.contains("lost"));
  for (const std::string& row : rows)
    CHECK(row.find('@') == std::string::npos);  // nothing that could not be erased
  CHECK(count_in(scene, "SELECT count(*) FROM open_message") == 0);
  CHECK(count_in(scene, "SELECT count(*) FROM open_done") == 0);
  CHECK(scene.verified().whole());
}

TEST_CASE(
    "the same journal gives the same rows, however it is cut into pieces and however often the relay stops") {
  Scene scene;
  std::vector<spool::JournalEntry> journal;
  for (std::uint32_t i = 0; i < 700; ++i) {
    const SystemTime when = noon + std::chrono::minutes(3) * i;
    journal.push_back(accepted(id_of(i, when), {"a@example.org", "b@example.net"}, when));
    if (i >= 3) {
      const SystemTime before = noon + std::chrono::minutes(3) * (i - 3);
      journal.push_back(ended(id_of(i - 3, before), {0}, RecipientState::delivered, when + 1s,
                              test::proof_of("proof " + std::to_string(i % 5))));
      journal.push_back(ended(id_of(i - 3, before), {0, 1}, RecipientState::failed, when + 2s));
    }
  }
  const auto play = [&](const std::string& name, std::size_t piece, bool reopen) {
    auto follower = scene.made(name);
    for (std::size_t at = 0; at < journal.size(); at += piece) {
      const auto end = std::min(journal.size(), at + piece);
      const std::vector<spool::JournalEntry> part(journal.begin() + static_cast<std::ptrdiff_t>(at),
                                                  journal.begin() + static_cast<std::ptrdiff_t>(end));
      spool::Cursor next;
      next.node = 7;
      next.position.segment = 1;
      next.position.offset = static_cast<std::uint32_t>(end);
      REQUIRE(follower->apply(part, next));
      if (reopen) follower = scene.made(name);
      const auto cursor = follower->cursor();
      REQUIRE(cursor);
      CHECK(**cursor == next);
    }
  };
  play("whole.db", journal.size(), false);
  play("pieces.db", 97, true);
  play("single.db", 13, false);
  const auto whole = scene.payloads("whole.db");
  CHECK(whole.size() == 2 + 700 + 2 * 697);
  CHECK(scene.payloads("pieces.db") == whole);
  CHECK(scene.payloads("single.db") == whole);
  const auto verified = scene.verified({}, "pieces.db");
  CHECK(verified.whole());
  CHECK(verified.rows == static_cast<std::int64_t>(whole.size()));
  CHECK(verified.days == 2);
  CHECK(verified.newest_head == scene.verified({}, "whole.db").newest_head);
}

TEST_CASE("a commit that fails leaves nothing behind, and comes again") {
  Scene scene;
  bool away = false;
  auto options = scene.options();
  options.signer = [&away, good = options.signer]() -> Expected<Signer> {
    auto signer = good();
    if (!signer) return signer;
    signer->sign = [&away, sign = signer->sign](std::string_view text) -> Expected<std::string> {
      if (away) return Error(Errc::unavailable, "the key is away");
      return sign(text);
    };
    return signer;
  };
  LedgerFollower follower(Store(std::move(options)), 0);
  REQUIRE(follower.apply({accepted(id_of(1), {"bob@example.org"})}, scene.next()));
  const auto next = scene.next();
  const std::vector<spool::JournalEntry> entries{ended(id_of(1), {0}, RecipientState::delivered),
                                                 accepted(id_of(2), {"eve@example.org"})};
  away = true;
  CHECK_FALSE(follower.apply(entries, next));
  CHECK_FALSE(follower.apply(entries, next));
  away = false;
  REQUIRE(follower.apply(entries, next));
  CHECK(follower.counters().failures == 2);
  CHECK(kinds(scene) == Words{"begun", "key", "accepted", "delivered", "accepted"});
  CHECK(scene.verified().whole());
}

TEST_CASE("a notification names the message it is about, whose outcome follows it in its group") {
  Scene scene;
  auto follower = scene.follower();
  auto notice = accepted(id_of(9), {"alice@example.com"});
  std::get<spool::MessageRecord>(notice.record).envelope.reverse_path.clear();
  std::get<spool::MessageRecord>(notice.record).envelope.message_class = MessageClass::dsn;
  REQUIRE(follower.apply(
      {accepted(id_of(1), {"bob@example.org"}), notice, ended(id_of(1), {0}, RecipientState::failed)},
      scene.next()));
  CHECK(kinds(scene) == Words{"begun", "key", "accepted", "failed", "accepted"});
  const Json row = Json::parse(scene.payloads().back());
  CHECK(row.at("class") == "notification");
  CHECK(row.at("for") == id_of(1).to_string());
  CHECK_FALSE(row.contains("from"));
}

TEST_CASE("an operator's words, and what was written again or withdrawn") {
  Scene scene;
  auto follower = scene.follower();
  spool::HoldRecord hold;
  hold.reason = "asked by eve@example.org";
  spool::RerouteRecord reroute;
  reroute.recipients = {0};
  reroute.next_hop = "gate.example.net:25";
  spool::RelocateRecord known, unknown;
  known.message = std::get<spool::MessageRecord>(accepted(id_of(1), {"bob@example.org"}).record);
  known.progress.resize(1);
  unknown.message =
      std::get<spool::MessageRecord>(accepted(id_of(5), {"a@example.org", "b@example.org"}).record);
  unknown.progress.resize(2);
  unknown.progress[1].state = RecipientState::delivered;
  REQUIRE(follower.apply(
      {accepted(id_of(1), {"bob@example.org"}), entry_of(id_of(1), hold),
       entry_of(id_of(1), spool::ReleaseRecord()), entry_of(id_of(1), reroute), entry_of(id_of(1), known),
       accepted(id_of(2), {"eve@example.org"}), entry_of(id_of(2), spool::WithdrawRecord()),
       entry_of(id_of(3), spool::WithdrawRecord()), entry_of(id_of(5), unknown),
       ended(id_of(5), {0, 1}, RecipientState::removed)},
      scene.next()));
  CHECK(kinds(scene) == Words{"begun", "key", "accepted", "hold", "release", "rerouted", "accepted",
                              "withdrawn", "found", "removed"});
  CHECK(Json::parse(scene.payloads()[3]).at("why") == "asked by {address}");
  CHECK(Json::parse(scene.payloads()[9]).at("r") == 0);
  CHECK(count_in(scene, "SELECT count(*) FROM open_message") == 1);
}

TEST_CASE(
    "a gap in the journal is a row, and outcomes of what was lost in it are told as far as they are known") {
  Scene scene;
  auto follower = scene.follower();
  const spool::Cursor from;
  REQUIRE(follower.missed(from, scene.next(), "segments 1 to 4 were freed unread"));
  CHECK(scene.payloads().empty());  // there is no day yet
  REQUIRE(follower.apply({accepted(id_of(1), {"bob@example.org"})}, scene.next()));
  CHECK(Json::parse(scene.payloads().front()).at("why") == "segments 1 to 4 were freed unread");
  REQUIRE(follower.apply({ended(id_of(1), {0}, RecipientState::delivered, noon + 1h)}, scene.next()));
  REQUIRE(follower.missed(from, scene.next(), "segment 7 is damaged"));
  REQUIRE(follower.apply({ended(id_of(70, noon + 30min), {2}, RecipientState::delivered, noon + 2h,
                                test::proof_of("lost", false)),
                          accepted(id_of(2, noon + 150min), {"eve@example.org"}, noon + 150min),
                          ended(id_of(71, noon + 3h), {0}, RecipientState::delivered, noon + 3h)},
                         scene.next()));
  CHECK(kinds(scene) == Words{"begun", "key", "accepted", "delivered", "missed", "delivered", "accepted"});
  const Json row = Json::parse(scene.payloads()[5]);
  CHECK(row.at("r") == 2);
  CHECK(row.at("lost") == 1);
  CHECK_FALSE(row.contains("to"));
  CHECK(scene.verified().whole());
}

TEST_CASE("days never go back, but for a clock that was set back by more than one") {
  Scene scene;
  {
    auto follower = scene.follower();
    REQUIRE(follower.apply(
        {accepted(id_of(1), {"a@example.org"}, noon), accepted(id_of(2), {"a@example.org"}, noon + 24h),
         accepted(id_of(3), {"a@example.org"}, noon + 2h),         // an earlier thread
         accepted(id_of(4), {"a@example.org"}, noon + 24h * 400),  // a wild clock
         accepted(id_of(5), {"a@example.org"}, noon + 26h)},
        scene.next()));
  }
  auto reader = Reader::open(scene.path());
  REQUIRE(reader);
  const auto days = reader->days();
  REQUIRE(days);
  Words dates;
  for (const auto& day : *days) dates.push_back(day.date);
  CHECK(dates == Words{"2026-11-30", "2026-12-01", "2028-01-04", "2026-12-01"});
  CHECK(scene.verified().whole());
}

TEST_CASE("T-50: another relay's journal begins a day whose head names it") {
  Scene scene;
  auto follower = scene.follower();
  REQUIRE(follower.apply({accepted(id_of(1), {"a@example.org"})}, scene.next()));
  auto next = scene.next();
  next.node = 8;
  REQUIRE(follower.apply({accepted(id_of(2), {"a@example.org"})}, next));
  auto reader = Reader::open(scene.path());
  const auto days = reader->days();
  REQUIRE(days->size() == 2);
  CHECK(parse_head((*days)[0].head)->node == 7);
  CHECK(parse_head((*days)[1].head)->node == 8);
  CHECK(scene.verified().whole());
}

TEST_CASE("what is older than is to be kept goes, its heads stay, and a row says so") {
  Scene scene;
  {
    auto follower = scene.follower(30);
    for (std::uint32_t day = 0; day < 40; ++day) {
      const SystemTime when = noon + std::chrono::days(day);
      REQUIRE(follower.apply({accepted(id_of(day, when), {"a@example.org"}, when),
                              ended(id_of(day, when), {0}, RecipientState::delivered, when + 1s,
                                    test::proof_of("proof of day " + std::to_string(day / 20)))},
                             scene.next()));
    }
  }
  const auto verified = scene.verified();
  for (const Break& one : verified.breaks) MESSAGE(one.day << " " << one.row << " " << one.what);
  CHECK(verified.whole());
  CHECK(verified.days == 40);
  CHECK(verified.pruned_days == 9);
  CHECK(count_in(scene, "SELECT count(*) FROM day WHERE address_key IS NULL") == 9);
  CHECK(count_in(scene, "SELECT count(DISTINCT day) FROM by_word") == 30);
  CHECK(count_in(scene, "SELECT min(day) FROM by_word") == 10);
}

TEST_CASE("D-23: a damaged ledger is set aside, and the new one says so in its first row") {
  Scene scene;
  {
    auto follower = scene.follower();
    REQUIRE(follower.apply({accepted(id_of(1), {"a@example.org"})}, scene.next()));
  }
  std::filesystem::remove(scene.path("ledger.db-wal"));
  std::filesystem::resize_file(scene.path(), 100);
  auto follower = scene.follower();
  const auto cursor = follower.cursor();
  REQUIRE(cursor);
  CHECK_FALSE(*cursor);
  REQUIRE(follower.apply({accepted(id_of(2), {"a@example.org"})}, scene.next()));
  CHECK(
      Json::parse(scene.payloads().front()).at("why").get<std::string>().find("kept as ledger.db.damaged-") !=
      std::string::npos);
  CHECK(scene.verified().whole());
}

TEST_CASE("how addresses are kept beside the rows") {
  struct Row {
    Addresses how;
    const char *sender, *recipient;
  };
  for (const Row& expected :
       {Row{Addresses::plain, "Alice@example.com", "bob@example.org"},
        Row{Addresses::domain, "@example.com", "@example.org"}, Row{Addresses::hash, "", ""}}) {
    Scene scene;
    auto options = scene.options();
    options.addresses = expected.how;
    LedgerFollower follower(Store(std::move(options)), 0);
    REQUIRE(follower.apply(
        {accepted(id_of(1), {"bob@example.org"}), ended(id_of(1), {0}, RecipientState::delivered)},
        scene.next()));
    auto reader = Reader::open(scene.path());
    Words found;
    REQUIRE(reader->rows_of_day(1, [&](const ReadRow& row) {
      found.emplace_back(row.address ? *row.address : "null");
      return true;
    }));
    CHECK(found == Words{"", "", expected.sender, expected.recipient});
  }
}
