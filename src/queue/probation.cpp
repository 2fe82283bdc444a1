// SPDX-License-Identifier: Apache-2.0
#include "queue/probation.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "event/ask.hpp"

namespace sealpost::queue {
namespace {

using namespace std::chrono_literals;
constexpr std::uint32_t interruptions_suspect = 3;
constexpr auto look_every = 100ms;
// What the suspects get in all: with other mail beside them, and, the grave ones, while other mail waits.
constexpr Duration budget_beside = 60s;
constexpr Duration budget_alone = 30s;
constexpr Duration least_each = 2s;

Duration share_of(Duration budget, std::size_t count) {
  return std::max(budget / static_cast<std::int64_t>(std::max<std::size_t>(count, 1)), least_each);
}

}  // namespace

void Probation::begin(std::vector<spool::StoredMessagePtr> recovered) {
  if (!recovered.empty()) log::info("recovered", {{"messages", recovered.size()}});
  for (auto& message : recovered) {
    const std::uint32_t cut_off = interruptions(*message);
    if (message->held && message->hold_reason.starts_with(held_by_probation))
      log::error("message_held",
                 {{"id", message->id.to_string()},
                  {"why", message->hold_reason},
                  {"do", "look at it with 'sealpost queue show', then release or remove it"}});
    auto& into = message->held || cut_off < interruptions_suspect ? rest_
                 : cut_off == interruptions_suspect               ? suspects_
                                                                  : grave_;
    into.push_back(std::move(message));
  }
  // Those cut off most often first: what is innocent is cleared, and comes here less and less.
  std::stable_sort(grave_.begin(), grave_.end(),
                   [](const auto& a, const auto& b) { return interruptions(*a) > interruptions(*b); });
  // In the queue from the start, for whoever looks, and due by themselves if they never get their turn here.
  const SystemTime last = loop_.paced() + std::chrono::duration_cast<SystemTime::duration>(
                                              budget_beside + (grave_.empty() ? Duration(0) : budget_alone));
  for (const auto* some : {&grave_, &suspects_})
    for (const auto& message : *some) dispatcher_.later(message, last);
  if (grave_.empty())
    dispatcher_.recovered(std::exchange(rest_, {}));
  else
    dispatcher_.keep_aside();
}

event::Task<void> Probation::run() {
  const SteadyTime alone_until = loop_.now() + budget_alone;
  const Duration each_alone = share_of(budget_alone, grave_.size());
  for (auto& message : grave_) {
    if (loop_.now() >= alone_until) break;  // the others: at the next start, should it come to that
    co_await try_alone(message, each_alone);
  }
  if (!grave_.empty()) {
    dispatcher_.let_go();
    dispatcher_.recovered(std::exchange(rest_, {}));
  }
  const Duration each = share_of(budget_beside, suspects_.size());
  const SteadyTime until = loop_.now() + budget_beside;
  for (auto& message : suspects_) {
    if (loop_.now() >= until) break;  // they are due now
    log::warning("message_suspect", {{"id", message->id.to_string()},
                                     {"why", "the relay stopped during its last three attempts"},
                                     {"instead", "tried by itself, other mail goes on"}});
    const bool ended = co_await try_for(message->id, each);
    static_cast<void>(ended);  // or goes on, and the next one beside it
  }
  suspects_.clear();
  grave_.clear();
}

// Held on record before the attempt: if that is the last thing this process does, the next start finds it so.
event::Task<void> Probation::try_alone(spool::StoredMessagePtr message, Duration limit) {
  log::warning("message_tried_alone", {{"id", message->id.to_string()},
                                       {"why", "the relay stopped during its last " +
                                                   std::to_string(interruptions(*message)) + " attempts"}});
  log::flush();
  const Expected<void> held = co_await spool_.hold(loop_, message->id, true, std::string(held_by_probation));
  if (!held) co_return;  // what cannot be recorded is not tried
  const bool ended = co_await try_for(message->id, limit);
  const Expected<void> released = co_await spool_.hold(loop_, message->id, false, std::string());
  if (!released && released.error().code != Errc::not_found)
    log::error("probation_not_recorded", {{"id", message->id.to_string()}, {"why", released.error().detail}});
  if (!ended) co_await clear(message);
  co_await keep_an_operators_hold(message->id);
}

// An operator has put it on hold meanwhile, which our release has struck from the record.
event::Task<void> Probation::keep_an_operators_hold(MessageId id) {
  constexpr std::string_view said = "held: ";  // before the reason, in the queue
  for (Shard* shard : dispatcher_.shards()) {
    auto look = [shard, id] { return shard->hold_of(id); };
    std::optional<std::string> reason = co_await event::ask(loop_, shard->loop(), look);
    if (!reason) continue;
    if (reason->starts_with(said)) reason->erase(0, said.size());
    const Expected<void> held = co_await spool_.hold(loop_, id, true, std::move(*reason));
    if (!held && held.error().code != Errc::not_found)
      log::error("probation_not_recorded", {{"id", id.to_string()}, {"why", held.error().detail}});
  }
}

// It did not stop the relay: not suspect any more, although its attempt goes on.
event::Task<void> Probation::clear(spool::StoredMessagePtr message) {
  spool::Outcome outcome;
  outcome.id = message->id;
  outcome.when = loop_.date();
  outcome.next_attempt = outcome.when;  // a date, as all in the journal
  for (std::uint32_t i = 0; i < message->progress.size(); ++i)
    if (message->progress[i].state == spool::RecipientState::pending)
      outcome.recipients.emplace_back(i, spool::RecipientState::pending, message->last_reply,
                                      message->last_answer);
  std::vector<spool::NewMessage> none;
  const auto cleared = co_await spool_.finish_attempt(loop_, std::move(outcome), std::move(none));
  static_cast<void>(cleared);  // at worst it is tried alone once more
}

event::Task<bool> Probation::try_for(MessageId id, Duration limit) {
  for (Shard* shard : dispatcher_.shards()) {
    auto due = [shard, id] {
      return shard->retry([&id](const Lane&, const Job& job) { return job.message->id == id; });
    };
    const std::size_t made_due = co_await event::ask(loop_, shard->loop(), due);
    static_cast<void>(made_due);
  }
  const SteadyTime end = loop_.now() + limit;
  while (loop_.now() < end) {
    co_await event::sleep_for(loop_, look_every);
    bool busy = false;
    for (Shard* shard : dispatcher_.shards()) {
      auto look = [shard, id] { return shard->attempting(id); };
      const bool here = co_await event::ask(loop_, shard->loop(), look);
      busy = busy || here;
    }
    if (!busy) co_return true;
  }
  co_return false;
}

}  // namespace sealpost::queue
