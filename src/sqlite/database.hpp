// SPDX-License-Identifier: Apache-2.0
//
// A database file that the relay can live without for a while: it is opened when it can be, used while it is well, and
// taken up again by itself. Nothing but damage (trouble.hpp) ever moves the file, and then it is set aside whole
// (aside.hpp). What is wrong is said once, in Health, with what the relay does meanwhile.
//
// While it is not open, every statement is answered with an error, so that users need no second path: what they could not
// write they keep and write later. Blocking; one thread at a time, which does all writes and checkpoints (D-22). Never on
// an event loop.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/health.hpp"
#include "sqlite/statement.hpp"
#include "sqlite/trouble.hpp"

namespace sealpost::sqlite {

class Database;

struct Settings {
  Settings() = default;
  std::string path;  // its last part names the database in words: "tlsrpt.db"
  int newest = 1;    // schema version this relay makes; a higher one is Errc::newer and left untouched (D-26)
  std::string
      meanwhile;     // what the relay does without it, for the operator: "sessions are counted in memory"
  std::string lost;  // what damage costs: "counts not yet reported"
  // Empty: the file is made when it is not there. Else it is somebody else's to make, and this is what an operator does
  // about one that is missing.
  std::string when_missing;
  // False: nobody could make again what is in it, so a damaged file stays where it is until a good one is put there.
  bool begin_anew = true;
  // On a file just opened whose version (0: it is new) is no newer than `newest`: pragmas, tables, migration.
  std::function<Expected<void>(Database&, int version)> prepare;
  // The damaged file was moved to `aside` and `fresh` made in its place: takes over what can still be read. What it says
  // is told to the operator; empty: nothing.
  std::function<std::string(const std::string& aside, Database& fresh)> salvage;
  std::chrono::milliseconds busy{5000};         // how long one statement waits for somebody's lock
  std::chrono::milliseconds busy_at_open{250};  // the same while opening, where more may wait for the answer
  std::chrono::milliseconds first_retry{1000};  // doubles up to
  std::chrono::milliseconds longest_retry{30'000};
  const char* vfs = nullptr;  // null: the system's; tests put one in that fails
};

class Database {
 public:
  // Opens nothing yet. `health` outlives it; null: what is wrong is only logged.
  explicit Database(Settings settings, Health* health = nullptr);
  ~Database();
  Database(Database&&) noexcept;
  Database& operator=(Database&&) noexcept;

  // Opens or makes the file; a damaged one is set aside and begun anew. Errors: Errc::newer; any other: it is not open
  // now, the reason is in Health, and tend() goes on trying.
  Expected<void> open();
  // To be called now and then, between pieces of work: opens again what is closed and due, closes what is not believed any
  // more, sets aside what turned out damaged, and looks whether the file is still the one that its name leads to. True: it
  // is open.
  bool tend();
  void close();
  bool is_open() const noexcept { return connection_ != nullptr; }
  // From any thread: the end is near. From now on, and in a wait that goes on now, nobody's lock is waited for longer than
  // `busy_at_open`.
  void hurry() noexcept;
  // Grows each time the file is opened: what was remembered of its rows (ids, statements) holds no more.
  std::uint64_t generation() const noexcept { return generation_; }

  Expected<Statement> statement(const char* sql);
  Expected<void> run(const char* sql);  // several statements, without values or answers
  // All of it or nothing. Success ends what Health says of it.
  Expected<void> in_transaction(const std::function<Expected<void>()>& work);
  Expected<std::int64_t> number(const char* sql);  // the first value of the first row; 0 when there is none
  std::int64_t changed() const noexcept;           // rows of the last statement that wrote

  // The error of the call that just failed; remembers what it means for the file.
  Error failure(const std::string& what);
  // After a step that went well: false when the index of the log was taken away under it (mapping_guard.hpp), so that
  // neither is what was read to be believed nor what was written to be kept.
  bool index_holds() noexcept;
  Trouble trouble() const noexcept { return trouble_; }  // the worst since the last tend()
  const std::string& path() const noexcept { return settings_.path; }
  const std::string& name() const noexcept { return name_; }

 private:
  using Clock = std::chrono::steady_clock;
  struct Patience;  // with somebody's lock; stays where it is when the database moves
  struct Identity {
    std::uint64_t device = 0, inode = 0;
    bool operator==(const Identity&) const = default;
  };
  Expected<void> connect();
  Expected<void> prepare();
  Error not_open() const;
  void fell_over(const Error& error);  // cannot be used now: closed, said, tried again later
  void raise(const Error& error);
  void well();
  void put_off();
  // In reopening.cpp: what happens to the file behind its back.
  void look_at_file();
  Expected<void> copy_out();
  Expected<void> put_in_place();
  void bring_back();
  void take_over_replacement();
  void try_writing();
  Expected<void> begin_anew(const Error& damage);
  std::string cause() const { return "database " + name_; }

  Settings settings_;
  std::string name_;
  Health* health_;
  std::unique_ptr<Patience> patience_;
  ConnectionPtr connection_;
  std::uint64_t mappings_lost_ = 0;  // before this connection
  Identity identity_;
  Trouble trouble_ = Trouble::none;
  int result_ = 0;  // that trouble_ is about
  bool raised_ = false;
  std::uint64_t generation_ = 0;
  unsigned asides_ = 0;
  std::chrono::milliseconds gap_{};
  Clock::time_point next_try_{}, last_aside_{};
};

// What every database of the relay is: a write-ahead log, no mmap (D-22), NORMAL where something else holds the fact.
Expected<void> use_write_ahead_log(Database& database);

}  // namespace sealpost::sqlite
