// SPDX-License-Identifier: Apache-2.0
//
// The proof loop: a scenario with N storage calls is run with each call failing in each way, with the process
// killed at each call, and with the power cut at each call and un-synced writes and names kept, lost or torn. After
// the restart the spool must hold exactly what was confirmed; what was under way may be there whole or not at all. Who
// follows the journal, with a store that takes each transaction or not, must have had each entry once.
// SEALPOST_CRASH_SEEDS=n tries n states per power cut instead of 1.
#include <doctest.h>

#include <cerrno>
#include <cstdlib>
#include <functional>
#include <map>

#include "base/log.hpp"
#include "spool_world.hpp"

using namespace sealpost;
using namespace sealpost::spool;
using Loss = SimDisk::Loss;

namespace {

struct Kept {
  std::string body;
  std::vector<RecipientState> states;
  bool held = false;
  std::string account, said;  // who submitted it, and the host that last deferred it
  bool operator==(const Kept&) const = default;
};
using Ledger = std::map<MessageId, Kept>;

// Runs the steps of a scenario, and knows what the spool must hold: `sure`, or, when the last step that began before
// the disk went away got no confirmation, `maybe`.
class Player {
 public:
  explicit Player(World& world) : world_(world) {}

  void store(unsigned number, std::size_t size, unsigned recipients = 1,
             std::vector<std::size_t> parts = {}) {
    NewMessage message = message_of(number, text(number, size), recipients);
    std::string whole;
    for (const std::size_t part : parts) {
      const auto extent = world_.append(number, text(number + 1, part));
      if (!extent) return refuse(number);
      message.chunks.push_back(*extent);
      message.chunk_octets += part;
      whole += text(number + 1, part);
    }
    whole += message.body;
    Kept kept{whole, std::vector<RecipientState>(recipients, RecipientState::pending), false, "", ""};
    kept.account = message.envelope.account = number % 2 == 0 ? "user" + std::to_string(number) : "";
    const auto stored = world_.store(std::move(message));
    step(
        stored.has_value(), [&](Ledger& ledger) { ledger[id_of(number)] = kept; },
        Unconfirmed::must_not_happen);
  }
  void finish(unsigned number, std::uint32_t recipient, RecipientState state, unsigned dsn = 0) {
    std::vector<NewMessage> dsns;
    if (dsn != 0) dsns.push_back(message_of(dsn, text(dsn, 700)));
    Answer answer;
    answer.host = "mx" + std::to_string(recipient) + ".target.example";
    Outcome outcome = outcome_of(number, state, recipient);
    outcome.recipients.front().answer = std::make_shared<const Answer>(answer);
    const auto finished = world_.finish(std::move(outcome), std::move(dsns));
    const auto change = [&](Ledger& ledger) {
      auto at = ledger.find(id_of(number));
      if (at == ledger.end()) return;
      at->second.states[recipient] = state;
      if (!is_final(state)) at->second.said = answer.host;
      if (dsn != 0) ledger[id_of(dsn)] = Kept{text(dsn, 700), {RecipientState::pending}, false, "", ""};
      if (std::all_of(at->second.states.begin(), at->second.states.end(), is_final)) ledger.erase(at);
    };
    if (!finished && finished.error().code == Errc::not_found) return;  // its store was refused
    step(finished.has_value(), change, Unconfirmed::may_happen);
  }
  void begin(unsigned number, std::uint32_t recipient) {
    const auto begun = world_.begin(number, {recipient});
    step(
        begun.has_value(), [](Ledger&) {}, Unconfirmed::may_happen);
  }
  void hold(unsigned number, bool held) {
    const auto done = world_.hold(number, held, "operator");
    if (!done && done.error().code == Errc::not_found) return;
    step(
        done.has_value(), [&](Ledger& ledger) { ledger[id_of(number)].held = held; },
        Unconfirmed::may_happen);
  }
  void begin_parts_and_leave(unsigned number) {
    const auto part = world_.append(number, text(number, 3000));
    world_.spool->discard(id_of(number));
    world_.loop.settle();
    if (!part) refuse(number);
  }

  // After a crash the last unconfirmed step may have reached the disk; without one a refused message must not.
  std::string differs_from(const std::vector<StoredMessagePtr>& found, bool crashed) const {
    Ledger ledger;
    for (const auto& message : found) {
      auto body = world_.body(message);
      if (!body && body.error().code == Errc::unavailable) body = world_.body(message);  // it was being moved
      if (!body) return "a body cannot be read: " + body.error().detail;
      Kept& kept = ledger[message->id];
      kept.body = *body;
      kept.held = message->held;
      kept.account = message->envelope.account;
      kept.said = message->last_answer ? message->last_answer->host : "";
      for (const auto& progress : message->progress) kept.states.push_back(progress.state);
    }
    if (ledger == sure_) return "";
    if (maybe_ && (crashed || may_happen_) && ledger == *maybe_) return "";
    return describe(ledger);
  }
  std::size_t refused() const { return refused_; }

