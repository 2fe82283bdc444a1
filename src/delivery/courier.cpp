// SPDX-License-Identifier: Apache-2.0
#include "delivery/courier.hpp"

#include <algorithm>

#include "base/log.hpp"

namespace sealpost::delivery {
namespace {

using namespace std::chrono_literals;
constexpr auto plan_age = 30s;     // then policies and hosts are looked at again, mostly from caches
constexpr auto hold_open = 500ms;  // a connection stays with its lane this long before others may have it
constexpr std::size_t most_at_once = 10'000;
constexpr auto no_place_pause = 200ms;
constexpr auto journal_pause = 1min;

std::vector<RecipientFate> same_fate(const queue::Job& job, const Refusal& refusal) {
  std::vector<RecipientFate> fates;
  for (const std::uint32_t recipient : job.recipients) {
    RecipientFate fate;
    fate.recipient = recipient;
    fate.fate = refusal.permanent() ? Fate::failed : Fate::deferred;
    fate.status = refusal.status;
    fate.diagnostic = refusal.text;
    fate.remote = refusal.remote;
    fates.push_back(std::move(fate));
  }
  return fates;
}

}  // namespace

DeliveryCourier::DeliveryCourier(Context& context, RulesPtr rules, const queue::Schedule& schedule)
    : context_(context),
      rules_(std::move(rules)),
      schedule_(schedule),
      pool_(context.loop, rules_->settings.idle_connection, 1000),
      dialer_(context, pool_),
      settler_(context, schedule) {}

void DeliveryCourier::set_rules(RulesPtr rules) {
  rules_ = std::move(rules);
  pool_.close_all();
}

// D-07: what is sent while its outcome cannot be recorded goes out again after the restart that the journal needs.
bool DeliveryCourier::paused(queue::Lane& lane, queue::JobPtr& job) {
  if (context_.spool.healthy()) return false;
  lane.put_back(std::move(job), context_.loop.paced() + journal_pause,
                "the journal cannot record outcomes: deliveries pause; `sealpost status` says why");
  return true;
}

// Attempt 1 is implied by the message record; later ones are on record before they begin (D-12).
event::Task<bool> DeliveryCourier::begin(queue::JobOwner& lane, queue::JobPtr& job) {
  // A job that was put back for want of a connection is still in the same one: another record would count it as one
  // that the end of the process has cut off.
  if (job->attempts < 2 || job->begun) co_return true;
  const Expected<void> begun =
      co_await context_.spool.begin_attempt(context_.loop, job->message->id, job->recipients);
  job->begun = begun.has_value();
  if (begun) co_return true;
  --job->attempts;
  job->next_attempt = context_.loop.paced() + schedule_.gap(1, context_.random());
  job->reason = "the spool cannot record an attempt: " + begun.error().detail;
  lane.defer(std::move(job));
  co_return false;
}

event::Task<void> DeliveryCourier::serve(queue::Lane& lane) {
  if (!lane.key().returns_to.empty()) {
    co_await settler_.serve_notices(lane, rules_->settings.hostname);
    co_return;
  }
  std::unique_ptr<Connection> connection;
  std::optional<Plan> plan;
  for (;;) {
    co_await settler_.room();
    queue::JobPtr job = lane.take();
    if (!job) {
      if (!connection) break;
      const bool more = co_await lane.wait_for_work(hold_open);
      if (more) continue;
      break;
    }
    if (paused(lane, job)) break;
    const bool begun = co_await begin(lane, job);
    if (!begun) break;

    if (connection && (connection->session->broken() || connection->session->stale())) connection.reset();
    if (!plan || context_.loop.now() - plan->made > plan_age || plan->rules != rules_) {
      if (connection) pool_.put(std::move(connection));  // the dialer judges it again against the new plan
      auto made = co_await make_plan(context_, rules_, lane.key());
      if (auto* refusal = std::get_if<Refusal>(&made)) {
        co_await refuse_lane(lane, std::move(job), nullptr, std::move(*refusal));
        break;
      }
      plan = std::get<Plan>(std::move(made));
    }
    const auto limit = connection ? connection->session->extensions().size_limit : 0;
    if (connection && limit > 0 && job->message->size > limit) pool_.put(std::move(connection));
    if (!connection) {
      auto dialled = co_await dialer_.dial(*plan, job->message->size);
      if (auto* refusal = std::get_if<Refusal>(&dialled)) {
        if (refusal->no_place) {
          lane.put_back(std::move(job), context_.loop.paced() + no_place_pause, refusal->text);
          break;
        }
        co_await refuse_lane(lane, std::move(job), &*plan, std::move(*refusal));
        break;
      }
      connection = std::get<std::unique_ptr<Connection>>(std::move(dialled));
    }
    if (paused(lane, job)) break;
    co_await run_job(lane, std::move(job), *connection);
    if (connection->messages >= plan->rules->settings.messages_per_connection) {
      pool_.close(std::move(connection));
    } else if (connection->session->broken()) {
      connection.reset();
    }
  }
  if (connection) pool_.put(std::move(connection));
}

event::Task<void> DeliveryCourier::run_job(queue::JobOwner& lane, queue::JobPtr job, Connection& connection) {
  const Settings& settings = rules_->settings;
  std::vector<std::uint32_t> left = job->recipients;
  AttemptEnd end;
  end.remote_mta = connection.mx_host;
  bool trouble = false, unreadable = false;
  std::uint32_t at_once = settings.recipients_per_transaction;
  if (const auto rcpt_max = connection.session->extensions().rcpt_max)
    at_once = std::min(at_once, std::max(*rcpt_max, 1U));
  while (!left.empty() && !connection.session->broken() && context_.spool.healthy()) {
    smtp::Transaction transaction;
    transaction.message = job->message;
    const auto count = static_cast<std::ptrdiff_t>(std::min<std::size_t>(left.size(), at_once));
    transaction.recipients.assign(left.begin(), left.begin() + count);
    left.erase(left.begin(), left.begin() + count);
    const smtp::Transaction sent = transaction;
    auto body = context_.spool.open(context_.loop, job->message);
    const smtp::TransactionResult result =
        co_await connection.session->transact(std::move(transaction), std::move(body));
    ++connection.messages;
    end.ambiguous = end.ambiguous || ambiguous(result);
    // What our own disk cannot give is the message's trouble, not the lane's.
    unreadable = unreadable || result.unreadable;
    if (result.failure && !result.unreadable) trouble = true;
    std::vector<std::uint32_t> again;
    for (RecipientFate& fate : fates_of(sent, result)) {
      if (fate.fate == Fate::again && !connection.session->broken()) {
        again.push_back(fate.recipient);
      } else {
        if (fate.fate == Fate::again) fate.fate = Fate::deferred;
        end.fates.push_back(std::move(fate));
      }
    }
    // The rest goes in the next transaction, in their order (M25). It shrinks: at least one was accepted.
    left.insert(left.begin(), again.begin(), again.end());
  }
  for (const std::uint32_t recipient : left) {
    RecipientFate fate;
    fate.recipient = recipient;
    fate.status = "4.4.2";
    fate.diagnostic =
        (connection.session->broken() ? "the connection to " + connection.mx_host : "deliveries") +
        " ended before this recipient's turn";
    end.fates.push_back(std::move(fate));
  }
  auto& counter =
      connection.facts.starttls == StartTls::established ? context_.totals.encrypted : context_.totals.clear;
  counter.fetch_add(1, std::memory_order_relaxed);
  if (trouble) {
    const SystemTime until = context_.loop.paced() + schedule_.gap(lane.failures() + 1, context_.random());
    const bool some_passed = std::any_of(end.fates.begin(), end.fates.end(),
                                         [](const auto& fate) { return fate.fate == Fate::delivered; });
    if (!some_passed)
      lane.trouble(until, end.fates.empty() ? "connection lost" : end.fates.front().diagnostic);
  } else if (!unreadable) {
    lane.succeeded();
  }
  end.connection = &connection;
  settler_.settle(lane, std::move(job), std::move(end), settings);
}

event::Task<void> DeliveryCourier::refuse_lane(queue::Lane& lane, queue::JobPtr job, const Plan* plan,
                                               Refusal refusal) {
  const RulesPtr rules = plan != nullptr ? plan->rules : rules_;
  bool policy_changed = false;
  if (plan != nullptr && refusal.sts_involved) {
    // Before anything permanent, and so that a moved MX costs one retry at most: look at the record again
    // (T-15, S38).
    const std::string before = plan->sts.id;
    const StsState after = co_await context_.sts.recheck(context_.loop, plan->policy_domain);
    policy_changed = after.id != before || after.kind != plan->sts.kind;
    if (policy_changed && refusal.permanent()) refusal.status.front() = '4';
  }
  // A gateway stands in for a partner that could not be reached as it must be: while it cannot be used mail waits, and is
  // lost neither to a wrong name nor to a host that takes no mail.
  if (!lane.key().gateway_rule.empty() && !refusal.by_policy && refusal.scope == Refusal::Scope::lane &&
      refusal.permanent())
    refusal.status.front() = '4';
  const SystemTime now = context_.loop.paced();
  const PartnerRule* rule = plan != nullptr && refusal.by_partner ? plan->rule_named(refusal.rule) : nullptr;
  SystemTime until{};
  const bool lane_wide = refusal.scope == Refusal::Scope::lane;
  std::vector<queue::JobPtr> jobs;
  jobs.push_back(std::move(job));
  if (lane_wide) {
    for (auto& more : lane.take_all_due(most_at_once)) jobs.push_back(std::move(more));
    if (!refusal.permanent()) {
      until = now + schedule_.gap(lane.failures() + 1, context_.random());
      if (rule != nullptr) until = std::min(until, now + std::max(rule->grace, std::chrono::seconds(1)));
      lane.trouble(until, refusal.text);
    }
  }
  for (auto& each : jobs) {
    co_await settler_.room();
    AttemptEnd end;
    end.fates = same_fate(*each, refusal);
    end.remote_mta = refusal.remote_mta;
    end.policy_refused = refusal.by_policy;
    end.partner_refused = refusal.by_partner;
    if (rule != nullptr) end.partner = *rule;
    end.expiry_blocked = policy_changed;
    end.not_before = until;
    end.leave_gateway = refusal.leave_gateway;
    settler_.settle(lane, std::move(each), std::move(end), rules->settings);
  }
}

}  // namespace sealpost::delivery
