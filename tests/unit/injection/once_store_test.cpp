// SPDX-License-Identifier: Apache-2.0
#include "injection/once_store.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>

#include "injection/injector.hpp"

using namespace sealpost;
using injection::once_mark;
using injection::OnceRow;
using injection::OnceStore;

namespace {

struct OnceFolder {
  OnceFolder() {
    std::string name = "/tmp/sealpost-once-XXXXXX";
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~OnceFolder() { std::filesystem::remove_all(path); }
  std::string path;
};

const SystemTime some_day{std::chrono::hours(24 * 20'000)};

OnceRow row_of(const OnceMark& mark, SystemTime at) {
  OnceRow row;
  row.mark = mark;
  row.id = MessageId::make(at);
  row.at = at;
  return row;
}

}  // namespace

TEST_CASE("a key is an account's, and content is told from other content") {
  CHECK(once_mark("anna", "k", "x") == once_mark("anna", "k", "x"));
  CHECK(once_mark("anna", "k", "x").key == once_mark("anna", "k", "y").key);
  CHECK(once_mark("anna", "k", "x").content != once_mark("anna", "k", "y").content);
  CHECK(once_mark("anna", "k", "x").key != once_mark("bo", "k", "x").key);
  CHECK(once_mark("ann", "ak", "x").key != once_mark("anna", "k", "x").key);
}

TEST_CASE("a key that was used is known for a day, also to the next start") {
  const OnceFolder folder;
  const OnceMark mark = once_mark("anna", "k", "x");
  const OnceRow row = row_of(mark, some_day);
  {
    OnceStore store(folder.path);
    const auto fresh = store.find(mark, some_day);
    REQUIRE(fresh);
    CHECK(!*fresh);
    REQUIRE(store.put(row));
  }
  OnceStore store(folder.path);
  const auto known = store.find(mark, some_day + std::chrono::hours(23));
  REQUIRE(known);
  REQUIRE(*known);
  CHECK((*known)->id == row.id);
  CHECK((*known)->mark == mark);
  const auto over = store.find(mark, some_day + std::chrono::hours(25));
  REQUIRE(over);
  CHECK(!*over);
}

TEST_CASE("D-23 what cannot be written is remembered, and written when it can be") {
  const OnceFolder folder;
  const OnceMark mark = once_mark("anna", "k", "x");
  const std::string away = folder.path + "/away";
  OnceStore store(away);
  CHECK(!store.find(mark, some_day));  // it cannot be said
  const OnceRow row = row_of(mark, some_day);
  CHECK(!store.put(row));
  const auto remembered = store.find(mark, some_day);
  REQUIRE(remembered);
  REQUIRE(*remembered);
  CHECK((*remembered)->id == row.id);
}

TEST_CASE("T-28 there is no room for more keys than are bounded, and none is forgotten for it") {
  const OnceFolder folder;
  OnceStore store(folder.path, nullptr, 2);
  const OnceMark a = once_mark("anna", "a", ""), b = once_mark("anna", "b", ""),
                 c = once_mark("anna", "c", "");
  for (const OnceMark& mark : {a, b}) {
    REQUIRE(store.find(mark, some_day));
    REQUIRE(store.put(row_of(mark, some_day)));
  }
  const auto full = store.find(c, some_day);
  REQUIRE(!full);
  CHECK(full.error().code == Errc::no_space);
  const auto known = store.find(a, some_day);
  REQUIRE(known);
  CHECK(*known);
  CHECK(store.find(c, some_day + std::chrono::hours(25)));
}
