// SPDX-License-Identifier: Apache-2.0
#include "sts/cache.hpp"

#include <doctest.h>
#include <sqlite3.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>

#include "base/digest.hpp"
#include "scratch_directory.hpp"

using namespace sealpost;
using namespace sealpost::sts;
using namespace std::chrono_literals;
using test::ScratchDirectory;

namespace {

const SystemTime start = from_rfc3339("2026-01-05T00:00:00Z").value();

StsEntry entry_for(const std::string& domain, SystemTime fetched = start, const std::string& id = "1") {
  StsEntry entry;
  entry.domain = domain;
  entry.id = id;
  entry.body = "x-padding: " + std::string(300, 'x') + "\nversion: STSv1\nmode: enforce\nmx: mx." + domain +
               "\nmax_age: 604800\n";
  entry.fetched = entry.last_attempt = entry.last_used = fetched;
  entry.expires = fetched + 7 * 24h;
  entry.next_refresh = fetched + 24h;
  return entry;
}

std::unique_ptr<StsCache> open(const ScratchDirectory& directory) {
  auto cache = StsCache::open(directory.path(), nullptr, 0ms);
  REQUIRE(cache);
  return std::move(*cache);
}

std::optional<StsEntry> load(StsCache& cache, const std::string& domain) {
  auto row = cache.load(domain);
  REQUIRE(row);
  return *row;
}

// The databases as they were at one moment, SQLite's journal included.
void copy_database(const ScratchDirectory& directory, const char* from, const char* to) {
  namespace fs = std::filesystem;
  for (const char* part : {"", "-wal", "-shm"}) {
    fs::remove(directory.file(std::string(to) + part));
    if (fs::exists(directory.file(std::string(from) + part)))
      fs::copy_file(directory.file(std::string(from) + part), directory.file(std::string(to) + part));
  }
}

void remove_database(const ScratchDirectory& directory) {
  for (const char* name : {"sts.db", "sts.db-wal", "sts.db-shm"}) directory.remove(name);
}

}  // namespace

TEST_CASE("what is kept is read back whole, after a restart too") {
  ScratchDirectory directory;
  StsEntry entry = entry_for("b.test");
  entry.body += std::string("x-note: caf\xC3\xA9\r\n", 15);
  {
    auto cache = open(directory);
    CHECK_FALSE(load(*cache, "b.test"));
    REQUIRE(cache->keep(entry));
    entry.failure_streak = 2;
    entry.failure_type = "sts-policy-fetch-error";
    entry.failure_reason = "http-status-404";
    entry.next_refresh = start + 5min;
    REQUIRE(cache->note(entry));
  }
  auto cache = open(directory);
  const auto row = load(*cache, "b.test");
  REQUIRE(row);
  CHECK(row->id == "1");
  CHECK(row->body == entry.body);
  CHECK(row->fetched == start);
  CHECK(row->expires == start + 7 * 24h);
  CHECK(row->next_refresh == start + 5min);
  CHECK(row->failure_streak == 2);
  CHECK(row->failure_type == "sts-policy-fetch-error");
  CHECK(row->failure_reason == "http-status-404");
  CHECK_FALSE(row->recovered);
}

TEST_CASE("due and list: by time, by name, by suffix, bounded") {
  ScratchDirectory directory;
  auto cache = open(directory);
  for (int i = 0; i < 20; ++i) {
    StsEntry entry = entry_for("d" + std::to_string(10 + i) + ".test");
    entry.next_refresh = start + i * 1min;
    REQUIRE(cache->keep(entry));
  }
  REQUIRE(cache->keep(entry_for("sub.d10.test")));
  CHECK(cache->look(start - 1s, 100).due->empty());
  const auto due = cache->look(start + 5min, 3).due;
  REQUIRE(due);
  REQUIRE(due->size() == 3);
  CHECK((*due)[0].domain == "d10.test");
  CHECK((*due)[2].domain == "d12.test");
  CHECK(cache->list("", 100)->size() == 21);
  CHECK(cache->list("", 5)->size() == 5);
  CHECK(cache->list("d11.test", 100)->size() == 1);
  CHECK(cache->list("x.test", 100)->empty());
  const auto below = cache->list("*.d10.test", 100);
  REQUIRE(below->size() == 1);
  CHECK(below->front().domain == "sub.d10.test");
  REQUIRE(cache->drop("d10.test", start + 1s));
  CHECK_FALSE(load(*cache, "d10.test"));
}

