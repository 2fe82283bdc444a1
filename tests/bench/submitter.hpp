// SPDX-License-Identifier: Apache-2.0
//
// The SMTP client of the load source: sessions that submit message after message, and the worker that drives
// its share of them in one thread. source.cpp holds the options and the report.

#pragma once

#include <atomic>
#include <cstdio>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

#include "login.hpp"
#include "wire.hpp"

namespace bench {

struct Options {
  std::string connect = "127.0.0.1:2525";
  std::uint64_t messages = 1000;
  unsigned connections = 64;
  unsigned threads = 1;
  std::size_t size = 4096;
  unsigned domains = 1;
  std::string domain = "d%.bench.test";
  std::uint64_t per_connection = 0;
  std::string ledger;
  std::string run = "r";
  bool starttls = false, tls = false;  // after STARTTLS, or from the first octet
  bool chunks = false;                 // BDAT instead of DATA
  std::string auth, user, password;    // the mechanism; "": no AUTH
  bool logins = false;                 // sessions that log in and go; each counts as a message
  double give_up = 10;
};

// Set by a signal: every worker ends at its next turn.
inline std::atomic<bool> stopped{false};

// What all threads share. A ticket is the right to one more 250; who fails keeps it and tries again under a
// new id, because a message whose fate is unknown must not be sent twice under one name.
struct Shared {
  explicit Shared(const Options& chosen) : options(chosen) {}
  const Options& options;
  std::atomic<std::uint64_t> tickets{0};
  std::atomic<std::uint64_t> ids{0};
  std::atomic<std::int64_t> last_ack{now_ns()};
  std::mutex ledger_lock;
  std::FILE* ledger = nullptr;
};

struct Totals {
  std::uint64_t accepted = 0, refused = 0, in_doubt = 0, lost_connections = 0;
  std::int64_t first_submission = 0, last_ack = 0;
  std::vector<std::uint32_t> ack_us;
  std::string last_refusal;
};

enum class Step { closed, greeting, ehlo, starttls, handshake, auth, envelope, text, quit };

class Worker;

class Session {
 public:
  explicit Session(Worker& worker) : worker_(&worker) {}
  void open(std::uint64_t key);
  void ready(bool hang_up);  // the descriptor has news
  [[nodiscard]] bool is_closed() const { return step_ == Step::closed; }
  [[nodiscard]] bool owes_nothing() const { return !ticket_; }
  [[nodiscard]] bool awaits_verdict() const { return step_ == Step::text; }
  [[nodiscard]] bool left_politely() const { return polite_; }

 private:
  bool flush();
  bool take_replies();
  bool on_reply(int code);
  bool begin_message();
  bool say_hello();
  bool say_auth();
  bool on_auth_reply(int code);
  void taken(std::int64_t begun);
  void send_text();
  bool fail(bool refused);

  Worker* worker_;
  Wire wire_;
  Step step_ = Step::closed;
  std::string out_;
  std::string in_;
  std::string reply_;
  std::string_view line_;  // that is answered
  ScramLogin scram_;
  std::string id_, domain_;
  std::uint64_t sent_here_ = 0;
  std::int64_t dot_at_ = 0;
  unsigned expected_ = 0, auth_steps_ = 0;
  bool authenticated_ = false;
  bool ticket_ = false, starttls_offered_ = false, pipelining_ = false, dot_waits_ = false, polite_ = false;
};

class Worker {
 public:
  Worker(Shared& shared, unsigned connections);
  void run();

  Shared& shared;
  Totals totals;
  Poll poll;
  SslContextPtr tls;
  std::string filler;
  SaltedPassword salted;
  std::string promises;  // ledger lines not yet written

  void write_ledger();
  [[nodiscard]] bool exhausted() const {
    return stopped || shared.tickets.load(std::memory_order_relaxed) >= shared.options.messages;
  }
  bool take_ticket() {
    return !stopped && shared.tickets.fetch_add(1, std::memory_order_relaxed) < shared.options.messages;
  }

 private:
  struct Reopen {
    std::int64_t at;
    std::size_t index;
  };
  void reopen_due();
  void settle(std::size_t index);

  std::vector<Session> sessions_;
  std::size_t open_ = 0;
  std::deque<Reopen> waiting_;
};

}  // namespace bench
