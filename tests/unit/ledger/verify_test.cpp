// SPDX-License-Identifier: Apache-2.0
//
// Each way to falsify a ledger is found, and located; by our own verifier and by the script of docs/ledger.md.
#include "ledger/verify.hpp"

#include <sys/wait.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>

#include "base/gzip.hpp"
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

// Three days of 2 + 600, 600 and 40 rows, the last open, with rows that are in no block yet.
void fill(const Scene& scene, const std::string& name = "ledger.db") {
  LedgerFollower follower{Store(scene.options(name)), 0};
  spool::Cursor next;
  next.node = 7;
  next.position.segment = 1;
  for (std::uint32_t day = 0; day < 3; ++day) {
    for (std::uint32_t i = 0; i < (day < 2 ? 300U : 20U); ++i) {
      const SystemTime when = noon + std::chrono::days(day) + std::chrono::seconds(i);
      const auto id = id_of(i, when);
      next.position.offset += 8;
      REQUIRE(follower.apply(
          {accepted(id, {"a@example.org"}, when),
           ended(id, {0}, RecipientState::delivered, when, test::proof_of("proof " + std::to_string(i % 3)))},
          next));
    }
  }
}

// The rows of one block, changed by `change` and put back; `count` as the block says.
void change_block(const Scene& scene, int block, const std::function<void(std::vector<std::string>&)>& change,
                  bool with_hashes = false, const Sha256& before = {}) {
  sqlite3* raw = nullptr;
  REQUIRE(sqlite3_open(scene.path().c_str(), &raw) == SQLITE_OK);
  sqlite3_stmt* read = nullptr;
  REQUIRE(sqlite3_prepare_v2(raw, "SELECT payloads FROM block WHERE number = ?1", -1, &read, nullptr) ==
          SQLITE_OK);
  sqlite3_bind_int(read, 1, block);
  REQUIRE(sqlite3_step(read) == SQLITE_ROW);
  const std::string packed(static_cast<const char*>(sqlite3_column_blob(read, 0)),
                           static_cast<std::size_t>(sqlite3_column_bytes(read, 0)));
  sqlite3_finalize(read);
  const auto plain = gunzip(packed, 1 << 20);
  REQUIRE(plain);
  std::vector<std::string> lines;
  for (const auto line : text::split(*plain, '\n'))
    if (!line.empty()) lines.emplace_back(line);
  change(lines);
  std::string together, starts;
  Chain chain;
  chain.begin(before);
  for (const std::string& line : lines) {
    together += line + '\n';
    chain.add(line);
    for (int shift = 24; shift >= 0; shift -= 8) starts += static_cast<char>(chain.check() >> shift);
  }
  const std::string again = gzip(together);
  sqlite3_stmt* write = nullptr;
  REQUIRE(sqlite3_prepare_v2(
              raw,
              with_hashes ? "UPDATE block SET payloads = ?2, rows = ?3, hash_starts = ?4 WHERE number = ?1"
                          : "UPDATE block SET payloads = ?2, rows = ?3 WHERE number = ?1",
              -1, &write, nullptr) == SQLITE_OK);
  sqlite3_bind_int(write, 1, block);
  sqlite3_bind_blob(write, 2, again.data(), static_cast<int>(again.size()), SQLITE_TRANSIENT);
  sqlite3_bind_int64(write, 3, static_cast<std::int64_t>(lines.size()));
  if (with_hashes)
    sqlite3_bind_blob(write, 4, starts.data(), static_cast<int>(starts.size()), SQLITE_TRANSIENT);
  CHECK(sqlite3_step(write) == SQLITE_DONE);
  sqlite3_finalize(write);
  sqlite3_close(raw);
}

struct Said {
  int status = -1;
  std::string text;
};
Said ask_script(const std::string& arguments) {
  const std::string script = VERIFY_SCRIPT;
  FILE* out = ::popen(("/usr/bin/python3 " + script + " " + arguments + " 2>&1").c_str(), "r");
  REQUIRE(out != nullptr);
  Said said;
  char piece[512];
  while (std::fgets(static_cast<char*>(piece), sizeof piece, out) != nullptr)
    said.text += static_cast<char*>(piece);
  said.status = WEXITSTATUS(::pclose(out));
  return said;
}

std::string key_file(const Scene& scene) {
  const auto key = read_public_key(scene.key_path());
  REQUIRE(key);
  const std::string path = scene.path("public.pem");
  std::ofstream(path) << public_pem(*key);
  return path;
}