TEST_CASE(
    "D-24: the database deleted: every policy is read back from the copy, to be fetched anew before use") {
  ScratchDirectory directory;
  {
    auto cache = open(directory);
    REQUIRE(cache->keep(entry_for("a.test")));
    REQUIRE(cache->keep(entry_for("b.test")));
    REQUIRE(cache->keep(entry_for("b.test", start + 1h, "2")));
    REQUIRE(cache->drop("a.test", start + 2h));
    REQUIRE(cache->keep(entry_for("c.test")));
  }
  remove_database(directory);
  auto cache = open(directory);
  CHECK_FALSE(load(*cache, "a.test"));
  const auto b = load(*cache, "b.test");
  REQUIRE(b);
  CHECK(b->id == "2");
  CHECK(b->expires == start + 1h + 7 * 24h);
  CHECK(b->recovered);
  CHECK(load(*cache, "c.test")->recovered);
  REQUIRE(cache->keep(entry_for("b.test", start + 3h, "3")));  // fetched anew
  CHECK_FALSE(load(*cache, "b.test")->recovered);
}

TEST_CASE("D-23: a database of nonsense, cut short or with flipped bits is put aside and rebuilt") {
  const std::vector<std::pair<const char*, std::function<std::string(std::string)>>> damages = {
      {"nonsense", [](const std::string&) { return std::string(8192, 'x'); }},
      {"no tables", [](const std::string& bytes) { return bytes.substr(0, 100) + std::string(3996, '\0'); }},
      {"half of it", [](const std::string& bytes) { return bytes.substr(0, bytes.size() / 2); }},
      {"flipped bits",
       [](const std::string& bytes) {
         std::string changed;
         for (const char byte : bytes)
           changed +=
               changed.size() >= 4096 && changed.size() % 7 == 0 ? static_cast<char>(byte ^ 0x55) : byte;
         return changed;
       }},
  };
  for (const auto& [what, damage] : damages) {
    const std::string done = what;
    CAPTURE(done);
    ScratchDirectory directory;
    {
      auto cache = open(directory);
      for (int i = 0; i < 50; ++i) REQUIRE(cache->keep(entry_for("d" + std::to_string(i) + ".test")));
    }
    directory.write("sts.db", damage(directory.read("sts.db")));
    auto cache = open(directory);
    for (int i = 0; i < 50; ++i) {
      const auto row = load(*cache, "d" + std::to_string(i) + ".test");  // damage found late is repaired late
      REQUIRE(row);
      CHECK(row->body == entry_for(row->domain).body);
    }
    CHECK(directory.count("sts.db.damaged-") >= 1);
  }
}

TEST_CASE("D-24: rows lost by a power cut, or an old database put back, are made up from the copy") {
  ScratchDirectory directory;
  {
    auto cache = open(directory);
    REQUIRE(cache->keep(entry_for("a.test")));
  }
  copy_database(directory, "sts.db", "old.db");
  {
    auto cache = open(directory);
    REQUIRE(cache->keep(entry_for("a.test", start + 1h, "2")));
    REQUIRE(cache->keep(entry_for("b.test")));
  }
  copy_database(directory, "old.db", "sts.db");
  auto cache = open(directory);
  CHECK(load(*cache, "a.test")->id == "2");
  CHECK(load(*cache, "b.test"));
}