 private:
  enum class Unconfirmed : std::uint8_t { must_not_happen, may_happen };
  void step(bool confirmed, const std::function<void(Ledger&)>& change, Unconfirmed unconfirmed) {
    if (confirmed) {
      change(sure_);
      maybe_.reset();
      return;
    }
    ++refused_;
    if (maybe_) return;
    maybe_ = sure_;
    change(*maybe_);
    may_happen_ = unconfirmed == Unconfirmed::may_happen;
  }
  void refuse(unsigned) { ++refused_; }
  std::string describe(const Ledger& found) const {
    std::string text;
    for (const auto& [id, kept] : sure_)
      if (!found.contains(id)) text += "lost " + id.to_string() + "; ";
    for (const auto& [id, kept] : found) {
      const auto at = sure_.find(id);
      if (at == sure_.end())
        text += "unexpected " + id.to_string() + "; ";
      else if (at->second.body != kept.body)
        text += "another body " + id.to_string() + "; ";
      else if (at->second.states != kept.states)
        text += "other states " + id.to_string() + "; ";
      else if (at->second.held != kept.held)
        text += "other hold " + id.to_string() + "; ";
      else if (at->second != kept)
        text += "another account or answer " + id.to_string() + "; ";
    }
    return text;
  }
  static std::string text(unsigned number, std::size_t size) {
    std::string body;
    while (body.size() < size)
      body += "line " + std::to_string(number) + "." + std::to_string(body.size()) + "\r\n";
    body.resize(size);
    return body;
  }

  World& world_;
  Ledger sure_;
  std::optional<Ledger> maybe_;
  bool may_happen_ = false;
  std::size_t refused_ = 0;
};

SpoolOptions tiny() {
  SpoolOptions options = World::small();
  options.segment_size = 32u << 10;
  options.long_batch = 3000;  // spares of both kinds: zeros written, and blocks only reserved
  options.follower_pause = std::chrono::milliseconds(4);  // behind by a segment at times
  return options;
}

struct CrashWorld : World {
  explicit CrashWorld(std::uint64_t seed = 1) : World(tiny(), seed) { follower = &keeper; }
  ~CrashWorld() { stop(); }
  KeepingFollower keeper;
};

// Every record type, a bounce group, parts, full and recycled segments, and old messages that are copied forward.
void play(Player& player) {
  player.store(1, 500);
  player.store(2, 800, 2);
  player.store(4, 900, 1, {5000, 3000});
  player.finish(1, 0, RecipientState::delivered);
  player.finish(2, 0, RecipientState::failed, 1002);
  player.begin(2, 1);
  player.finish(2, 1, RecipientState::pending);
  player.begin_parts_and_leave(5);
  player.hold(4, true);
  for (unsigned i = 10; i < 26; ++i) {
    player.store(i, 9000);
    player.finish(i, 0, RecipientState::delivered);
  }
  player.hold(4, false);
  player.store(3, 0);
}

std::uint64_t calls_of_scenario(std::uint64_t& of_start) {
  CrashWorld world;
  REQUIRE(world.start());
  of_start = world.disk.calls();
  Player player(world);
  play(player);
  REQUIRE(player.refused() == 0);
  REQUIRE(world.spool->counters().segments < 6);  // old messages were copied forward
  return world.disk.calls();
}

// Who follows the journal has had each message and outcome once, and what it was given adds up to what the spool holds.
std::string what_was_followed(const World& world, const KeepingFollower& follower) {
  if (!follower.gaps.empty()) return "a gap: " + follower.gaps.front();
  JournalState state;
  std::map<std::string, unsigned> times;
  for (const JournalEntry& entry : follower.entries) {
    std::string what = entry.id.to_string();
    if (const auto* record = std::get_if<OutcomeRecord>(&entry.record)) {
      const auto& one = record->outcome.recipients.front();
      what += " outcome " + std::to_string(one.recipient) + " " + std::to_string(static_cast<int>(one.state));
    }
    const RecordType type = type_of(entry.record);
    if ((type == RecordType::message || type == RecordType::outcome) && ++times[what] == 2)
      return what + " twice";
    state.apply(JournalEntry(entry));
  }
  using Waiting = std::map<MessageId, std::vector<RecipientState>>;
  const auto waiting = [](const auto& messages) {
    Waiting all;
    for (const auto& message : messages)
      for (const auto& progress : message->progress) all[message->id].push_back(progress.state);
    return all;
  };
  const auto read = state.recovered();
  return waiting(read) == waiting(world.recovered) ? "" : "what was followed is not what the spool holds";
}

// Starts until it works: a fault that is over must not need a person.
bool start_again(World& world, Loss loss) {
  auto started = world.restart(loss);
  if (started) return true;
  INFO(started.error().detail);
  return static_cast<bool>(world.restart(Loss::kill));
}

std::string check_twice(World& world, const Player& player, Loss loss, bool crashed) {
  if (!start_again(world, loss)) return "does not start again";
  std::string wrong = player.differs_from(world.recovered, crashed);
  if (!wrong.empty()) return wrong;
  if (!world.restart(Loss::all)) return "does not start a second time";
  wrong = player.differs_from(world.recovered, crashed);
  if (!wrong.empty()) return "after a second recovery: " + wrong;
  world.loop.advance(std::chrono::milliseconds(10));
  if (world.spool->followers().front().broken) world.loop.advance(std::chrono::seconds(2));  // it asks again
  if (world.follower != nullptr) wrong = what_was_followed(world, *world.follower);
  if (!wrong.empty()) return "followed: " + wrong;
  // And it serves.
  if (!world.store(message_of(9999, "works"))) return "does not accept mail after recovery";
  return "";
}

// The first of them, so that a long campaign goes on where it was.
unsigned first_seed() {
  const char* text = std::getenv("SEALPOST_CRASH_FIRST");
  return text == nullptr ? 0 : static_cast<unsigned>(std::max(0, std::atoi(text)));
}

unsigned seeds() {
  const char* text = std::getenv("SEALPOST_CRASH_SEEDS");
  return text == nullptr ? 1 : static_cast<unsigned>(std::max(1, std::atoi(text)));
}

struct Quiet {  // recovery after each of thousands of crashes has much to say
  Quiet() { log::configure(2, log::Format::text, log::Level::error); }
  ~Quiet() { log::configure(2, log::Format::text, log::Level::info); }
};

}  // namespace

