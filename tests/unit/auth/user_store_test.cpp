// SPDX-License-Identifier: Apache-2.0
#include "auth/user_store.hpp"

#include <doctest.h>
#include <sqlite3.h>

#include <functional>

#include "../sts/scratch_directory.hpp"
#include "some_users.hpp"

using namespace sealpost;
using namespace sealpost::auth;
using sealpost::test::ScratchDirectory;
using sealpost::test::some_user;

namespace {

constexpr SystemTime later{std::chrono::hours(500'000)};

UserStore opened(const ScratchDirectory& dir, Access access) {
  UserStore store(dir.path(), access);
  REQUIRE(store.open());
  return store;
}

Errc code_of(const Expected<void>& done) {
  REQUIRE_FALSE(done);
  return done.error().code;
}

// Whatever statement a connection begins while this is there, `work` is done before it.
class BeforeEachStatement {
 public:
  explicit BeforeEachStatement(std::function<void()> work) {
    work_ = std::move(work);
    sqlite3_auto_extension(reinterpret_cast<void (*)()>(watch));
  }
  ~BeforeEachStatement() {
    sqlite3_cancel_auto_extension(reinterpret_cast<void (*)()>(watch));
    work_ = nullptr;
  }
  BeforeEachStatement(const BeforeEachStatement&) = delete;
  BeforeEachStatement& operator=(const BeforeEachStatement&) = delete;

 private:
  static int begun(unsigned, void*, void*, void*) {
    if (work_) work_();
    return 0;
  }
  static int watch(sqlite3* connection, const char**, const void*) {
    return sqlite3_trace_v2(connection, SQLITE_TRACE_STMT, begun, nullptr);
  }
  static inline std::function<void()> work_;
};

}  // namespace

TEST_CASE("accounts are added, changed and removed") {
  const ScratchDirectory dir;
  UserStore store = opened(dir, Access::write);
  User anna = some_user("anna", "secret");
  anna.senders = {"@list.example", "anna@example.org"};
  anna.limits = Limits(10, 20);
  anna.created = anna.changed = later;
  REQUIRE(store.add(anna));
  CHECK(code_of(store.add(anna)) == Errc::exists);
  REQUIRE(store.add(some_user("otto", "other")));

  auto found = store.find("anna");
  REQUIRE((found && *found));
  CHECK((*found)->credentials.hash == anna.credentials.hash);
  CHECK((*found)->credentials.scram.stored_key == anna.credentials.scram.stored_key);
  CHECK((*found)->credentials.scram.salt == anna.credentials.scram.salt);
  CHECK((*found)->senders == anna.senders);
  CHECK((*found)->limits.messages_per_hour == 10);
  CHECK((*found)->limits.recipients_per_hour == 20);
  CHECK((*found)->created == later);

  REQUIRE(store.set_disabled("anna", true, later));
  REQUIRE(store.set_limits("anna", Limits(0, 5), later));
  REQUIRE(store.set_senders("anna", {"anna@example.net"}, later));
  const auto credentials = credentials_of(Secret("new"));
  REQUIRE(credentials);
  CHECK(credentials->scram.iterations == scram_iterations);
  REQUIRE(store.set_credentials("anna", *credentials, later));
  found = store.find("anna");
  REQUIRE((found && *found));
  CHECK((*found)->disabled);
  CHECK((*found)->limits.messages_per_hour == 0);
  CHECK((*found)->senders == std::vector<std::string>{"anna@example.net"});
  CHECK(matches(Secret("new"), (*found)->credentials.hash));

  REQUIRE(store.remove("anna"));
  found = store.find("anna");
  REQUIRE(found);
  CHECK_FALSE(*found);
  REQUIRE(store.add(some_user("anna", "secret")));  // senders of the former are gone
  CHECK(store.find("anna").value()->senders.empty());
  CHECK(store.list().value().size() == 2);

  CHECK(code_of(store.remove("nobody")) == Errc::not_found);
  CHECK(code_of(store.set_disabled("nobody", true, later)) == Errc::not_found);
  CHECK(code_of(store.set_limits("nobody", Limits(), later)) == Errc::not_found);
  CHECK(code_of(store.set_senders("nobody", {"@x.example"}, later)) == Errc::not_found);
  CHECK(code_of(store.set_credentials("nobody", *credentials, later)) == Errc::not_found);
  CHECK(store.list().value().size() == 2);
}

TEST_CASE(
    "T-61 what TLS the mail of an account needs makes the file one that an older release does not open") {
  const ScratchDirectory dir;
  UserStore store = opened(dir, Access::write);
  REQUIRE(store.add(some_user("anna", "secret")));
  CHECK(store.file().number("PRAGMA user_version").value() == 1);
  UserStore reading = opened(dir, Access::read);
  CHECK(reading.find("anna").value()->tls == TlsNeed::none);
  CHECK(code_of(store.set_tls("nobody", TlsNeed::verify, later)) == Errc::not_found);
  REQUIRE(store.set_tls("anna", TlsNeed::verify, later));
  CHECK(store.file().number("PRAGMA user_version").value() == 2);
  CHECK(reading.find("anna").value()->tls == TlsNeed::verify);  // in a file that was open before
  CHECK(opened(dir, Access::read).find("anna").value()->tls == TlsNeed::verify);
  CHECK(store.list().value().front().tls == TlsNeed::verify);
  CHECK(opened(dir, Access::write).find("anna").value()->changed == later);

  REQUIRE(store.file().run("UPDATE tls SET need = 'maybe'"));
  REQUIRE_FALSE(store.find("anna"));
  CHECK(store.find("anna").error().code == Errc::damaged);  // and not none
  REQUIRE(store.set_tls("anna", TlsNeed::none, later));
  CHECK(store.find("anna").value()->tls == TlsNeed::none);
  User otto = some_user("otto", "secret");
  otto.tls = TlsNeed::encrypt;
  REQUIRE(store.add(otto));
  REQUIRE(store.remove("otto"));
  REQUIRE(store.add(some_user("otto", "secret")));
  CHECK(store.find("otto").value()->tls == TlsNeed::none);
}

TEST_CASE("T-33 of a token there is nothing but its digest, and it is for the account that it was made for") {
  const NewToken made = make_token_key();
  CHECK(made.key.size() == 47);
  CHECK(digest_of_token_key(made.key) == made.digest);
  CHECK(make_token_key().key != made.key);
  for (const std::string& wrong : {std::string(), made.key + "A", made.key.substr(1),
                                   "slp_" + std::string(43, '='), "x" + made.key.substr(1)})
    CHECK(digest_of_token_key(wrong).empty());

  const ScratchDirectory dir;
  UserStore store = opened(dir, Access::write);
  CHECK(store.tokens().value().empty());
  CHECK_FALSE(store.find_token(made.digest).value());
  Token token;
  token.user = "anna";
  token.name = "app";
  token.digest = made.digest;
  token.scopes = {"send"};
  token.created = later;
  token.expires = later + std::chrono::hours(1);
  CHECK(code_of(store.add_token(token)) == Errc::not_found);
  User anna = some_user("anna", "secret");
  anna.created = later;
  REQUIRE(store.add(anna));
  REQUIRE(store.add_token(token));
  const auto found = store.find_token(made.digest);
  REQUIRE((found && *found));
  CHECK((*found)->user == "anna");
  CHECK((*found)->name == "app");
  CHECK((*found)->scopes == std::vector<std::string>{"send"});
  CHECK((*found)->expires == token.expires);
  token.digest = make_token_key().digest;
  CHECK(code_of(store.add_token(token)) == Errc::exists);
  CHECK(store.tokens().value().size() == 1);

  REQUIRE(store.remove("anna"));
  anna.created = later + std::chrono::seconds(1);
  REQUIRE(store.add(anna));  // another one of that name
  CHECK_FALSE(store.find_token(made.digest).value());
  REQUIRE(store.add_token(token));
  REQUIRE(store.remove_token("anna", "app"));
  CHECK(code_of(store.remove_token("anna", "app")) == Errc::not_found);
  CHECK(store.tokens().value().empty());
}

TEST_CASE("T-33 a file of a release that knows no tokens has none, for who reads it") {
  const ScratchDirectory dir;
  {
    UserStore store = opened(dir, Access::write);
    REQUIRE(store.add(some_user("anna", "secret")));
    REQUIRE(store.file().run("DROP TABLE token"));
  }
  UserStore reader = opened(dir, Access::read);
  CHECK(reader.find("anna").value());
  CHECK_FALSE(reader.find_token(make_token_key().digest).value());
  CHECK(reader.tokens().value().empty());
  UserStore writer = opened(dir, Access::write);
  CHECK(writer.tokens().value().empty());
  CHECK(reader.find("anna").value());
}

TEST_CASE("D-23 a file that is missing is no file without accounts, and is not made by who reads") {
  const ScratchDirectory dir;
  Health health;
  UserStore reading(dir.path(), Access::read, &health);
  CHECK(code_of(reading.open()) == Errc::not_found);
  CHECK_FALSE(reading.find("anna"));
  CHECK(dir.count("users.db") == 0);
  REQUIRE(health.list().size() == 1);
  CHECK(health.list().front().how.find("sealpost user add") != std::string::npos);
  // Nor is one that somebody touched.
  dir.write("users.db", "");
  CHECK(code_of(reading.open()) == Errc::not_found);
  CHECK(dir.read("users.db").empty());

  REQUIRE(opened(dir, Access::write).add(some_user("anna", "secret")));
  REQUIRE(reading.open());
  CHECK(reading.find("anna").value());
}

TEST_CASE("D-23 a damaged file stays where it is until a good one is there") {
  const ScratchDirectory dir;
  {
    UserStore store = opened(dir, Access::write);
    REQUIRE(store.add(some_user("anna", "secret")));
  }
  const std::string good = dir.read("users.db");
  const std::string damaged = "this is no database" + good.substr(19);
  for (const Access access : {Access::read, Access::write}) {
    dir.write("users.db", damaged);
    UserStore store(dir.path(), access);
    CHECK(code_of(store.open()) == Errc::damaged);
    CHECK_FALSE(store.find("anna"));
    CHECK(dir.read("users.db") == damaged);
    CHECK(dir.count("users.db.damaged") == 0);
  }
  dir.write("users.db", good);
  CHECK(opened(dir, Access::read).find("anna").value());
}

TEST_CASE("D-23 damage that shows while it is read closes the file and moves nothing") {
  const ScratchDirectory dir;
  {
    UserStore store = opened(dir, Access::write);
    for (int i = 0; i < 60; ++i) {
      User user = some_user("anna", "secret");
      static const User one = user;
      user = one;
      user.name = "user" + std::to_string(i);
      REQUIRE(store.add(user));
    }
  }
  std::string octets = dir.read("users.db");
  for (std::size_t at = 4096; at < octets.size(); ++at) octets[at] = '\x55';
  dir.write("users.db", octets);
  Health health;
  UserStore store(dir.path(), Access::read, &health);
  static_cast<void>(store.open());
  CHECK_FALSE(store.find("user1"));
  CHECK_FALSE(store.file().tend());
  CHECK_FALSE(health.well());
  CHECK(dir.read("users.db") == octets);
  CHECK(dir.count("users.db.damaged") == 0);
}

TEST_CASE("who reads sees at once what another has written, and can tell that something was") {
  const ScratchDirectory dir;
  UserStore writing = opened(dir, Access::write);
  REQUIRE(writing.add(some_user("anna", "secret")));
  UserStore reading = opened(dir, Access::read);
  const auto before = reading.version();
  CHECK(reading.find("anna").value());
  CHECK(reading.version().value() == before.value());
  REQUIRE(writing.set_disabled("anna", true, later));
  CHECK(reading.find("anna").value()->disabled);
  CHECK(reading.version().value() != before.value());
  CHECK(reading.secret().value() == writing.secret().value());
}

TEST_CASE("T-33 T-54 a row with a password in clear, or with keys that are none, is not believed") {
  const ScratchDirectory dir;
  UserStore store = opened(dir, Access::write);
  const User anna = some_user("anna", "secret");
  const auto spoil = [&](auto how) {
    User user = anna;
    how(user);
    REQUIRE(store.add(user));
    const auto found = store.find(user.name);
    CHECK_FALSE(found);
    if (!found) CHECK(found.error().code == Errc::damaged);
    if (!found) CHECK(found.error().detail.find("secret") == std::string::npos);
    REQUIRE(store.remove(user.name));
  };
  spoil([](User& user) { user.credentials.hash = "secret"; });
  spoil([](User& user) { user.credentials.hash = ""; });
  spoil([](User& user) { user.credentials.scram.iterations = 1; });
  spoil([](User& user) { user.credentials.scram.stored_key = ""; });
  spoil([](User& user) { user.credentials.scram.server_key = "short"; });
  spoil([](User& user) { user.credentials.scram.salt = ""; });
  spoil([](User& user) { user.name = "ANNA"; });
}

TEST_CASE("T-33 nothing in the file is the password") {
  const ScratchDirectory dir;
  {
    UserStore store = opened(dir, Access::write);
    REQUIRE(store.add(some_user("anna", "canary-password-4711")));
  }
  for (const auto& entry : std::filesystem::directory_iterator(dir.path()))
    CHECK(dir.read(entry.path().filename().string()).find("canary-password-4711") == std::string::npos);
}

TEST_CASE("T-60 an account that comes or goes while it is read is never one without its senders") {
  const ScratchDirectory dir;
  UserStore writing = opened(dir, Access::write);
  User anna = some_user("anna", "secret");
  anna.senders = {"anna@example.org"};
  REQUIRE(writing.add(anna));
  bool there = true, watching = false;
  const auto turn = [&] {
    REQUIRE((there ? writing.remove("anna") : writing.add(anna)).has_value());
    there = !there;
  };
  const BeforeEachStatement hook([&] {
    if (watching) turn();
  });
  UserStore reading = opened(dir, Access::read);
  for (int i = 0; i < 6; ++i) {
    watching = true;
    const auto found = reading.find("anna");
    watching = false;
    REQUIRE(found);
    if (*found) CHECK((*found)->senders == anna.senders);
    if (i == 2) turn();  // from the other state as well
  }
}