TEST_CASE("D-24: the copy lost, cut short or damaged is made up from the rows") {
  for (const char* what : {"gone", "empty", "cut", "no header", "another file"}) {
    CAPTURE(std::string(what));
    ScratchDirectory directory;
    {
      auto cache = open(directory);
      REQUIRE(cache->keep(entry_for("a.test")));
      REQUIRE(cache->keep(entry_for("b.test")));
    }
    const std::string copy = directory.read("sts-policies.log");
    const std::string kind = what;
    if (kind == "gone") directory.remove("sts-policies.log");
    if (kind == "empty") directory.write("sts-policies.log", "");
    if (kind == "cut") directory.write("sts-policies.log", copy.substr(0, copy.size() - 30));
    if (kind == "no header") directory.write("sts-policies.log", "#" + copy.substr(1));
    if (kind == "another file") {
      ScratchDirectory other;
      {
        auto cache = open(other);
        REQUIRE(cache->keep(entry_for("c.test")));
      }
      directory.write("sts-policies.log", other.read("sts-policies.log"));
    }
    {
      auto cache = open(directory);
      REQUIRE(cache->keep(entry_for("d.test")));
    }
    remove_database(directory);  // now the copy must hold them all
    auto cache = open(directory);
    for (const char* domain : {"a.test", "b.test", "d.test"}) CHECK(load(*cache, domain));
    CHECK(load(*cache, "c.test").has_value() == (kind == "another file"));
  }
}

TEST_CASE("D-24 a line of the copy that is damaged costs that line only, and is not taken for absent") {
  ScratchDirectory directory;
  {
    auto cache = open(directory);
    for (const char* domain : {"a.test", "b.test", "c.test"}) REQUIRE(cache->keep(entry_for(domain)));
  }
  std::string copy = directory.read("sts-policies.log");
  const auto second = copy.find("b.test");
  copy[second] = 'x';
  directory.write("sts-policies.log", copy + "0badc0de {\"domain\":\"torn");
  remove_database(directory);
  {
    auto cache = open(directory);
    CHECK(load(*cache, "a.test"));
    const auto damaged = cache->load("b.test");
    REQUIRE_FALSE(damaged);
    CHECK(damaged.error().code == Errc::unavailable);
    CHECK(load(*cache, "c.test"));
    REQUIRE(cache->keep(entry_for("d.test")));
  }
  remove_database(directory);
  auto cache = open(directory);
  CHECK(load(*cache, "d.test"));  // did not run into the torn line
}

TEST_CASE("the copy's lines: every field comes back, anything else is refused") {
  CopyRecord record;
  record.entry = entry_for("b.test");
  record.entry.body = std::string("\0\n\xFF\"", 4);
  std::string line = to_line(record);
  REQUIRE(line.ends_with('\n'));
  line.pop_back();
  const auto back = from_line(line);
  REQUIRE(back);
  CHECK(back->entry.body == record.entry.body);
  CHECK(back->entry.expires == record.entry.expires);
  for (std::size_t at = 0; at < line.size(); ++at) {
    std::string changed = line;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    CHECK_FALSE(from_line(changed));
    CHECK_FALSE(from_line(line.substr(0, at)));
  }
  for (const char* json :
       {"{}", "[]", "7", "{\"domain\":1,\"fetched\":1}", "{\"domain\":\"a\",\"fetched\":\"x\"}",
        "{\"domain\":\"a\",\"fetched\":1,\"id\":\"1\",\"body\":\"%%\",\"expires\":1}"}) {
    // A right checksum does not make it right.
    const std::string text = json;
    const auto refused = from_line(sha256_hex(text).substr(0, 16) + " " + text);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().detail != "wrong checksum");
  }
}

