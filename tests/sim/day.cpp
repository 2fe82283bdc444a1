// SPDX-License-Identifier: Apache-2.0
#include "day.hpp"

#include <cerrno>

#include "base/random.hpp"

namespace sealpost::sim {

namespace {

using namespace std::chrono_literals;

const Endpoint door(*IpAddress::parse("192.0.2.1"), 25);
constexpr auto day = 24h;
constexpr auto time_to_settle = std::chrono::days(4);  // twice the lifetime of a message
constexpr int most_starts = 100;
constexpr unsigned most_poisonings = 30;

// What the relay draws (ids, jitter) comes from the seed too.
std::mt19937_64 relay_random;  // NOLINT: use_random_source takes a plain function
void from_seed(std::span<std::uint8_t> into) {
  for (auto& octet : into) octet = static_cast<std::uint8_t>(relay_random() >> 32);
}

}  // namespace

Day::Day(std::uint64_t seed, Plant plant)
    : rng_(seed),
      world_(loop_, rng_.fork()),
      ledger_(loop_.now()),
      disk_(rng_.next()),
      plant_(plant),
      clients_(world_, ledger_, door),
      scope_(loop_) {
  relay_random.seed(rng_.next());
  use_random_source(from_seed);
  world_.recording = [this] { return !relay_ || relay_->healthy(); };
  for (const auto& host : world_.hosts)
    receivers_.push_back(std::make_unique<Receiver>(world_, *host, ledger_));
}

void Day::open_door() {
  world_.inside.listen(door, [this](std::unique_ptr<event::Stream> stream) {
    if (relay_) relay_->serve(std::move(stream));
  });
}

DayResult Day::run() {
  scope_.spawn(start_again());
  loop_.settle();
  scope_.spawn(traffic(day));
  scope_.spawn(weather(day));
  scope_.spawn(clock_trouble());
  scope_.spawn(watch_waits(day + time_to_settle));
  scope_.spawn(policy_turns(day));
  scope_.spawn(watch_blame(day));
  world_.on_poison = [this] { scope_.spawn(poisoned()); };
  loop_.advance(day);

  // The world is well again; what can be delivered is, what cannot expires.
  clients_.set_break_off(0);
  world_.heal();
  disk_.heal();
  scope_.spawn(ensure_healthy());
  loop_.advance(time_to_settle);
  scope_.spawn(restart_orderly());
  loop_.advance(1h);

  relay_.reset();
  world_.network.cut_all();
  loop_.settle();
  DayResult result;
  auto queue = SimRelay::read_queue(loop_, disk_);
  if (!queue) {
    result.problems.push_back("the journal cannot be read at the end: " + queue.error().detail);
    return result;
  }
  for (const std::string& waiting : queue->still_waiting)
    ledger_.violated(waiting + " still waits, two lifetimes after all was well (T-50, D-19)");
  result.problems = ledger_.check(queue->unfinished);
  result.counts = ledger_.counts();
  return result;
}

// ---- mail -------------------------------------------------------------------------------------------------------

event::Task<void> Day::traffic(Duration length) {
  const SteadyTime end = loop_.now() + length;
  if (rng_.chance(0.3)) clients_.begin_poison();
  while (loop_.now() < end) {
    clients_.set_break_off(rng_.chance(0.2) ? 0.1 : 0);
    if (rng_.chance(0.1)) {
      for (std::uint64_t i = rng_.between(5, 20); i > 0; --i) clients_.begin(rng_.between(1, 4));
    } else {
      clients_.begin(rng_.between(1, 3));
    }
    co_await event::sleep_for(loop_, rng_.time(1s, 15min));
  }
}

// ---- what goes wrong --------------------------------------------------------------------------------------------

event::Task<void> Day::weather(Duration length) {
  const SteadyTime end = loop_.now() + length;
  for (;;) {
    co_await event::sleep_for(loop_, rng_.time(1min, 90min));
    if (loop_.now() >= end) co_return;
    switch (rng_.below(12)) {
      case 0: co_await crash(false); break;
      case 1:
      case 2: co_await crash(true); break;
      case 3: co_await restart_orderly(); break;
      case 4: co_await disk_trouble(); break;
      case 5: scope_.spawn(resolver_outage()); break;
      case 6: world_.network.cut_all(); break;
      case 7: scope_.spawn(bad_mood()); break;
      case 8: scope_.spawn(resolver_lies()); break;
      default: scope_.spawn(host_trouble());
    }
  }
}

// The process dies, or the power is cut at one of the next calls to the disk.
event::Task<void> Day::crash(bool power) {
  if (restarting_) co_return;
  restarting_ = true;
  if (power) {
    disk_.stop_at(disk_.calls() + rng_.between(1, 8));
    ledger_.disk_trouble(loop_.now());
    co_await event::sleep_for(loop_, rng_.time(0ms, 20s));
    world_.network.cut_all();
    world_.inside.cut_all();
  }
  world_.inside.remove(door);
  relay_.reset();
  world_.journal_stopped.reset();
  disk_.crash(!power             ? spool::SimDisk::Loss::kill
              : rng_.chance(0.5) ? spool::SimDisk::Loss::all
                                 : spool::SimDisk::Loss::some);
  ledger_.crashed(loop_.now());
  ledger_.trouble_over(loop_.now());
  co_await event::sleep_for(loop_, rng_.time(1s, 5min));
  if (rng_.chance(0.3)) {  // and once more while it recovers
    disk_.stop_at(disk_.calls() + rng_.between(1, 40));
    auto half_way = SimRelay::start(world_, disk_, plant_);
    co_await event::sleep_for(loop_, rng_.time(0ms, 2s));
    world_.network.cut_all();
    half_way = Error(Errc::unavailable, "cut off");
    disk_.crash(spool::SimDisk::Loss::some);
    ledger_.crashed(loop_.now());
  }
  restarting_ = false;
  co_await start_again();
}

event::Task<void> Day::start_again() {
  for (int i = 0; i < most_starts && !relay_; ++i) {
    auto relay = SimRelay::start(world_, disk_, plant_);
    if (relay) {
      relay_ = std::move(*relay);
      open_door();
      co_return;
    }
    if (i + 1 == most_starts) ledger_.violated("the relay does not start any more: " + relay.error().detail);
    co_await event::sleep_for(loop_, 30s);
  }
}

event::Task<void> Day::restart_orderly() {
  if (restarting_ || !relay_) co_return;
  restarting_ = true;
  world_.inside.remove(door);
  co_await relay_->drain(30s);
  relay_.reset();
  world_.journal_stopped.reset();
  // What was still going on after the grace is cut off, as by a crash.
  ledger_.crashed(loop_.now());
  co_await event::sleep_for(loop_, rng_.time(1s, 1min));
  restarting_ = false;
  co_await start_again();
}

// Full, slow to fail, or failing now and then. A journal that is no longer trusted (D-07) needs a restart.
event::Task<void> Day::disk_trouble() {
  if (restarting_) co_return;
  ledger_.disk_trouble(loop_.now());
  switch (rng_.below(4)) {
    case 0:
      disk_.set_capacity(rng_.below(8U << 20));
      co_await watch_journal(rng_.time(1min, 1h));
      break;
    case 1:
      disk_.break_syncs(true);
      co_await watch_journal(rng_.time(1s, 10min));
      break;
    default: {
      const int errors[] = {EIO, ENOSPC, EDQUOT, EMFILE, EINTR, spool::SimDisk::short_write};
      for (int i = 0; i < 5; ++i)
        disk_.fail_at(disk_.calls() + rng_.between(1, 60), errors[rng_.below(std::size(errors))]);
      co_await watch_journal(rng_.time(1min, 1h));
    }
  }
  disk_.heal();
  co_await ensure_healthy();
}

// Notes from when on no outcome could be recorded: hosts must not be offered mail then (D-07).
event::Task<void> Day::watch_journal(Duration length) {
  for (const SteadyTime end = loop_.now() + length; loop_.now() < end;) {
    co_await event::sleep_for(loop_, 1s);
    if (world_.recording())
      world_.journal_stopped.reset();  // it waited for room, and goes on
    else if (relay_ && !world_.journal_stopped)
      world_.journal_stopped = loop_.now();
  }
}

event::Task<void> Day::ensure_healthy() {
  while (restarting_) co_await event::sleep_for(loop_, 1min);
  if (!relay_) {
    co_await start_again();
  } else if (!relay_->healthy()) {
    co_await crash(false);
  }
  ledger_.trouble_over(loop_.now());
}

event::Task<void> Day::host_trouble() {
  Host& host = *rng_.pick(world_.hosts);
  using State = event::SimNetwork::Host;
  switch (rng_.below(6)) {
    case 0: world_.network.set_host(host.at.address, State::refusing); break;
    case 1: world_.network.set_host(host.at.address, State::silent); break;
    case 2: host.starttls = false; break;
    case 3: host.handshakes = false; break;
    case 4: host.shown.name = "mx.elsewhere.example"; break;
    default: host.shown.expired = true; host.shown.key = std::string(64, '0');
  }
  world_.network.cut(host.at.address);
  co_await event::sleep_for(loop_, rng_.time(10min, 8h));
  world_.network.set_host(host.at.address, State::up);
  host.starttls = host.encrypts_at_all;
  host.handshakes = true;
  host.shown = host.certificate;
}

event::Task<void> Day::bad_mood() {
  Temper temper;
  temper.hang_up = rng_.chance(0.5) ? 0.05 : 0;
  temper.reset = rng_.chance(0.5) ? 0.05 : 0;
  temper.go_silent = rng_.chance(0.3) ? 0.03 : 0;
  temper.lose_reply = rng_.chance(0.5) ? 0.2 : 0;
  temper.close_at_dot = rng_.chance(0.5) ? 0.1 : 0;
  temper.defer = rng_.chance(0.5) ? 0.3 : 0;
  temper.turn_away = rng_.chance(0.5) ? 0.3 : 0;
  temper.slow = rng_.chance(0.3) ? 0.1 : 0;
  world_.temper = temper;
  co_await event::sleep_for(loop_, rng_.time(5min, 3h));
  world_.temper = Temper();
}

// T-50: the clock steps, for seconds or for hours, while mail goes in and out and the process ends and starts. Steps that
// can be real (a machine that was off for a day) are not among them: those are believed.
event::Task<void> Day::clock_trouble() {
  constexpr std::chrono::hours year = 365 * 24h;
  constexpr Duration steps[] = {10 * year, -10 * year, year, -year, 30 * 24h, -30 * 24h, 8 * 24h, 1h, -1h};
  Rng rng = rng_.fork();
  const SteadyTime end = loop_.now() + day;
  for (;;) {
    co_await event::sleep_for(loop_, rng.time(10min, 5h));
    const Duration length = rng.chance(0.5) ? rng.time(1s, 1min) : rng.time(10min, 6h);
    if (loop_.now() + length >= end) co_return;
    const Duration step = steps[rng.below(std::size(steps))];
    loop_.shift_wall(step);
    co_await event::sleep_for(loop_, length);
    loop_.shift_wall(-step);
  }
}

// T-50: nothing waits longer than the longest gap of the schedule.
event::Task<void> Day::watch_waits(Duration length) {
  for (const SteadyTime end = loop_.now() + length; loop_.now() < end;) {
    co_await event::sleep_for(loop_, 10min);
    if (!relay_) continue;
    const std::string stranded = relay_->stranded();
    if (stranded.empty()) continue;
    ledger_.violated("stranded (T-50): " + stranded);
    co_return;
  }
}

// T-15: a policy comes and goes while mail is on its way. What begins afterwards goes by the new one.
event::Task<void> Day::policy_turns(Duration length) {
  Rng rng = rng_.fork();
  const SteadyTime end = loop_.now() + length;
  for (bool enforced = true;; enforced = !enforced) {
    co_await event::sleep_for(loop_, rng.time(3min, 30min));
    if (loop_.now() >= end) co_return;
    world_.turn(enforced);
  }
}

// A host that ends its sessions after some messages is no broken host: no mail waits for it.
event::Task<void> Day::watch_blame(Duration length) {
  for (const SteadyTime end = loop_.now() + length; loop_.now() < end;) {
    co_await event::sleep_for(loop_, 1min);
    if (!relay_) continue;
    const std::string blamed = relay_->blamed();
    if (blamed.empty()) continue;
    ledger_.violated("a session limit counts as a failure: " + blamed);
    co_return;
  }
}

event::Task<void> Day::resolver_outage() {
  world_.resolver.set_down(true);
  co_await event::sleep_for(loop_, rng_.time(1min, 2h));
  world_.resolver.set_down(false);
}

// T-41: every name is denied for an hour. No mail may come back because of it.
event::Task<void> Day::resolver_lies() {
  world_.resolver.set_lying(true, plant_ == Plant::no_canary);
  co_await event::sleep_for(loop_, 1h);
  world_.resolver.set_lying(false);
}

// D-12: the process dies of a message at each attempt. It must end held, after four at most in a row; what resets the
// count is an attempt that ends before it can do harm.
event::Task<void> Day::poisoned() {
  if (restarting_) co_return;
  co_await event::sleep_for(loop_, 1ms);  // not within the session that asks for it
  if (++poisonings_ == most_poisonings)
    ledger_.violated("a message that kills the relay is tried again and again (D-12)");
  if (poisonings_ < most_poisonings) co_await crash(false);
}

}  // namespace sealpost::sim
