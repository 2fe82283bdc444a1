// SPDX-License-Identifier: Apache-2.0
#include "delivery/attempt.hpp"

#include <algorithm>

#include "base/health.hpp"
#include "base/log.hpp"
#include "base/planted.hpp"
#include "delivery/seven_bit_body.hpp"
#include "smtp/client_command.hpp"

namespace sealpost::delivery {
namespace {

using namespace std::chrono_literals;
constexpr auto place_pause = 200ms;  // until a connection is free again for the same host
constexpr int place_looks = 50;
constexpr auto avoid_failed = 1min;
constexpr std::size_t longest_besides = 400;
constexpr std::uint64_t small_message = 64u << 10;  // its time is that of the way and of answers

RecipientFate our_word(std::uint32_t recipient, std::string status, std::string words) {
  RecipientFate fate;
  fate.recipient = recipient;
  fate.status = std::move(status);
  fate.diagnostic = std::move(words);
  return fate;
}

// What earlier hosts said, for whoever asks why the mail waits.
std::string in_short(const RecipientFate& fate) {
  std::string words = fate.met ? fate.met->mx_host + ": " + fate.diagnostic : fate.diagnostic;
  if (!fate.besides.empty()) words = fate.besides + "; " + words;
  if (words.size() > longest_besides) words.resize(longest_besides);
  return words;
}

}  // namespace

Attempt::Attempt(Context& context, Dialer& dialer, ConnectionPool& pool, Settler& settler,
                 const RulesPtr& in_force)
    : context_(context), dialer_(dialer), pool_(pool), settler_(settler), in_force_(in_force) {}

// T-15, T-52: looked at right before MAIL, in every session and for every message.
event::Task<bool> Attempt::holds(Plan& plan) {
  if (planted(Plant::stale_policy)) co_return true;
  if (plan.rules != in_force_) co_return false;
  const bool same = co_await still_current(context_, plan);
  co_return same&& plan.rules == in_force_;
}

event::Task<queue::JobPtr> Attempt::run(queue::JobOwner& lane, queue::JobPtr job, Plan& plan, Tour tour,
                                        std::unique_ptr<Connection>& connection) {
  AttemptEnd end;
  std::vector<std::uint32_t> open = job->recipients;
  std::vector<RecipientFate> before;   // the words of earlier hosts about those that are open
  std::vector<std::string> visited;    // hosts that there was a session with
  std::unique_ptr<Connection> better;  // a host that works and did not want some of them: others may
  bool failed = false, worked = false, unreadable = false, passed = false, begun = false;
  Duration took{0};
  for (;;) {
    Visit seen = co_await visit(*connection, *job, open, plan);
    if (seen.stale && !begun && seen.transactions == 0) co_return job;
    begun = true;
    end.remote_mta = connection->mx_host;
    end.soon = end.soon || seen.stale || seen.soon;
    end.ambiguous = end.ambiguous || seen.ambiguous;
    unreadable = unreadable || seen.unreadable;
    failed = failed || seen.failed;
    worked = worked || (!seen.failed && !seen.unreadable);
    passed = passed || seen.accepted > 0;
    took = seen.took;
    visited.push_back(connection->mx_host);

    open.clear();
    std::vector<RecipientFate> delivered, onward;
    for (RecipientFate& fate : seen.fates) {
      const auto earlier = std::find_if(before.begin(), before.end(), [&](const RecipientFate& other) {
        return other.recipient == fate.recipient;
      });
      if (earlier != before.end() && !seen.spent) fate.besides = in_short(*earlier);
      if (earlier != before.end() && !earlier->unfit) fate.unfit = false;  // that host may still take it
      if (fate.fate == Fate::deferred && fate.elsewhere) {
        open.push_back(fate.recipient);
        onward.push_back(std::move(fate));
      } else if (fate.fate == Fate::delivered) {
        delivered.push_back(std::move(fate));
      } else {
        end.fates.push_back(std::move(fate));
      }
    }
    before = std::move(onward);
    const auto give_up = [&] {
      for (auto* some : {&delivered, &before})
        for (RecipientFate& fate : *some) end.fates.push_back(std::move(fate));
    };
    leave(tour, seen, *connection);
    if (open.empty() || !tour.goes_on(context_.loop.now()) || !context_.spool.healthy()) {
      give_up();
      break;
    }
    // D-13: what this host took is on record before another one is looked for.
    if (!delivered.empty()) {
      AttemptEnd part;
      part.remote_mta = connection->mx_host;
      part.fates = std::move(delivered);
      delivered.clear();
      settler_.settle_delivered(*job, std::move(part), plan.rules->settings);
    }
    if (seen.spent) {
      // In order, so that its place is free again: the host may have no more of them.
      if (!connection->session->broken()) co_await connection->session->quit();
      connection.reset();
    } else if (seen.orderly && !better && !connection->session->broken()) {
      better = std::move(connection);
    } else {
      pool_.close(std::move(connection));
    }
    auto dialled = co_await dial_on(plan, job->message->size, tour);
    if (auto* refusal = std::get_if<Refusal>(&dialled)) {
      // One that was not reached, or not used, may offer more another time.
      const bool all_seen = std::all_of(plan.mx.hosts.begin(), plan.mx.hosts.end(), [&](const MxHost& host) {
        return std::find(visited.begin(), visited.end(), host.name) != visited.end();
      });
      if (refusal->none_left && all_seen) end_unfit(before);
      if (!refusal->none_left)
        for (RecipientFate& fate : before)
          fate.besides += (fate.besides.empty() ? "then: " : "; then: ") + refusal->text;
      give_up();
      break;
    }
    if (!seen.spent) context_.totals.next_hosts.fetch_add(1, std::memory_order_relaxed);
    connection = std::get<std::unique_ptr<Connection>>(std::move(dialled));
  }
  if (better) {
    if (connection && !connection->session->broken()) pool_.put(std::move(connection));
    connection = std::move(better);
  }
  const bool encrypted = std::any_of(end.fates.begin(), end.fates.end(),
                                     [](const auto& fate) { return fate.met && fate.met->encrypted; });
  (encrypted ? context_.totals.encrypted : context_.totals.clear).fetch_add(1, std::memory_order_relaxed);
  if (failed && !worked && !passed) {
    const queue::Schedule& schedule = plan.rules->settings.schedule;
    const SystemTime until = context_.loop.paced() + schedule.gap(lane.failures() + 1, context_.random());
    lane.trouble(until, end.fates.empty() ? "connection lost" : end.fates.front().diagnostic,
                 queue::Trouble::connection);
  } else if (worked && !unreadable) {
    lane.succeeded(took);
  }
  settler_.settle(lane, std::move(job), std::move(end), plan.rules->settings);
  co_return nullptr;
}

event::Task<Attempt::Visit> Attempt::visit(Connection& connection, const queue::Job& job,
                                           std::vector<std::uint32_t> left, Plan& plan) {
  Visit seen;
  const auto& limit = plan.traffic.recipients_per_transaction;
  std::uint32_t at_once = limit ? limit->value : plan.rules->settings.recipients_per_transaction;
  if (const auto rcpt_max = connection.session->extensions().rcpt_max)
    at_once = std::min(at_once, std::max(*rcpt_max, 1U));
  leave_unfit(seen, connection, job, left);
  std::shared_ptr<const SevenBitPlan> seven_bits;
  if (!left.empty()) seven_bits = co_await plan_conversion(seen, connection, job, plan.rules->settings, left);
  const Settings& settings = plan.rules->settings;
  const bool binary = job.message->envelope.body == BodyType::binary && !seven_bits;
  const bool chunks =
      binary || (settings.chunking == Chunking::offered && connection.session->extensions().chunking);
  const std::uint32_t most = dialer_.most_messages(plan, connection);
  while (!left.empty() && !seen.spent && !connection.session->broken() && context_.spool.healthy()) {
    if (connection.messages > 0 && connection.messages >= most) {  // the rest of it in a session of its own
      seen.spent = true;
      break;
    }
    const bool current = co_await holds(plan);
    if (!current) {
      seen.stale = true;
      break;
    }
    smtp::Transaction transaction;
    transaction.message = job.message;
    transaction.chunks = chunks;
    const auto count = static_cast<std::ptrdiff_t>(std::min<std::size_t>(left.size(), at_once));
    transaction.recipients.assign(left.begin(), left.begin() + count);
    left.erase(left.begin(), left.begin() + count);
    const smtp::Transaction sent = transaction;
    const SteadyTime begun = context_.loop.now();
    auto body = context_.spool.open(context_.loop, job.message);
    if (seven_bits) {
      transaction.size = seven_bits->size;
      transaction.body =
          connection.session->extensions().eight_bit_mime ? BodyType::eight_bit_mime : BodyType::seven_bit;
      body = std::make_unique<SevenBitBody>(std::move(body), seven_bits);
    }
    const smtp::TransactionResult result =
        co_await connection.session->transact(std::move(transaction), std::move(body));
    ++seen.transactions;
    if (job.message->size <= small_message) seen.took = context_.loop.now() - begun;
    took_part(seen, connection, plan, sent, result, left);
  }
  for (const std::uint32_t recipient : left) {
    RecipientFate fate =
        seen.stale
            ? our_word(recipient, "4.7.0", "the policy of its domain changed during the attempt")
            : our_word(recipient, "4.4.2",
                       (seen.spent || connection.session->broken() ? "the connection to " + connection.mx_host
                                                                   : std::string("deliveries")) +
                           " ended before this recipient's turn");
    fate.elsewhere = !seen.stale && context_.spool.healthy();
    seen.fates.push_back(std::move(fate));
  }
  const auto met = std::make_shared<const Meeting>(meeting_of(connection));
  for (RecipientFate& fate : seen.fates) {
    fate.met = met;
    if (planted(Plant::first_host_only)) fate.elsewhere = false;
  }
  co_return seen;
}

// Those that this host cannot be told of: nothing is said of them here.
void Attempt::leave_unfit(Visit& seen, const Connection& connection, const queue::Job& job,
                          std::vector<std::uint32_t>& left) {
  const Envelope& envelope = job.message->envelope;
  std::erase_if(left, [&](std::uint32_t recipient) {
    const auto lacks =
        smtp::unfit(envelope, envelope.recipients[recipient], connection.session->extensions());
    if (!lacks) return false;
    RecipientFate fate = our_word(recipient, lacks->status, lacks->text + " by " + connection.mx_host);
    fate.status.front() = '4';
    fate.elsewhere = fate.unfit = true;
    seen.fates.push_back(std::move(fate));
    return true;
  });
}

bool Attempt::takes_binary(const Connection& connection, const Settings& settings) {
  const smtp::Extensions& offered = connection.session->extensions();
  return offered.chunking && offered.binarymime && settings.chunking != Chunking::never;
}

// RFC 6152 §3, RFC 3030 §3: null when the message goes as it is. A body that cannot be read now says so when it is sent, but for
// a binary one, which must not be sent as it is.
event::Task<std::shared_ptr<const SevenBitPlan>> Attempt::plan_conversion(Visit& seen,
                                                                          const Connection& connection,
                                                                          const queue::Job& job,
                                                                          const Settings& settings,
                                                                          std::vector<std::uint32_t>& left) {
  const BodyType body = job.message->envelope.body;
  const bool binary = body == BodyType::binary, eight = connection.session->extensions().eight_bit_mime;
  if (body == BodyType::seven_bit || (binary ? takes_binary(connection, settings) : eight)) co_return nullptr;
  auto made = co_await plan_seven_bits(context_.spool.open(context_.loop, job.message),
                                       eight ? Takes::eight_bits : Takes::seven_bits,
                                       binary ? MadeOf::octets : MadeOf::lines);
  if (!made && binary) {
    seen.unreadable = true;
    for (const std::uint32_t recipient : left)
      seen.fates.push_back(
          our_word(recipient, "4.3.0", "the message cannot be read from the spool: " + made.error().detail));
    left.clear();
  }
  if (!made || (!made->anything && !binary)) co_return nullptr;
  const bool kept_whole =
      made->breaks_signature && (binary ? settings.signed_eight_bit == SignedEightBit::bounce
                                        : settings.signed_eight_bit != SignedEightBit::convert);
  if (made->possible && !kept_whole) {
    context_.totals.converted.fetch_add(1, std::memory_order_relaxed);
    co_return std::make_shared<const SevenBitPlan>(std::move(*made));
  }
  if (binary || settings.signed_eight_bit == SignedEightBit::bounce)
    refuse_conversion(seen, connection, *made, binary ? "BINARYMIME" : "8BITMIME", left);
  co_return nullptr;
}

void Attempt::refuse_conversion(Visit& seen, const Connection& connection, const SevenBitPlan& plan,
                                const char* lacks, std::vector<std::uint32_t>& left) {
  for (const std::uint32_t recipient : left) {
    RecipientFate fate =
        our_word(recipient, "4.6.3",
                 connection.mx_host + " does not offer " + lacks + ", and the message cannot be converted" +
                     (plan.possible ? " without breaking its signature" : ""));
    fate.elsewhere = fate.unfit = true;
    seen.fates.push_back(std::move(fate));
  }
  left.clear();
}

// No host is left, and none offered what these need.
void Attempt::end_unfit(std::vector<RecipientFate>& fates) {
  for (RecipientFate& fate : fates) {
    if (!fate.unfit) continue;
    fate.fate = Fate::failed;
    fate.status.front() = '5';
  }
}

// The end of one transaction.
void Attempt::took_part(Visit& seen, Connection& connection, const Plan& plan, const smtp::Transaction& sent,
                        const smtp::TransactionResult& result, std::vector<std::uint32_t>& left) {
  const bool encrypted = connection.facts.starttls == StartTls::established;
  const bool lost_dot = ambiguous(result);
  seen.ambiguous = seen.ambiguous || lost_dot;
  seen.unreadable = seen.unreadable || result.unreadable;
  seen.orderly = seen.orderly && orderly(result);
  if (result.chunks_unknown) {
    context_.hosts.knows_no_chunks(connection.mx_host, context_.loop.now());
    seen.soon = true;
  }
  if (!encrypted && demands_encryption(result))
    context_.hosts.wants_encryption(connection.mx_host, context_.loop.now());
  if (connection.accepted > 0 && ends_session(result) && !planted(Plant::count_session_limit_as_failure)) {
    seen.spent = true;
    suspected_.emplace(connection.mx_host, connection.messages);
    context_.totals.sessions_spent.fetch_add(1, std::memory_order_relaxed);
  } else if (result.failure && !result.unreadable && !result.chunks_unknown) {
    seen.failed = true;
  }
  ++connection.messages;
  if (result.final && result.final->positive()) {
    ++connection.accepted;
    connection.lease.worked(context_.loop.now());
    ++seen.accepted;
    if (suspected_ && suspected_->first == connection.mx_host) {
      context_.hosts.learn_session_limit(suspected_->first, suspected_->second, context_.loop.now());
      suspected_.reset();
    }
  }
  const Channel channel = encrypted || planted(Plant::bounce_on_530) ? Channel::encrypted : Channel::clear;
  const Hop hop = plan.relayed ? Hop::of_operator : Hop::of_domain;
  if (plan.relayed && !plan.by_operator) tell_of_relay(plan, connection, result);
  std::vector<std::uint32_t> again;
  for (RecipientFate& fate : fates_of(sent, result, channel, hop)) {
    if (lost_dot && planted(Plant::retry_after_lost_dot)) fate.elsewhere = true;
    if (lost_dot && planted(Plant::lost_dot_is_delivered)) fate.fate = Fate::delivered;
    if (fate.fate == Fate::failed && planted(Plant::go_on_after_refusal)) {
      fate.fate = Fate::deferred;
      fate.status.front() = '4';
      fate.elsewhere = true;
    }
    if (fate.fate == Fate::again && !connection.session->broken()) {
      again.push_back(fate.recipient);
      continue;
    }
    if (fate.fate == Fate::again) {
      fate.fate = Fate::deferred;
      fate.elsewhere = true;
    }
    if (planted(Plant::count_session_limit_as_failure) && ends_session(result)) fate.elsewhere = false;
    seen.fates.push_back(std::move(fate));
  }
  // The rest goes in the next transaction, in their order (M25). It shrinks: at least one was accepted.
  left.insert(left.begin(), again.begin(), again.end());
}

// Everybody's mail waits for a relay that asks who we are: its operator hears of it.
void Attempt::tell_of_relay(const Plan& plan, const Connection& connection,
                            const smtp::TransactionResult& result) {
  if (context_.health == nullptr) return;
  if (result.final && result.final->positive()) return context_.health->clear(trouble_of(plan.next_hop));
  if (const smtp::Reply* asked = demands_login(result))
    context_.health->raise(trouble_of(plan.next_hop),
                           connection.mx_host + " asks for a login: " + asked->to_string(),
                           "see route.credentials, and what the relay knows us by; mail waits meanwhile");
}

void Attempt::leave(Tour& tour, const Visit& seen, Connection& connection) {
  if (seen.spent) return tour.once_more(connection.mx_host, connection.endpoint);
  tour.tried(connection.mx_host, connection.endpoint);
  tour.end_session();
  if (seen.orderly) tour.leave(connection.mx_host);
  if (seen.failed && seen.accepted == 0)
    context_.hosts.unreachable(connection.mx_host, context_.loop.now() + avoid_failed);
}

// A place for a connection that is about to be given back is waited for a little.
event::Task<DialResult> Attempt::dial_on(const Plan& plan, std::uint64_t size, Tour& tour) {
  for (int looks = 0;; ++looks) {
    auto dialled = co_await dialer_.dial(plan, size, tour);
    const auto* refusal = std::get_if<Refusal>(&dialled);
    if (refusal == nullptr || !refusal->no_place || looks >= place_looks) co_return dialled;
    co_await event::sleep_for(context_.loop, place_pause);
  }
}

}  // namespace sealpost::delivery