TEST_CASE("D-22: others may read the database while the relay writes it; no mmap, a write-ahead log") {
  ScratchDirectory directory;
  auto cache = open(directory);
  REQUIRE(cache->keep(entry_for("a.test")));
  sqlite3* raw = nullptr;
  REQUIRE(sqlite3_open_v2(directory.file("sts.db").c_str(), &raw, SQLITE_OPEN_READONLY, nullptr) ==
          SQLITE_OK);
  const sqlite::ConnectionPtr reader(raw);
  const auto ask = [raw](const char* sql) {
    sqlite3_stmt* statement = nullptr;
    sqlite3_prepare_v2(raw, sql, -1, &statement, nullptr);
    const sqlite::StatementPtr row(statement);
    return sqlite3_step(statement) == SQLITE_ROW
               ? std::string(reinterpret_cast<const char*>(sqlite3_column_text(statement, 0)))
               : std::string("none");
  };
  REQUIRE(sqlite3_exec(raw, "BEGIN", nullptr, nullptr, nullptr) == SQLITE_OK);
  CHECK(ask("SELECT count(*) FROM policy") == "1");  // holds its view open
  REQUIRE(cache->keep(entry_for("b.test")));
  CHECK(ask("SELECT count(*) FROM policy") == "1");
  REQUIRE(sqlite3_exec(raw, "COMMIT", nullptr, nullptr, nullptr) == SQLITE_OK);
  CHECK(ask("SELECT count(*) FROM policy") == "2");
  CHECK(ask("PRAGMA journal_mode") == "wal");
}

TEST_CASE("D-26: files of a newer relay are refused and left alone") {
  ScratchDirectory directory;
  {
    auto cache = open(directory);
    REQUIRE(cache->keep(entry_for("a.test")));
  }
  const std::string copy = directory.read("sts-policies.log");
  std::string newer = copy;
  newer.replace(newer.find(" 1 "), 3, " 2 ");
  directory.write("sts-policies.log", newer);
  auto refused = StsCache::open(directory.path(), nullptr, 0ms);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().detail.find("newer") != std::string::npos);
  CHECK(directory.read("sts-policies.log") == newer);
  directory.write("sts-policies.log", copy);
  {
    sqlite3* raw = nullptr;
    REQUIRE(sqlite3_open(directory.file("sts.db").c_str(), &raw) == SQLITE_OK);
    const sqlite::ConnectionPtr db(raw);
    REQUIRE(sqlite3_exec(raw, "PRAGMA user_version = 99", nullptr, nullptr, nullptr) == SQLITE_OK);
  }
  refused = StsCache::open(directory.path(), nullptr, 0ms);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().detail.find("newer") != std::string::npos);
  CHECK(directory.count("sts.db.damaged") == 0);
}

TEST_CASE("D-24: a copy that cannot be written is no success, and the next policy is kept again") {
  ScratchDirectory directory;
  auto cache = open(directory);
  REQUIRE(cache->keep(entry_for("a.test")));
  {
    // No file may grow: every write fails as on a full disk.
    rlimit before{};
    ::getrlimit(RLIMIT_FSIZE, &before);
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit none{16, before.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &none);
    const auto kept = cache->keep(entry_for("b.test"));
    ::setrlimit(RLIMIT_FSIZE, &before);
    CHECK_FALSE(kept);
  }
  REQUIRE(cache->keep(entry_for("c.test")));
  cache.reset();
  remove_database(directory);
  cache = open(directory);
  CHECK(load(*cache, "a.test"));
  CHECK(load(*cache, "c.test"));
}

TEST_CASE("D-24 a policy that the rows could not take is not hidden by the next one that they take") {
  ScratchDirectory directory;
  auto opened = StsCache::open(directory.path(), nullptr, 1h);  // it tries no second time while this lasts
  REQUIRE(opened);
  StsCache& cache = **opened;
  REQUIRE(cache.keep(entry_for("first.test")));
  {
    sqlite3* other = nullptr;
    REQUIRE(sqlite3_open(directory.file("sts.db").c_str(), &other) == SQLITE_OK);
    REQUIRE(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr) == SQLITE_OK);
    CHECK(cache.keep(entry_for("a.test")));
    CHECK(cache.keep(entry_for("a.test", start + 1h, "2")));
    sqlite3_close(other);
  }
  CHECK(cache.keep(entry_for("b.test")));
  // The process dies here: its files as they are.
  ScratchDirectory after;
  for (const auto& file : std::filesystem::directory_iterator(directory.path()))
    std::filesystem::copy_file(file.path(), after.file(file.path().filename().string()));
  auto again = open(after);
  CHECK(load(*again, "b.test"));
  const auto found = load(*again, "a.test");
  REQUIRE(found);
  CHECK(found->id == "2");
}
