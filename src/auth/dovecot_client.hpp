// SPDX-License-Identifier: Apache-2.0
//
// Asks a Dovecot whether a name and a password belong together. On the loop of who asks, without blocking; each question has a
// connection for itself while it is under way, so that giving one up is closing it, and a few that are done are kept for
// the next (ADR 54). Whatever goes wrong is an error and nobody's refusal, and never more than `limit` away.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "auth/secret.hpp"
#include "base/health.hpp"
#include "event/loop.hpp"
#include "event/stream.hpp"
#include "event/task.hpp"
#include "sealpost/ip_address.hpp"

namespace sealpost::auth {

struct DovecotSettings {
  // Opens a connection; cancelling it leaves nothing.
  using Dial = std::function<event::Task<Expected<std::unique_ptr<event::Stream>>>(event::Loop&)>;
  DovecotSettings() = default;
  Dial dial;
  std::string where;                          // for people
  Duration limit = std::chrono::seconds(20);  // for one answer, with all that has to be done for it
  std::size_t most = 128;                     // questions under way, of all loops
  std::size_t kept_back = 32;                 // of these, for who has logged in from his network before
  std::size_t most_idle = 4;                  // connections that each loop keeps
  Duration most_age = std::chrono::seconds(
      10);  // of one that is used again: a Dovecot that was reloaded, or stopped, goes on
            // as it was for who is connected
};

struct DovecotQuestion {
  DovecotQuestion() = default;
  IpAddress client;
  std::optional<IpAddress> local;
  std::shared_ptr<const Secret> plain;  // the message of PLAIN
  bool known = false;                   // has logged in from there before
};

struct DovecotVerdict {
  DovecotVerdict() = default;
  bool right = false;
  std::string user;  // right: who it is
};

class DovecotClient {
 public:
  // `health` outlives it; null: nobody is told.
  DovecotClient(DovecotSettings settings, Health* health);
  // When no loop runs any more, and all are still there.
  ~DovecotClient();
  DovecotClient(const DovecotClient&) = delete;
  DovecotClient& operator=(const DovecotClient&) = delete;

  event::Task<Expected<DovecotVerdict>> ask(event::Loop& loop, DovecotQuestion question);
  // How long it took to say no, the last time: so late comes a no of our own (T-32).
  Duration refusal_takes() const noexcept { return Duration(refusal_takes_.load()); }

  struct Counters {
    std::uint64_t asked = 0, opened = 0, failed = 0;
  };
  Counters counters() const noexcept;

 private:
  struct Connection;
  using ConnectionPtr = std::unique_ptr<Connection>;

  event::Task<Expected<DovecotVerdict>> answer(event::Loop& loop, DovecotQuestion question);
  event::Task<Expected<DovecotVerdict>> put(Connection& connection, const DovecotQuestion& question);
  event::Task<Expected<ConnectionPtr>> open(event::Loop& loop);
  ConnectionPtr take_idle(event::Loop& loop);
  void drop_idle(event::Loop& loop);
  void keep(event::Loop& loop, ConnectionPtr connection);
  void tell(const Error& error);

  const DovecotSettings settings_;
  Health* const health_;
  std::atomic<std::size_t> under_way_{0};
  std::atomic<Duration::rep> refusal_takes_{0};
  std::atomic<std::uint64_t> asked_{0}, opened_{0}, failed_{0};
  std::mutex mutex_;  // guards the table; what is in it belongs to the loop
  std::unordered_map<event::Loop*, std::vector<ConnectionPtr>> idle_;
};

}  // namespace sealpost::auth
