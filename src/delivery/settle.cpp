// SPDX-License-Identifier: Apache-2.0
#include "delivery/settle.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "base/text.hpp"
#include "delivery/gateway.hpp"
#include "delivery/proof.hpp"
#include "delivery/settlement.hpp"

namespace sealpost::delivery {
namespace {

using namespace std::chrono_literals;
constexpr std::size_t most_pending = 2000;
constexpr std::size_t most_of_many = 200;   // less than the journal takes at once
constexpr auto ambiguous_back_off = 15min;  // D-15
constexpr auto record_again = 1s;

std::string_view name_of(Fate fate) noexcept {
  switch (fate) {
    case Fate::delivered: return "delivered";
    case Fate::deferred: return "deferred";
    case Fate::failed: return "bounced";
    case Fate::again: return "again";
  }
  return "";
}

DsnRecipient told_of(const Envelope& envelope, const RecipientFate& fate, const AttemptEnd& end,
                     SystemTime now) {
  DsnRecipient told;
  told.recipient = envelope.recipients[fate.recipient];
  told.status = fate.status;
  told.diagnostic = fate.diagnostic;
  told.remote = fate.remote;
  if (fate.remote) told.remote_mta = fate.met ? fate.met->mx_host : end.remote_mta;
  told.last_attempt = now;
  return told;
}

// Recipients that were answered alike share it: in the journal and in memory.
class Answers {
 public:
  const spool::AnswerPtr& of(const RecipientFate& fate) {
    spool::Answer answer;
    answer.status = fate.status;
    if (fate.met) {
      answer.host = fate.met->mx_host;
      answer.address = fate.met->ip;
    }
    if (!last_ || *last_ != answer) last_ = std::make_shared<const spool::Answer>(std::move(answer));
    return last_;
  }

