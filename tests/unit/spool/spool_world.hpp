// SPDX-License-Identifier: Apache-2.0
//
// A spool on virtual time and a virtual disk, with the calls of a session as plain functions.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "event/blocking_pool.hpp"
#include "event/run.hpp"
#include "event/sim_loop.hpp"
#include "spool/driver.hpp"
#include "spool/journal_spool.hpp"
#include "spool/sim_disk.hpp"

namespace sealpost::spool {

inline MessageId id_of(unsigned number) {
  std::array<std::uint8_t, 16> bytes{};
  for (std::size_t i = 0; i < 4; ++i) bytes[12 + i] = static_cast<std::uint8_t>(number >> (8 * (3 - i)));
  return MessageId(bytes);
}

inline NewMessage message_of(unsigned number, std::string body, unsigned recipients = 1) {
  NewMessage message;
  message.id = id_of(number);
  message.envelope.reverse_path = "sender@origin.example";
  message.envelope.arrival = SystemTime(std::chrono::seconds(1'700'000'000 + number));
  message.envelope.received_from = "client.example ([192.0.2.1])";
  for (unsigned i = 0; i < recipients; ++i)
    message.envelope.recipients.emplace_back("user" + std::to_string(i) + "@target.example");
  message.body = std::move(body);
  return message;
}

inline Outcome outcome_of(unsigned number, RecipientState state, std::uint32_t recipient = 0,
                          std::string reply = "250 2.0.0 ok") {
  Outcome outcome;
  outcome.id = id_of(number);
  outcome.recipients.emplace_back(recipient, state, std::move(reply));
  outcome.when = SystemTime(std::chrono::seconds(1'700'000'100));
  if (state == RecipientState::pending)
    outcome.next_attempt = SystemTime(std::chrono::seconds(1'700'000'400));
  return outcome;
}

inline event::Task<Expected<std::string>> read_all(BodyReader& reader) {
  std::string all;
  for (;;) {
    const auto piece = co_await reader.next();
    if (!piece) co_return piece.error();
    if (piece->empty()) co_return all;
    all.append(*piece);
  }
}

// A follower whose store outlasts restarts and crashes: what it took and where it stands, changed together.
class KeepingFollower final : public Follower {
 public:
  std::string_view name() const noexcept override { return "keeper"; }
  bool idle() const noexcept override { return rests; }
  Expected<std::optional<Cursor>> cursor() override {
    if (!reads_cursor) return Error(Errc::unavailable, "its store is closed");
    return at;
  }
  Expected<void> apply(const std::vector<JournalEntry>& taken, const Cursor& next) override {
    ++calls;
    if (fails > 0) return --fails, Error(Errc::no_space, "its disk is full");
    entries.insert(entries.end(), taken.begin(), taken.end());
    at = next;
    if (loses_answers > 0) return --loses_answers, Error(Errc::io, "nobody knows whether it was committed");
    return {};
  }
  Expected<void> missed(const Cursor& from, const Cursor& next, std::string_view why) override {
    if (fails > 0) return --fails, Error(Errc::no_space, "its disk is full");
    gaps.push_back(std::to_string(from.position.segment) + " to " + std::to_string(next.position.segment) +
                   ": " + std::string(why));
    at = next;
    return {};
  }

  std::vector<JournalEntry> entries;
  std::vector<std::string> gaps;
  std::optional<Cursor> at;
  unsigned calls = 0, fails = 0, loses_answers = 0;
  bool reads_cursor = true, rests = false;
};

struct World {
  explicit World(SpoolOptions options_ = small(), std::uint64_t seed = 1) : options(options_), disk(seed) {}
  ~World() { stop(); }

  static SpoolOptions small() {
    SpoolOptions options;
    options.segment_size = 64u << 10;
    options.floor = 0;
    options.floor_percent = 0;
    options.follower_pause = std::chrono::milliseconds(1);
    return options;
  }

  Expected<void> start() {
    driver = make_loop_driver(loop, std::chrono::microseconds(200));
    follower_driver = make_loop_driver(loop, std::chrono::microseconds(100));
    std::vector<FollowerOnDriver> followers;
    if (follower != nullptr) followers.push_back({follower, follower_driver.get()});
    auto opened = JournalSpool::open(disk, *driver, pool, options, &health, followers);
    if (!opened) return opened.error();
    spool = std::move(*opened);
    recovered = spool->take_recovered();
    loop.advance(std::chrono::milliseconds(10));  // spares are made
    return {};
  }
  void stop() {
    spool.reset();
    driver.reset();
    follower_driver.reset();
    loop.settle();  // answers that were posted
  }
  Expected<void> restart(SimDisk::Loss loss) {
    stop();
    disk.crash(loss);
    return start();
  }

  Expected<StoredMessagePtr> store(NewMessage message) {
    return event::run_until_done(loop, spool->store(loop, std::move(message)));
  }
  Expected<std::vector<StoredMessagePtr>> finish(Outcome outcome, std::vector<NewMessage> dsns = {}) {
    return event::run_until_done(loop, spool->finish_attempt(loop, std::move(outcome), std::move(dsns)));
  }
  Expected<void> begin(unsigned number, std::vector<std::uint32_t> recipients = {0}) {
    return event::run_until_done(loop, spool->begin_attempt(loop, id_of(number), std::move(recipients)));
  }
  Expected<void> hold(unsigned number, bool held, std::string reason = "") {
    return event::run_until_done(loop, spool->hold(loop, id_of(number), held, std::move(reason)));
  }
  Expected<void> reroute(unsigned number, std::vector<std::uint32_t> recipients, std::string next_hop) {
    return event::run_until_done(
        loop, spool->reroute(loop, id_of(number), std::move(recipients), std::move(next_hop)));
  }
  Expected<Extent> append(unsigned number, std::string bytes) {
    return event::run_until_done(loop, spool->append_body(loop, id_of(number), std::move(bytes)));
  }
  Expected<std::string> body(const StoredMessagePtr& message) {
    const auto reader = spool->open(loop, message);
    return event::run_until_done(loop, read_all(*reader));
  }
  StoredMessagePtr found(unsigned number) const {  // by recovery
    for (const auto& message : recovered)
      if (message->id == id_of(number)) return message;
    return nullptr;
  }

  SpoolOptions options;
  Health health;
  event::SimLoop loop;
  SimDisk disk;
  event::InlinePool pool;
  KeepingFollower* follower = nullptr;  // null: nobody follows the journal
  std::unique_ptr<Driver> driver, follower_driver;
  std::unique_ptr<JournalSpool> spool;
  std::vector<StoredMessagePtr> recovered;
};

}  // namespace sealpost::spool
