// SPDX-License-Identifier: Apache-2.0
#include "spool/following.hpp"

#include <algorithm>
#include <utility>

#include "base/log.hpp"
#include "base/planted.hpp"

namespace sealpost::spool {
namespace {

constexpr std::size_t most_at_once = 8u << 20;  // octets of journal in one transaction of a follower
constexpr Duration ask_again = std::chrono::seconds(1);

std::string in_words(const Position& position) {
  return std::to_string(position.segment) + ":" + std::to_string(position.offset);
}

}  // namespace

Following::Following(const FollowerOnDriver& who, SegmentFiles& files, JournalProgress& progress,
                     const SpoolOptions& options, Health* health, std::function<void()> passed)
    : follower_(*who.follower),
      driver_(*who.driver),
      files_(files),
      progress_(progress),
      options_(options),
      health_(health),
      passed_(std::move(passed)),
      number_(progress.add_follower()),
      reader_(files) {}

void Following::start() {
  driver_.start([this](SteadyTime now) { return turn(now); });
}

std::optional<SteadyTime> Following::turn(SteadyTime now) {
  auto moved = step();
  if (moved && !*moved)
    if (auto rested = rest(); !rested) moved = rested.error();
  if (!moved) {
    fail(moved.error());
    return now + ask_again;
  }
  tell_lag();
  return *moved ? now : now + options_.follower_pause;
}

void Following::finish(Duration limit) {
  const SteadyTime until = driver_.now() + limit;
  for (;;) {
    auto moved = step();
    if (!moved) return fail(moved.error());
    if (!*moved)
      if (auto rested = rest(); !rested) return fail(rested.error());
    if (!*moved || driver_.now() >= until) return tell_lag();
  }
}

// True: there may be more to read.
Expected<bool> Following::step() {
  if (files_.count() == 0) return false;  // a first start that waits for room
  if (follower_.idle()) {
    pass_by();
    return false;
  }
  if (!sure_)
    if (auto found = find_cursor(); !found) return found.error();
  const Cursor durable = progress_.durable();
  auto piece = reader_.read(at_.position, durable.position, most_at_once);
  if (!piece) return piece.error();
  const Cursor next{durable.node, piece->next};
  if (next == at_) return false;
  if (!piece->missed.empty()) {
    if (auto noted = pass_over(next, piece->missed); !noted) return noted.error();
    return true;
  }
  if (auto given = give(piece->entries, next); !given) return given.error();
  return next.position < durable.position;
}

// Where it stands, if that is a place of this journal.
Expected<void> Following::find_cursor() {
  auto said = follower_.cursor();
  if (!said) return said.error();
  const Cursor durable = progress_.durable();
  const Cursor oldest{durable.node, {files_.oldest(), segment_header_size}};
  if (!*said) {
    move_to(oldest);
    return {};
  }
  const Cursor& cursor = **said;
  if (cursor.node != durable.node) {
    at_ = cursor;
    return pass_over(oldest, "it has read another journal");
  }
  // A backup was put back. What it has read of the journal since then cannot be told from what was written since.
  if (cursor.position > durable.position) {
    at_ = cursor;
    return pass_over(durable, "the journal is older than what was read of it");
  }
  if (cursor.position.segment < oldest.position.segment) {
    at_ = cursor;
    return pass_over(oldest,
                     "the journal was freed up to segment " + std::to_string(oldest.position.segment));
  }
  move_to(cursor);
  return {};
}

// Not of one that wants nothing, nor before there is a journal.
Expected<void> Following::rest() { return sure_ ? follower_.caught_up(at_) : Expected<void>(); }

// Where it stands says nothing any more of what it has read.
void Following::pass_by() {
  move_to(progress_.durable());
  sure_ = false;
}

Expected<void> Following::pass_over(const Cursor& next, std::string_view why) {
  auto noted = follower_.missed(at_, next, why);
  if (!noted) return noted;
  missed_.fetch_add(1, std::memory_order_relaxed);
  log::error("journal_not_followed", {{"follower", follower_.name()},
                                      {"from", in_words(at_.position)},
                                      {"to", in_words(next.position)},
                                      {"why", why}});
  if (health_ != nullptr)
    health_->raise(trouble("missed"),
                   "the " + std::string(follower_.name()) + " lacks what the journal held from " +
                       in_words(at_.position) + " to " + in_words(next.position) + ": " + std::string(why),
                   "nothing of mail is lost by it; a restart ends this alert, and the gap stays on record");
  move_to(next);
  return {};
}

// Between entries its store is told of each segment that is over: what has been read can be freed then.
Expected<void> Following::give(const std::vector<JournalEntry>& entries, const Cursor& next) {
  if (!entries.empty() || next.position.segment != at_.position.segment) {
    auto applied = follower_.apply(entries, next);
    if (!applied && !planted(Plant::forget_failed_apply)) return applied;
    entries_.fetch_add(entries.size(), std::memory_order_relaxed);
  }
  move_to(next);
  return {};
}

void Following::move_to(const Cursor& next) {
  const bool passed = next.position.segment != at_.position.segment;
  at_ = next;
  sure_ = true;
  progress_.read_to(number_, next.position);
  if (broken_.exchange(false, std::memory_order_relaxed)) {
    log::info("follower_goes_on", {{"follower", follower_.name()}});
    if (health_ != nullptr) health_->clear(trouble("broken"));
  }
  if (passed) passed_();
}

void Following::tell_lag() {
  const auto octets_to = [&](const Position& position) {
    return position.segment * options_.segment_size + position.offset;
  };
  const std::uint64_t end = octets_to(progress_.durable().position);
  const std::uint64_t behind = end - std::min(end, octets_to(at_.position));
  octets_behind_.store(behind, std::memory_order_relaxed);
  const bool lagging = behind > options_.follower_bound / 4;
  if (lagging == std::exchange(lagging_, lagging) || health_ == nullptr) return;
  if (lagging)
    health_->raise(trouble("behind"),
                   "the " + std::string(follower_.name()) + " is " + std::to_string(behind >> 20) +
                       " MiB of journal behind; beyond " + std::to_string(options_.follower_bound >> 20) +
                       " MiB the journal is freed unread",
                   "see whether the disk of data_dir is slow or full");
  else
    health_->clear(trouble("behind"));
}

// Its store may have taken what it did not confirm: it is asked where it stands.
void Following::fail(const Error& error) {
  sure_ = false;
  tell_lag();
  if (broken_.exchange(true, std::memory_order_relaxed)) return;
  log::error("follower_broken", {{"follower", follower_.name()}, {"why", error.detail}});
  if (health_ != nullptr)
    health_->raise(trouble("broken"),
                   "the " + std::string(follower_.name()) + " cannot read the journal on: " + error.detail,
                   "mail goes on; the journal keeps what was not read, up to " +
                       std::to_string(options_.follower_bound >> 20) + " MiB");
}

std::string Following::trouble(std::string_view what) const {
  return std::string(follower_.name()) + " " + std::string(what);
}

FollowerStatus Following::status() const {
  FollowerStatus status;
  status.name = follower_.name();
  status.entries = entries_.load(std::memory_order_relaxed);
  status.octets_behind = octets_behind_.load(std::memory_order_relaxed);
  status.missed = missed_.load(std::memory_order_relaxed);
  status.broken = broken_.load(std::memory_order_relaxed);
  return status;
}

}  // namespace sealpost::spool