struct Forgery {
  const char* what;
  std::function<void(const Scene&)> commit;
  std::int64_t day, row;  // row 0: the day as a whole
};

const std::vector<Forgery>& forgeries() {
  static const std::vector<Forgery> all{
      {"a letter of a row in a block",
       [](const Scene& s) { change_block(s, 1, [](auto& rows) { rows[10][9] ^= 1; }); }, 1, 11},
      {"a row of a block dropped",
       [](const Scene& s) { change_block(s, 1, [](auto& rows) { rows.erase(rows.begin() + 20); }); }, 1, 21},
      {"a row added to a block",
       [](const Scene& s) { change_block(s, 2, [](auto& rows) { rows.insert(rows.begin() + 4, rows[3]); }); },
       1, 261},
      {"two rows of a block exchanged",
       [](const Scene& s) { change_block(s, 1, [](auto& rows) { std::swap(rows[5], rows[6]); }); }, 1, 6},
      {"the end of a block cut off",
       [](const Scene& s) { change_block(s, 1, [](auto& rows) { rows.resize(200); }); }, 1, 201},
      {"a block dropped", [](const Scene& s) { s.tamper("DELETE FROM block WHERE number = 2"); }, 1, 257},
      {"two blocks exchanged",
       [](const Scene& s) {
         s.tamper(
             "UPDATE block SET first = 1001 WHERE number = 1; UPDATE block SET first = 1 WHERE number = 2;"
             "UPDATE block SET first = 257 WHERE number = 1");
       },
       1, 1},
      {"a block that is none",
       [](const Scene& s) { s.tamper("UPDATE block SET payloads = x'00' WHERE number = 4"); }, 2, 603},
      {"rows in no block: a letter",
       [](const Scene& s) {
         s.tamper("UPDATE row SET payload = replace(payload, '250 2', '251 2') WHERE number = 1206");
       },
       3, 1206},
      {"a row that is in no block dropped",
       [](const Scene& s) { s.tamper("DELETE FROM row WHERE number = 1210"); }, 3, 1210},
      {"the last row dropped", [](const Scene& s) { s.tamper("DELETE FROM row WHERE number = 1242"); }, 3,
       1242},
      {"a row added at the end",
       [](const Scene& s) {
         s.tamper("INSERT INTO row(number, hash_start, payload) VALUES (1243, 0, '{}')");
       },
       3, 1243},
      {"a head rewritten",
       [](const Scene& s) {
         s.tamper("UPDATE day SET head = replace(head, '\"last\":602', '\"last\":601') WHERE number = 1");
       },
       1, 0},
      {"a signature",
       [](const Scene& s) { s.tamper("UPDATE day SET signature = zeroblob(64) WHERE number = 2"); }, 2, 0},
      {"a day dropped",
       [](const Scene& s) { s.tamper("DELETE FROM day WHERE number = 2; DELETE FROM block WHERE day = 2"); },
       2, 603},
      {"a day passed off as pruned",
       [](const Scene& s) {
         s.tamper("UPDATE day SET pruned = 1 WHERE number = 1; DELETE FROM block WHERE day = 1");
       },
       1, 0},
      {"rows written anew, with their hashes",
       [](const Scene& s) {
         change_block(
             s, 1, [](auto& rows) { rows[10][9] ^= 1; }, true);
       },
       1, 257},
      {"rows written anew to the end of the day, with their hashes",
       [](const Scene& s) {
         Chain chain;
         change_block(
             s, 1,
             [&](auto& rows) {
               rows[10][9] ^= 1;
               chain.begin({});
               for (const auto& row : rows) chain.add(row);
             },
             true);
         for (const int block : {2, 3}) {
           const Sha256 before = chain.hash();
           change_block(
               s, block,
               [&](auto& rows) {
                 for (const auto& row : rows) chain.add(row);
               },
               true, before);
         }
       },
       1, 0},
  };
  return all;
}

}  // namespace

TEST_CASE("a ledger is whole, and says by whose key") {
  const Scene scene;
  fill(scene);
  Trust trust;
  trust.public_key = *read_public_key(scene.key_path());
  const auto verified = scene.verified(trust);
  for (const Break& one : verified.breaks) MESSAGE(one.day << " " << one.row << " " << one.what);
  CHECK(verified.whole());
  CHECK(verified.key_given);
  CHECK(verified.rows == 1242);
  CHECK(verified.days == 3);
  CHECK(verified.first_date == "2026-11-30");
  CHECK(verified.last_date == "2026-12-02");
  const Said said = ask_script(scene.path() + " " + key_file(scene));
  INFO(said.text);
  CHECK(said.status == 0);
  CHECK(said.text.find("whole: 1242 rows, 3 days") == 0);
}