TEST_CASE(
    "D-01 D-02 D-07: each storage call fails in each way; nothing confirmed is lost, nothing refused kept") {
  std::uint64_t of_start = 0;
  const std::uint64_t calls = calls_of_scenario(of_start);
  for (std::uint64_t call = 1; call <= calls; ++call)
    for (const int error : {ENOSPC, EIO, EDQUOT, EMFILE, EINTR, SimDisk::short_write}) {
      CrashWorld world(call);
      world.disk.fail_at(call, error);
      if (!world.start()) {
        CHECK_MESSAGE(call <= of_start, "start failed although its calls went well");
        REQUIRE(world.restart(Loss::all));
      }
      Player player(world);
      play(player);
      const std::string wrong = check_twice(world, player, call % 2 == 0 ? Loss::all : Loss::kill, false);
      CHECK_MESSAGE(wrong.empty(), "call " << call << " fails with " << error << ": " << wrong);
    }
}

TEST_CASE("D-03 D-18 D-28: the process is killed at each storage call") {
  std::uint64_t of_start = 0;
  const std::uint64_t calls = calls_of_scenario(of_start);
  for (std::uint64_t call = of_start + 1; call <= calls; ++call) {
    CrashWorld world(call);
    REQUIRE(world.start());
    world.disk.stop_at(call);
    Player player(world);
    play(player);
    const std::string wrong = check_twice(world, player, Loss::kill, true);
    CHECK_MESSAGE(wrong.empty(), "killed at call " << call << ": " << wrong);
  }
}

TEST_CASE(
    "D-03 D-17 D-18: the power is cut at each storage call, un-synced writes and names are kept, lost or "
    "torn") {
  std::uint64_t of_start = 0;
  const std::uint64_t calls = calls_of_scenario(of_start);
  for (std::uint64_t call = of_start + 1; call <= calls; ++call)
    for (unsigned seed = 0; seed <= seeds(); ++seed) {
      CrashWorld world(call * 1'000'000 + first_seed() + seed);
      REQUIRE(world.start());
      world.disk.stop_at(call);
      Player player(world);
      play(player);
      const std::string wrong = check_twice(world, player, seed == 0 ? Loss::all : Loss::some, true);
      CHECK_MESSAGE(wrong.empty(), "power cut at call " << call << ", state " << seed << ": " << wrong);
    }
}

TEST_CASE(
    "D-07 D-18: from each storage call on no sync succeeds; the process dies, recovers, and the power is "
    "cut") {
  std::uint64_t of_start = 0;
  const std::uint64_t calls = calls_of_scenario(of_start);
  for (std::uint64_t call = of_start + 1; call <= calls; ++call) {
    CrashWorld world(call);
    REQUIRE(world.start());
    world.disk.break_syncs_at(call);
    Player player(world);
    play(player);
    const std::string wrong = check_twice(world, player, Loss::kill, true);
    CHECK_MESSAGE(wrong.empty(), "no sync from call " << call << " on: " << wrong);
  }
}

TEST_CASE("D-21: the power is cut at each storage call of a start") {
  for (unsigned seed = 0; seed <= seeds(); ++seed)
    for (std::uint64_t call = 1;; ++call) {
      CrashWorld world(call * 1'000'000 + first_seed() + seed);
      REQUIRE(world.start());
      Player player(world);
      play(player);
      world.stop();
      world.disk.crash(Loss::all);
      world.disk.stop_at(call);
      const auto started = world.start();
      const std::string wrong = check_twice(world, player, seed == 0 ? Loss::all : Loss::some, true);
      CHECK_MESSAGE(wrong.empty(),
                    "power cut at call " << call << " of the start, state " << seed << ": " << wrong);
      if (started) break;
    }
}
