// SPDX-License-Identifier: Apache-2.0
//
// Who is told when (T-37). A message that fails as a whole is returned at once, while its sender's budget lasts. What
// fails of a message with several recipients, in many lanes and on all workers, is gathered: the journal keeps those
// recipients as waiting, and a lane that belongs to their sender holds them until one notification names them all. That
// notification and the outcome of everyone it names are one group (D-17). A crash before it costs one more attempt for
// each of them, and loses nobody. A delivery is final at once (D-13), so what tells of a success is written with it and
// only sent later: it waits in a lane of its sender's, too.
#include <algorithm>

#include "base/log.hpp"
#include "base/planted.hpp"
#include "delivery/settlement.hpp"

namespace sealpost::delivery {
namespace {

using namespace std::chrono_literals;

bool wants_failure(const Recipient& recipient) noexcept {
  return recipient.notify == 0 || (recipient.notify & notify_failure) != 0;
}

SystemTime after(SystemTime from, Duration wait) {
  return from + std::chrono::ceil<std::chrono::microseconds>(wait);
}

using Tells = NoticeBudget::Tells;

queue::LaneKey lane_of(const std::string& sender, Tells tells) {
  queue::LaneKey key;
  key.next_hop = (tells == Tells::success ? "notification of success to " : "notification to ") + sender;
  key.returns_to = sender;
  return key;
}

// Of those recipients that are the job's still: an operator may have taken others out of it.
void add_endings(const queue::Job& job, spool::Outcome& outcome) {
  if (!job.endings) return;
  auto next = job.endings->begin();
  for (const std::uint32_t recipient : job.recipients) {
    if (next == job.endings->end() || next->recipient != recipient)
      next = std::find_if(job.endings->begin(), job.endings->end(),
                          [recipient](const auto& ending) { return ending.recipient == recipient; });
    if (next == job.endings->end())
      outcome.recipients.emplace_back(recipient, spool::RecipientState::failed, std::string());
    else
      outcome.recipients.push_back(*next++);
  }
}

constexpr std::string_view waits_for_turn =
    "this notification of a success waits: its reader has had as many as [notifications] allows in an hour";

}  // namespace

// What becomes of the one lane's settlement when others may follow; the jobs are for the sender's lane.
std::vector<queue::JobPtr> Settler::postpone(Settlement& settlement) {
  std::vector<queue::JobPtr> later;
  NoticeBudget* budget = context_.notices;
  if (budget == nullptr || planted(Plant::notify_per_lane)) return later;
  // An operator's word is on record as final, with its notice, when the command returns: it waits for no turn.
  if (settlement.recorded) return later;
  const Envelope& envelope = settlement.message->envelope;
  if (envelope.reverse_path.empty() || envelope.message_class != MessageClass::normal) return later;
  if (settlement.job) {
    postpone_failures(settlement, *budget, later);
    postpone_delay(settlement, *budget, later);
  }
  if (!settlement.relayed.empty()) postpone_success(settlement, *budget);
  return later;
}

void Settler::postpone_success(Settlement& settlement, NoticeBudget& budget) {
  const std::string& sender = settlement.message->envelope.reverse_path;
  settlement.success_later = budget.take(sender, context_.loop.now(), Tells::success);
  if (!settlement.success_later) return;
  settlement.success_place = budget.place_for_success();
  if (settlement.success_place) return;
  settlement.success_later.reset();
  settlement.relayed.clear();
  budget.counters().dropped.fetch_add(1, std::memory_order_relaxed);
  log::warning("dsn_dropped", {{"for", settlement.message->id.to_string()},
                               {"to", sender},
                               {"why", "it tells of a success, and as many as may wait for their turn do"}});
}

// The notice is in the journal; a deferral says when its turn is, so that a start sends no heap of them.
event::Task<void> Settler::success_waits(spool::StoredMessagePtr notice, std::string sender, Duration wait,
                                         NoticeBudget::SuccessPlace place) {
  context_.notices->counters().successes_postponed.fetch_add(1, std::memory_order_relaxed);
  auto job = std::make_unique<queue::Job>();
  struct Waiting {
    NoticeBudget::SuccessPlace place;
    std::vector<DsnRecipient> told;
  };
  const auto waiting = std::make_shared<Waiting>();
  waiting->place = std::move(place);
  job->told = std::shared_ptr<const std::vector<DsnRecipient>>(waiting, &waiting->told);
  job->message = notice;
  job->recipients.push_back(0);
  job->attempts = 1;
  job->since = context_.loop.steady();
  job->next_attempt = after(context_.loop.paced(), wait);
  job->reason = waits_for_turn;
  spool::Outcome turn;
  turn.id = notice->id;
  turn.when = context_.loop.date();
  turn.next_attempt = after(turn.when, wait);
  turn.recipients.emplace_back(0, spool::RecipientState::pending, std::string(waits_for_turn));
  std::vector<spool::NewMessage> none;
  // When it cannot be recorded a start sends the notice sooner; it is not lost.
  const auto recorded =
      co_await context_.spool.finish_attempt(context_.loop, std::move(turn), std::move(none));
  if (!recorded && recorded.error().code == Errc::not_found) co_return;  // an operator took it out
  notice->body->drop_fresh();
  context_.dispatcher.move(lane_of(sender, Tells::success), std::move(job));
}

// Its turn: from here on it is mail like any other.
void Settler::let_success_go(queue::Lane& lane, queue::JobPtr job) {
  auto mail = std::make_unique<queue::Job>(*job);
  mail->told.reset();
  mail->attempts = 1;
  mail->next_attempt = SystemTime{};
  mail->attempted_since_start = false;
  const Envelope& envelope = mail->message->envelope;
  const queue::LaneKey to = context_.dispatcher.key_for(envelope, envelope.recipients.front());
  lane.move(std::move(job), std::move(mail), context_.dispatcher.into(to));
}

void Settler::postpone_failures(Settlement& settlement, NoticeBudget& budget,
                                std::vector<queue::JobPtr>& later) {
  queue::Job& job = *settlement.job;
  const Envelope& envelope = job.message->envelope;
  const auto to_tell = static_cast<std::size_t>(
      std::count_if(settlement.failed.begin(), settlement.failed.end(),
                    [](const DsnRecipient& told) { return wants_failure(told.recipient); }));
  if (to_tell == 0) return;
  const bool whole = to_tell == envelope.recipients.size();
  if (whole && !budget.take(envelope.reverse_path, context_.loop.now())) return;  // now, and the only one

  const Duration wait = whole ? Duration(1s) : budget.wait_for(job.message->id, context_.loop.now());
  std::vector<std::uint32_t> recipients;
  std::vector<DsnRecipient> told, silent;
  std::vector<spool::RecipientOutcome> endings;
  auto next = settlement.failed.begin();  // in the order of the outcome's
  for (spool::RecipientOutcome& entry : settlement.outcome.recipients) {
    if (entry.state != spool::RecipientState::failed) continue;
    DsnRecipient& one = *next++;
    if (!wants_failure(one.recipient)) {
      silent.push_back(std::move(one));
      continue;
    }
    endings.push_back(entry);
    entry.state = spool::RecipientState::pending;
    recipients.push_back(entry.recipient);
    told.push_back(std::move(one));
  }
  settlement.failed = std::move(silent);
  SystemTime& next_attempt = settlement.outcome.next_attempt;
  const SystemTime due = after(settlement.outcome.when, wait);
  next_attempt = next_attempt == SystemTime{} ? due : std::min(next_attempt, due);
  if (!budget.room_to_wait()) {  // what nobody has room to remember is found out once more
    job.reason = "failed, and its sender is told later: " + told.front().diagnostic;
    job.next_attempt = after(context_.loop.paced(), wait);
    job.recipients.insert(job.recipients.end(), recipients.begin(), recipients.end());
    return;
  }
  later.push_back(notice_job(job, std::move(recipients), std::move(told), wait));
  later.back()->endings = std::make_shared<const std::vector<spool::RecipientOutcome>>(std::move(endings));
}

void Settler::postpone_delay(Settlement& settlement, NoticeBudget& budget,
                             std::vector<queue::JobPtr>& later) {
  if (settlement.delayed.empty()) return;
  queue::Job& job = *settlement.job;
  const Envelope& envelope = job.message->envelope;
  if (envelope.recipients.size() == 1) {
    if (!budget.take(envelope.reverse_path, context_.loop.now())) return;
  } else if (budget.room_to_wait()) {
    const Duration wait = budget.wait_for(job.message->id, context_.loop.now());
    later.push_back(notice_job(job, {}, std::exchange(settlement.delayed, {}), wait));
    return;
  }
  settlement.delayed.clear();  // after the next attempt, then
  settlement.outcome.delay_notice_sent = job.delay_notice_sent = false;
}

queue::JobPtr Settler::notice_job(const queue::Job& from, std::vector<std::uint32_t> recipients,
                                  std::vector<DsnRecipient> told, Duration wait) {
  NoticeBudget& budget = *context_.notices;
  auto job = std::make_unique<queue::Job>();
  job->message = from.message;
  job->attempts = from.attempts;
  job->attempted_since_start = true;
  job->recipients = std::move(recipients);
  job->since = from.since;
  job->age_then = from.age_then;
  job->next_attempt = after(context_.loop.paced(), wait);
  job->reason = "failed; its sender is told of it together with others: " + told.front().diagnostic;
  budget.waits(told.size());
  budget.counters().postponed.fetch_add(1, std::memory_order_relaxed);
  job->told = std::shared_ptr<const std::vector<DsnRecipient>>(
      new std::vector<DsnRecipient>(std::move(told)), [&budget](const std::vector<DsnRecipient>* list) {
        budget.waits_no_more(list->size());
        delete list;
      });
  return job;
}

void Settler::hand_over(const Envelope& envelope, std::vector<queue::JobPtr> later) {
  for (queue::JobPtr& job : later) {
    job->message->body->drop_fresh();
    context_.dispatcher.move(lane_of(envelope.reverse_path, Tells::trouble), std::move(job));
  }
}

event::Task<void> Settler::serve_notices(queue::Lane& lane, std::string hostname, std::string postmaster) {
  NoticeBudget& budget = *context_.notices;
  for (;;) {
    queue::JobPtr first = lane.take();
    if (!first) co_return;
    if (!context_.spool.healthy()) {
      lane.put_back(std::move(first), context_.loop.paced() + journal_pause,
                    "the journal cannot record outcomes");
      co_return;
    }
    const Tells tells = first->told->empty() ? Tells::success : Tells::trouble;
    const auto wait = budget.take(lane.key().returns_to, context_.loop.now(), tells);
    if (wait) {
      lane.put_back(std::move(first), after(context_.loop.paced(), *wait),
                    "as many notifications as [notifications] allows in an hour have been sent");
      co_return;
    }
    if (tells == Tells::success) {
      let_success_go(lane, std::move(first));
      continue;
    }
    const MessageId id = first->message->id;
    budget.told(id, context_.loop.now());
    std::vector<queue::JobPtr> jobs = lane.take_of(id);
    jobs.insert(jobs.begin(), std::move(first));
    co_await tell(lane, std::move(jobs), hostname, postmaster);
  }
}

event::Task<void> Settler::tell(queue::Lane& lane, std::vector<queue::JobPtr> jobs, std::string hostname,
                                std::string postmaster) {
  Settlement all(lane, std::make_unique<queue::Job>(*jobs.front()));
  all.hostname = std::move(hostname);
  all.postmaster = std::move(postmaster);
  all.outcome.id = all.job->message->id;
  all.outcome.when = context_.loop.date();
  for (const queue::JobPtr& job : jobs) {
    auto& list = job->recipients.empty() ? all.delayed : all.failed;
    list.insert(list.end(), job->told->begin(), job->told->end());
    add_endings(*job, all.outcome);
  }
  context_.notices->counters().gathered.fetch_add(all.failed.size() + all.delayed.size(),
                                                  std::memory_order_relaxed);
  co_await write_down(all);
  for (queue::JobPtr& job : jobs) lane.finish(std::move(job));
}

}  // namespace sealpost::delivery