TEST_CASE("T-54: every forgery is found, and where it begins") {
  for (const Forgery& forgery : forgeries()) {
    CAPTURE(forgery.what);
    const Scene scene;
    fill(scene);
    forgery.commit(scene);
    const auto verified = scene.verified();
    REQUIRE_FALSE(verified.whole());
    CHECK(verified.breaks.front().day == forgery.day);
    if (forgery.row != 0) CHECK(verified.breaks.front().row == forgery.row);
    const Said said = ask_script(scene.path());
    INFO(said.text);
    CHECK(said.status != 0);
  }
}

TEST_CASE("what was proven cannot be exchanged either") {
  const Scene scene;
  fill(scene);
  scene.tamper("UPDATE proof SET text = 'another' WHERE text = 'proof 1'");
  const auto verified = scene.verified();
  REQUIRE(verified.breaks.size() == 1);
  CHECK(verified.missing_proofs == 1);
}

TEST_CASE(
    "a copy of the heads tells of an end that was cut off, and of a ledger written anew with its own key") {
  const Scene scene;
  fill(scene);
  fill(scene, "other.db");
  const auto copy = scene.verified({}, "other.db").newest_head;
  Trust trust;
  trust.heads = {copy};
  CHECK(scene.verified(trust).whole());
  // As if restored from a copy of the evening before: signed, and nothing wrong in it.
  scene.tamper("DELETE FROM day WHERE number = 3; DELETE FROM row");
  CHECK(scene.verified().whole());
  const auto cut = scene.verified(trust);
  REQUIRE(cut.breaks.size() == 1);
  CHECK(cut.breaks.front().day == 3);
  CHECK(cut.breaks.front().row == 1203);
  const std::string heads = scene.path("heads");
  std::ofstream(heads) << "2026-12-02 " << copy << " signature\n";
  CHECK(read_heads(heads)->front() == copy);
  const Said said = ask_script(scene.path() + " " + key_file(scene) + " " + heads);
  INFO(said.text);
  CHECK(said.status != 0);

  Scene forger;  // with a key of its own
  fill(forger);
  Trust with_key;
  with_key.public_key = *read_public_key(scene.key_path());
  const auto forged = forger.verified(with_key);
  REQUIRE_FALSE(forged.whole());
  CHECK_FALSE(forged.key_given);
  CHECK(ask_script(forger.path() + " " + key_file(scene)).status != 0);
}

TEST_CASE("a new key is worth what the former one says of it") {
  for (const bool signed_over : {true, false}) {
    const Scene scene;
    fill(scene);
    Trust trust;
    trust.public_key = *read_public_key(scene.key_path());
    const std::string pem = key_file(scene);
    const std::string former = scene.path("former.key");
    std::filesystem::rename(scene.key_path(), former);
    REQUIRE(make_key_file(scene.key_path()));
    auto options = scene.options();
    if (signed_over)
      options.former_signer = [former]() -> Expected<Signer> {
        auto key = keys::FileSource().load(former, keys::Use::signing);
        if (!key) return key.error();
        return signer_of(*key);
      };
    {
      LedgerFollower follower(Store(std::move(options)), 0);
      spool::Cursor next;
      next.node = 7;
      REQUIRE(follower.apply({accepted(id_of(9999), {"a@example.org"}, noon + 49h)}, next));
    }
    const auto verified = scene.verified(trust);
    CHECK(verified.whole() == signed_over);
    CHECK(verified.key_given == signed_over);
    CHECK((ask_script(scene.path() + " " + pem).status == 0) == signed_over);
    Trust new_one;
    new_one.public_key = *read_public_key(scene.key_path());
    CHECK(scene.verified(new_one).whole());
  }
}

TEST_CASE("what is no ledger is said to be none") {
  const Scene scene;
  CHECK(Reader::open(scene.path("absent.db")).error().code == Errc::not_found);
  std::ofstream(scene.path("text.db")) << std::string(5000, 'x');
  CHECK(Reader::open(scene.path("text.db")).error().code == Errc::damaged);
  scene.tamper("CREATE TABLE other(a)", "other.db");
  CHECK(Reader::open(scene.path("other.db")).error().code == Errc::invalid);
}