 private:
  spool::AnswerPtr last_;
};

}  // namespace

Meeting meeting_of(const Connection& connection) {
  Meeting meeting;
  meeting.mx_host = connection.mx_host;
  meeting.ip = connection.endpoint.address.to_string();
  meeting.proof = connection.proof;
  const SessionFacts& facts = *connection.proof->facts;
  meeting.encrypted = facts.starttls == StartTls::established;
  meeting.tls = meeting.encrypted ? sealpost::name_of(facts.tls.version) : "none";
  meeting.cipher = facts.tls.cipher;
  meeting.verified = verification_words(*connection.proof);
  meeting.policy = policy_words(*connection.proof);
  meeting.takes_dsn = connection.session->extensions().dsn;
  return meeting;
}

void Settler::Settlement::say(const RecipientFate& fate, spool::RecipientState state, spool::AnswerPtr answer,
                              const ProofPtr& unmet) {
  const ProofPtr& proof = fate.met ? fate.met->proof : unmet;
  outcome.recipients.emplace_back(fate.recipient, state, text::printable(fate.diagnostic), std::move(answer),
                                  proof ? proof->record.of(*proof) : nullptr);
  if (proof && (proofs.empty() || proofs.back() != proof)) proofs.push_back(proof);
}

Settler::Settler(Context& context) : context_(context), recorded_(context.loop), scope_(context.loop) {}

event::Task<void> Settler::room() {
  while (scope_.size() >= most_pending) co_await recorded_.wait();
}

event::Task<std::shared_ptr<void>> Settler::place_of_many() {
  co_await event::yield(context_.loop);
  while (of_many_ >= most_of_many || scope_.size() >= most_pending) co_await recorded_.wait();
  ++of_many_;
  co_return std::shared_ptr<void>(this, [this](void*) noexcept {
    --of_many_;
    recorded_.notify();
  });
}

void Settler::log_fates(const queue::Job& job, const AttemptEnd& end) const {
  const std::string id = job.message->id.to_string();
  const auto delay = std::chrono::duration_cast<std::chrono::milliseconds>(job.age(context_.loop.steady()));
  for (const RecipientFate& fate : end.fates) {
    const std::string& recipient = job.message->envelope.recipients[fate.recipient].address;
    if (fate.met) {
      log::info(name_of(fate.fate), {{"id", id},
                                     {"rcpt", recipient},
                                     {"mx", fate.met->mx_host},
                                     {"ip", fate.met->ip},
                                     {"status", fate.status},
                                     {"reply", fate.diagnostic},
                                     {"besides", fate.besides},
                                     {"tls", fate.met->tls},
                                     {"cipher", fate.met->cipher},
                                     {"verified", fate.met->verified},
                                     {"policy", fate.met->policy},
                                     {"attempt", job.attempts},
                                     {"delay_ms", delay.count()}});
    } else if (end.refused) {
      log::info(name_of(fate.fate), {{"id", id},
                                     {"rcpt", recipient},
                                     {"mx", end.mx},
                                     {"status", fate.status},
                                     {"reply", fate.diagnostic},
                                     {"policy", end.refused->by},
                                     {"attempt", job.attempts},
                                     {"delay_ms", delay.count()}});
    } else {
      log::info(name_of(fate.fate), {{"id", id},
                                     {"rcpt", recipient},
                                     {"status", fate.status},
                                     {"reply", fate.diagnostic},
                                     {"attempt", job.attempts},
                                     {"delay_ms", delay.count()}});
    }
  }
}

void Settler::settle(queue::JobOwner& lane, queue::JobPtr job, AttemptEnd end, const Settings& settings) {
  // Waits and ages go by steady time; what is written down is dated (T-50).
  const SystemTime now = context_.loop.paced();
  const Believed date = context_.loop.believed();
  const auto age = job->age(context_.loop.steady());
  const Envelope& envelope = job->message->envelope;
  const bool report = envelope.message_class == MessageClass::report;
  job->begun = false;

  const bool at_gateway = !lane.key().gateway_rule.empty();
  if (at_gateway) {
    // What the partner refused stays on record: after a restart one more refusal leads back here.
  } else if (end.policy_refused) {
    if (job->policy_failing_since == SystemTime{}) job->policy_failing_since = now;
  } else {
    job->policy_failing_since = SystemTime{};
  }
  job->refused = end.refused;
  // A partner rule that says bounce is the operator's word: final after its grace (T-16 allows only that). With reroute
  // the gateway gets its turn then.
  const bool has_grace =
      end.partner_refused && end.partner && end.partner->on_failure != PartnerRule::OnFailure::defer;
  // While the clock is in doubt nothing comes back for lack of time: not for the grace of a rule that may not even be
  // in force, nor for a certificate that may not have expired.
  const bool grace_over =
      has_grace && !date.in_doubt && now >= job->policy_failing_since + end.partner->grace;
  const bool reroute = grace_over && end.partner->on_failure == PartnerRule::OnFailure::reroute;
  const bool over = !end.expiry_blocked && !date.in_doubt &&
                    settings.schedule.expired(age, job->attempts, job->attempted_since_start, report);

  for (RecipientFate& fate : end.fates) {
    if (fate.fate != Fate::deferred) continue;
    if (grace_over && !reroute) {
      fate.fate = Fate::failed;
      fate.status.front() = '5';
      fate.diagnostic = "delivery refused: TLS required by partner rule '" + end.partner->name +
                        "' was not met for " + to_duration_text(end.partner->grace) + ": " + fate.diagnostic;
    } else if (over) {
      fate.fate = Fate::failed;  // status stays 4.x: a transient cause ran out of time (RFC 3464 §2.3.3)
      fate.diagnostic = "delivery time expired; last: " + fate.diagnostic;
      fate.remote = false;
    } else if (reroute) {
      fate.diagnostic = "handed to the gateway " + end.partner->reroute + ": partner rule '" +
                        end.partner->name + "' was not met for " + to_duration_text(end.partner->grace) +
                        ": " + fate.diagnostic;
    }
  }

  SystemTime next = now + settings.schedule.gap(job->attempts, context_.random());
  if (end.ambiguous) next = std::max(next, now + ambiguous_back_off);
  next = std::max(next, end.not_before);
  if (has_grace && !date.in_doubt)
    next = std::min(next, std::max(job->policy_failing_since + end.partner->grace, now + 1s));
  if (end.soon && !end.ambiguous) next = std::min(next, now + 1s);
  if (reroute || end.leave_gateway) next = now;

  log_fates(*job, end);

  Settlement settlement(lane, std::move(job));
  if (reroute) settlement.other_lane = gateway_lane(lane.key(), *end.partner);
  if (end.leave_gateway)
    settlement.other_lane =
        context_.dispatcher.key_for(envelope, envelope.recipients[end.fates.front().recipient]);
  settlement.hostname = settings.hostname;
  settlement.postmaster = settings.postmaster;
  settlement.recorded = std::move(end.recorded);
  settlement.place = std::move(end.place);
  spool::Outcome& outcome = settlement.outcome;
  queue::Job& kept = *settlement.job;
  outcome.id = kept.message->id;
  outcome.when = date.now;
  kept.ambiguous = kept.ambiguous || end.ambiguous;
  std::vector<std::uint32_t> pending = kept.recipients;  // whoever has no final fate stays
  Answers answers;
  for (const RecipientFate& fate : end.fates) {
    auto state = spool::RecipientState::pending;
    DsnRecipient told = told_of(envelope, fate, end, date.now);
    switch (fate.fate) {
      case Fate::delivered:
        add_delivered(settlement, fate, std::move(told), answers.of(fate));
        std::erase(pending, fate.recipient);
        continue;
      case Fate::failed:
        // What cannot even be returned to its sender is kept for the operator (T-36), while there are not too many.
        if (envelope.message_class == MessageClass::dsn && drops_notice(kept, fate)) {
          state = spool::RecipientState::failed;
          break;
        }
        state = envelope.message_class == MessageClass::dsn ? spool::RecipientState::held
                                                            : spool::RecipientState::failed;
        if (state == spool::RecipientState::held)
          log::warning("dsn_undeliverable", {{"id", kept.message->id.to_string()},
                                             {"rcpt", told.recipient.address},
                                             {"why", fate.diagnostic}});
        context_.totals.bounced.fetch_add(1, std::memory_order_relaxed);
        settlement.failed.push_back(std::move(told));
        break;
      case Fate::deferred:
      case Fate::again:
        context_.totals.deferred.fetch_add(1, std::memory_order_relaxed);
        told.will_retry_until = date.now - age + settings.schedule.lifetime(report);
        kept.last_answer = answers.of(fate);
        kept.reason = fate.besides.empty() ? fate.diagnostic : fate.diagnostic + " (" + fate.besides + ")";
        settlement.delayed.push_back(std::move(told));
        break;
    }
    if (state != spool::RecipientState::pending) std::erase(pending, fate.recipient);
    settlement.say(fate, state, answers.of(fate), end.proof);
  }
  const bool notice =
      !pending.empty() && !kept.delay_notice_sent && !report && settings.schedule.delay_notice_due(age);
  if (!notice) settlement.delayed.clear();
  kept.delay_notice_sent = kept.delay_notice_sent || notice;
  outcome.delay_notice_sent = notice;
  if (!pending.empty()) {
    outcome.next_attempt = date.now + (next - now);
    if (kept.policy_failing_since != SystemTime{})
      outcome.refused_since = date.now - (now - kept.policy_failing_since);
  }
  kept.next_attempt = next;
  kept.recipients = std::move(pending);
  scope_.spawn(record(std::move(settlement)));
}

void Settler::settle_by_operator(queue::JobOwner& lane, queue::JobPtr job, const queue::LastWord& word,
                                 std::shared_ptr<void> recorded, const Settings& settings) {
  using Kind = queue::LastWord::Kind;
  const std::string note = word.note.empty() ? "" : ": " + word.note;
  if (word.kind == Kind::remove) {
    Settlement settlement(lane, std::move(job));
    settlement.recorded = std::move(recorded);
    settlement.outcome.id = settlement.message->id;
    settlement.outcome.when = context_.loop.date();
    for (const std::uint32_t index : settlement.job->recipients)
      settlement.outcome.recipients.emplace_back(index, spool::RecipientState::removed,
                                                 "removed by the operator" + note);
    log::info("message_removed", {{"id", settlement.message->id.to_string()},
                                  {"recipients", settlement.job->recipients.size()},
                                  {"why", word.note}});
    settlement.job->recipients.clear();
    scope_.spawn(record(std::move(settlement)));
    return;
  }
  AttemptEnd end;
  end.recorded = std::move(recorded);
  for (const std::uint32_t index : job->recipients) {
    RecipientFate fate;
    fate.recipient = index;
    fate.fate = Fate::failed;
    fate.status = word.kind == Kind::expire ? "4.4.7" : "5.0.0";  // RFC 3463 §3.5: delivery time expired
    fate.diagnostic =
        (word.kind == Kind::expire ? "delivery time ended by the operator" : "returned by the operator") +
        note + (job->reason.empty() ? "" : "; last: " + job->reason);
    end.fates.push_back(std::move(fate));
  }
  settle(lane, std::move(job), std::move(end), settings);
}

bool Settler::drops_notice(const queue::Job& job, const RecipientFate& fate) {
  if (context_.notices == nullptr || context_.notices->may_hold()) return false;
  context_.notices->counters().dropped.fetch_add(1, std::memory_order_relaxed);
  log::warning("dsn_dropped",
               {{"id", job.message->id.to_string()},
                {"rcpt", job.message->envelope.recipients[fate.recipient].address},
                {"why", "undeliverable, and as many as [notifications] most_held allows are held"}});
  return true;
}

// A host with DSN tells of the success itself; to another one we are the last who can (RFC 3461 §5.2.2).
void Settler::add_delivered(Settlement& settlement, const RecipientFate& fate, DsnRecipient told,
                            const spool::AnswerPtr& answer) {
  const bool host_tells = fate.met && fate.met->takes_dsn;
  if ((told.recipient.notify & notify_success) != 0 && !host_tells)
    settlement.relayed.push_back(std::move(told));
  context_.totals.delivered.fetch_add(1, std::memory_order_relaxed);
  const SystemTime began = begins(settlement.message->envelope);
  if (began != SystemTime{}) context_.totals.age.observe(context_.loop.date() - began);
  settlement.say(fate, spool::RecipientState::delivered, answer, nullptr);
}

void Settler::settle_delivered(queue::Job& job, AttemptEnd end, const Settings& settings) {
  log_fates(job, end);
  Settlement settlement(job.message);
  settlement.hostname = settings.hostname;
  settlement.postmaster = settings.postmaster;
  settlement.outcome.id = job.message->id;
  settlement.outcome.when = context_.loop.date();
  Answers answers;
  for (const RecipientFate& fate : end.fates) {
    add_delivered(settlement, fate, told_of(job.message->envelope, fate, end, settlement.outcome.when),
                  answers.of(fate));
    std::erase(job.recipients, fate.recipient);
  }
  scope_.spawn(record(std::move(settlement)));
}

// A crash between the lanes costs nothing: the journal knows the recipients as waiting, and no lanes.
void Settler::give_back(queue::JobOwner& lane, queue::JobPtr job,
                        const std::optional<queue::LaneKey>& other_lane) {
  if (!other_lane) return lane.defer(std::move(job));
  auto moved = std::make_unique<queue::Job>(*job);
  if (!other_lane->gateway_rule.empty()) {
    context_.totals.rerouted.fetch_add(1, std::memory_order_relaxed);
    log::warning("rerouted", {{"id", moved->message->id.to_string()},
                              {"domain", other_lane->recipient_domain},
                              {"gateway", other_lane->next_hop},
                              {"rule", other_lane->gateway_rule},
                              {"why", moved->reason}});
  }
  lane.move(std::move(job), std::move(moved), context_.dispatcher.into(*other_lane));
}

event::Task<void> Settler::write_down(Settlement& settlement) {
  auto dsns = co_await notifications(settlement);
  bool told = false;
  for (;;) {
    // Kept until the journal takes it: what was delivered must never go out again from here (D-16), and what
    // failed must not be forgotten without its notification.
    std::vector<spool::NewMessage> copy = dsns;
    spool::Outcome outcome = settlement.outcome;
    auto stored = co_await context_.spool.finish_attempt(context_.loop, std::move(outcome), std::move(copy));
    if (stored) {
      for (const ProofPtr& proof : settlement.proofs) proof->record.carried();
      for (const auto& message : *stored) {
        if (settlement.success_later && message->id == settlement.success_id)
          co_await success_waits(message, settlement.message->envelope.reverse_path,
                                 *settlement.success_later, settlement.success_place);
        else
          context_.dispatcher.accepted(message);
      }
      break;
    }
    if (stored.error().code == Errc::not_found) break;  // finished already: nothing is left to record
    if (!told)
      log::error("outcome_not_recorded",
                 {{"id", settlement.outcome.id.to_string()}, {"why", stored.error().detail}});
    told = true;
    co_await event::sleep_for(context_.loop, record_again);
  }
}

event::Task<void> Settler::record(Settlement settlement) {
  auto later = postpone(settlement);
  co_await write_down(settlement);
  hand_over(settlement.message->envelope, std::move(later));
  if (!settlement.job) {
    recorded_.notify();
    co_return;
  }
  queue::JobOwner& lane = *settlement.lane;
  const bool undeliverable_dsn =
      settlement.job->message->envelope.message_class == MessageClass::dsn && !settlement.failed.empty();
  if (settlement.job->recipients.empty() && !undeliverable_dsn) {
    lane.finish(std::move(settlement.job));
  } else {
    if (undeliverable_dsn && settlement.job->recipients.empty()) {
      settlement.job->held = true;
      for (const auto& entry : settlement.outcome.recipients)
        settlement.job->recipients.push_back(entry.recipient);
      settlement.job->reason =
          "held: this notification cannot be delivered: " + settlement.failed.front().diagnostic;
    }
    give_back(lane, std::move(settlement.job), settlement.other_lane);
  }
  recorded_.notify();
}

}  // namespace sealpost::delivery
