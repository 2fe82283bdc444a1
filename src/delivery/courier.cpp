// SPDX-License-Identifier: Apache-2.0
#include "delivery/courier.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "delivery/attempt.hpp"

namespace sealpost::delivery {
namespace {

using namespace std::chrono_literals;
constexpr auto plan_age = 30s;     // then policies and hosts are looked at again, mostly from caches
constexpr auto hold_open = 500ms;  // a connection stays with its lane this long before others may have it
constexpr std::size_t most_refused = 10'000;  // by one refusal of their lane
constexpr auto no_place_pause = 200ms;
constexpr auto policy_pause = 1s;                   // until a policy that is being fetched is looked at again
constexpr std::uint32_t most_routed_at_once = 100;  // then others have their turn
constexpr int most_rounds = 3;  // of planning anew for one job, because policies change under it

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

// For people: what refused, and how long the rule behind it lets the mail wait.
std::shared_ptr<const queue::PolicyRefusal> policy_refusal(const Refusal& refusal, const PartnerRule* rule,
                                                           const queue::LaneKey& key) {
  auto refused = std::make_shared<queue::PolicyRefusal>();
  refused->by = refusal.policy;
  if (rule == nullptr || rule->on_failure == PartnerRule::OnFailure::defer || !key.gateway_rule.empty())
    return refused;
  refused->grace = rule->grace;
  refused->ends = rule->on_failure == PartnerRule::OnFailure::bounce;
  refused->then = refused->ends ? "returned" : "handed to the gateway " + rule->reroute;
  return refused;
}

}  // namespace

DeliveryCourier::DeliveryCourier(Context& context, RulesPtr rules)
    : context_(context),
      rules_(std::move(rules)),
      pool_(context.loop, rules_->settings.idle_connection, 1000),
      dialer_(context, pool_),
      settler_(context) {}

void DeliveryCourier::end(queue::Lane& lane, queue::JobPtr job, const queue::LastWord& word,
                          std::shared_ptr<void> recorded) {
  settler_.settle_by_operator(lane, std::move(job), word, std::move(recorded), rules_->settings);
}

// A crash between the lanes costs nothing: a start places it as the journal says.
event::Task<Expected<void>> DeliveryCourier::reroute(queue::Lane& lane, queue::JobPtr job, queue::LaneKey to,
                                                     std::string next_hop) {
  const MessageId id = job->message->id;
  const bool as_configured = next_hop.empty();
  std::vector<std::uint32_t> recipients = job->recipients;
  Expected<void> recorded =
      co_await context_.spool.reroute(context_.loop, id, std::move(recipients), std::move(next_hop));
  if (!recorded) {
    lane.defer(std::move(job));
    co_return recorded;
  }
  log::info("message_rerouted", {{"id", id.to_string()},
                                 {"domain", to.recipient_domain},
                                 {"from", lane.key().next_hop},
                                 {"to", to.next_hop},
                                 {"recipients", job->recipients.size()}});
  auto onward = std::make_unique<queue::Job>(*job);
  onward->way = as_configured ? queue::Way::as_configured : queue::Way::rerouted;
  if (!onward->held) {
    onward->next_attempt = context_.loop.paced();
    onward->reason = "sent to " + to.next_hop + " by the operator" +
                     (job->reason.empty() ? "" : "; before: " + job->reason);
  }
  lane.move(std::move(job), std::move(onward), context_.dispatcher.into(to));
  co_return recorded;
}

void DeliveryCourier::set_rules(RulesPtr rules) {
  rules_ = std::move(rules);
  pool_.close_all();
}

queue::SitePtr DeliveryCourier::limit_for(const queue::LaneKey& key) {
  if (context_.sites == nullptr || !key.returns_to.empty()) return nullptr;
  const auto limit = traffic_for(rules_->limits, key.recipient_domain, {}).domain_connections;
  return limit ? context_.sites->of_domain(key.recipient_domain, limit->value, limit->by) : nullptr;
}

// A reload has changed the routes since it came into this lane: untried, it goes on where they lead now.
bool DeliveryCourier::routed_anew(queue::Lane& lane, queue::JobPtr& job) {
  if (!context_.dispatcher.misplaced(lane.key(), *job)) return false;
  auto onward = std::make_unique<queue::Job>(*job);
  --onward->attempts;
  if (!onward->held)
    onward->reason = "routes have changed" + (job->reason.empty() ? "" : "; before: " + job->reason);
  ++routed_anew_;
  auto place = [&dispatcher = context_.dispatcher, from = lane.key()](queue::JobPtr copy) {
    dispatcher.place_anew(from, std::move(copy));
  };
  lane.move(std::move(job), std::move(onward), std::move(place));
  return true;
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
  const bool implied = job->attempts < 2 && spool::first_attempt_is_implied(job->message->envelope);
  if (implied || job->begun) co_return true;
  const Expected<void> begun =
      co_await context_.spool.begin_attempt(context_.loop, job->message->id, job->recipients);
  job->begun = begun.has_value();
  if (begun) co_return true;
  --job->attempts;
  job->next_attempt = context_.loop.paced() + rules_->settings.schedule.gap(1, context_.random());
  job->reason = "the spool cannot record an attempt: " + begun.error().detail;
  lane.defer(std::move(job));
  co_return false;
}

event::Task<void> DeliveryCourier::serve(queue::Lane& lane) {
  if (!lane.key().returns_to.empty()) {
    co_await settler_.serve_notices(lane, rules_->settings.hostname, rules_->settings.postmaster);
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
    const bool goes_on = co_await deliver(lane, std::move(job), plan, connection);
    if (!goes_on) break;
  }
  if (connection) pool_.put(std::move(connection));
}

// How long a job is at work, unless it is given back untried.
class DeliveryCourier::Timed {
 public:
  explicit Timed(Context& context) noexcept : context_(context), begun_(context.loop.steady()) {}
  Timed(const Timed&) = delete;
  Timed& operator=(const Timed&) = delete;
  ~Timed() {
    if (counts_) context_.totals.attempt.observe(context_.loop.steady() - begun_);
  }
  void untried() noexcept { counts_ = false; }

 private:
  Context& context_;
  SteadyTime begun_;
  bool counts_ = true;
};

// One job, and again from the plan when what the plan was made of changes under it. False: the lane is done for now.
event::Task<bool> DeliveryCourier::deliver(queue::Lane& lane, queue::JobPtr job, std::optional<Plan>& plan,
                                           std::unique_ptr<Connection>& connection) {
  Timed timed(context_);
  for (int round = 0;; ++round) {
    if (routed_anew(lane, job)) {
      timed.untried();
      if (routed_anew_ % most_routed_at_once == 0) co_await event::yield(context_.loop);
      co_return true;
    }
    if (connection && (connection->session->broken() || connection->session->stale())) connection.reset();
    if (!plan || context_.loop.now() - plan->made > plan_age || plan->rules != rules_) {
      if (connection) pool_.put(std::move(connection));  // the dialer judges it again against the new plan
      auto made = co_await make_plan(context_, rules_, lane.key());
      if (auto* refusal = std::get_if<Refusal>(&made)) {
        plan.reset();
        if (refusal->no_place) {
          timed.untried();
          lane.put_back(std::move(job), context_.loop.paced() + policy_pause, refusal->text);
          co_return false;
        }
        co_await refuse_lane(lane, std::move(job), nullptr, std::move(*refusal));
        co_return false;
      }
      plan = std::get<Plan>(std::move(made));
      if (!joins_site(lane, *plan)) {
        lane.yield(std::move(job));
        co_return false;
      }
    }
    std::vector<queue::Turn> turns;
    if (round == 0) {
      if (waits_for_turn(lane, job, *plan)) co_return false;
      turns.swap(lane.turns());
      const bool begun = co_await begin(lane, job);
      if (!begun) co_return false;
      if (connection && connection->session->broken()) connection.reset();
    }
    const auto limit = connection ? connection->session->extensions().size_limit : 0;
    if (connection && limit > 0 && job->message->size > limit) pool_.put(std::move(connection));
    Tour tour(job->attempts, context_.loop.now());
    tour.about(job->message->id);
    if (!connection) {
      auto dialled = co_await dialer_.dial(*plan, job->message->size, tour);
      if (auto* refusal = std::get_if<Refusal>(&dialled)) {
        if (refusal->no_place) {
          timed.untried();
          if (lane.turns().empty()) lane.turns().swap(turns);  // not used
          lane.crowded(std::move(job), context_.loop.paced() + no_place_pause, refusal->text);
          co_return false;
        }
        const bool changed = co_await policy_changed(*plan, *refusal);
        if (changed &&
            round < most_rounds) {  // the refusal was the old policy's, and so is nobody's any more
          plan.reset();
          continue;
        }
        if (changed && refusal->permanent()) refusal->status.front() = '4';
        refusal->sts_changed = changed;
        co_await refuse_lane(lane, std::move(job), &*plan, std::move(*refusal));
        co_return false;
      }
      connection = std::get<std::unique_ptr<Connection>>(std::move(dialled));
    }
    if (paused(lane, job)) {
      timed.untried();
      co_return false;
    }
    Attempt attempt(context_, dialer_, pool_, settler_, rules_);
    job = co_await attempt.run(lane, std::move(job), *plan, std::move(tour), connection);
    if (!job) {
      keep_or_close(connection, *plan);
      co_return true;
    }
    plan.reset();
    if (round >= most_rounds) {
      lane.put_back(std::move(job), context_.loop.paced() + policy_pause,
                    "the policies of " + lane.key().next_hop + " keep changing");
      co_return false;
    }
  }
}

// The lanes of one site share its connections.
bool DeliveryCourier::joins_site(queue::Lane& lane, const Plan& plan) {
  lane.set_paced(plan.traffic.paced());
  if (context_.sites == nullptr) return true;
  const queue::SitePtr site = context_.sites->at(site_of(plan));
  if (plan.rules == rules_) limit_site(*site, plan.traffic);  // else a reload has said more meanwhile
  return lane.at_site(site);
}

// The operator's rates: first the domain's, and when that turn has come its site's, so that no turn there is booked by who
// cannot use it.
bool DeliveryCourier::waits_for_turn(queue::Lane& lane, queue::JobPtr& job, const Plan& plan) {
  std::vector<queue::Turn>& turns = lane.turns();
  const SteadyTime now = context_.loop.now();
  const auto waits = [&](const std::string& whose, const std::optional<Traffic::Bound<Rate>>& rate) {
    if (!rate) return false;
    std::string of = whose + " " + rate->value.to_string();  // a changed rate counts from the beginning
    auto turn = std::find_if(turns.begin(), turns.end(), [&](const auto& one) { return one.of == of; });
    if (turn == turns.end()) {
      const SteadyTime at = context_.hosts.rates().book(of, rate->value, now);
      turn = turns.insert(turns.end(), queue::Turn(std::move(of), at));
    }
    if (turn->at <= now) return false;
    const auto left = std::chrono::duration_cast<std::chrono::microseconds>(turn->at - now);
    lane.wait_for_turn(std::move(job), context_.loop.paced() + left + 1us,
                       rate->by + " lets " + rate->value.to_string() + " leave");
    return true;
  };
  if (waits("domain " + plan.recipient_domain, plan.traffic.domain_rate)) return true;
  return waits("site " + site_of(plan), plan.traffic.site_rate);
}

void DeliveryCourier::keep_or_close(std::unique_ptr<Connection>& connection, const Plan& plan) {
  if (!connection) return;
  if (connection->session->broken()) {
    connection.reset();
  } else if (connection->messages >= dialer_.most_messages(plan, *connection)) {
    pool_.close(std::move(connection));
  }
}

// Before anything permanent, and so that a moved MX costs no retry: look at the record again (T-15, S38).
event::Task<bool> DeliveryCourier::policy_changed(const Plan& plan, const Refusal& refusal) {
  if (!refusal.sts_involved) co_return false;
  const StsState after = co_await context_.sts.recheck(context_.loop, plan.policy_domain);
  co_return after.id != plan.sts.id || after.kind != plan.sts.kind;
}

event::Task<void> DeliveryCourier::refuse_lane(queue::Lane& lane, queue::JobPtr job, const Plan* plan,
                                               Refusal refusal) {
  const RulesPtr rules = plan != nullptr ? plan->rules : rules_;
  // A relay of our operator's choice, or a gateway, which stands in for a partner that could not be reached as it must be: while it
  // cannot be used mail waits, and a day's mail is lost neither to a wrong name nor to a host that takes none.
  if (is_relayed(lane.key()) && !refusal.by_policy && refusal.scope == Refusal::Scope::lane &&
      refusal.permanent()) {
    refusal.status.front() = '4';
    const auto relay = NextHop::parse(lane.key().next_hop);
    if (relay && context_.health != nullptr && !lane.key().by_operator)
      context_.health->raise(trouble_of(*relay), refusal.text,
                             "see [[route]] relay, and DNS for its name; mail waits meanwhile");
  }
  const SystemTime now = context_.loop.paced();
  const PartnerRule* rule = plan != nullptr && refusal.by_partner ? plan->rule_named(refusal.rule) : nullptr;
  SystemTime until{};
  const bool lane_wide = refusal.scope == Refusal::Scope::lane;
  if (lane_wide && !refusal.permanent()) {
    until = now + rules->settings.schedule.gap(lane.failures() + 1, context_.random());
    if (rule != nullptr) until = std::min(until, now + std::max(rule->grace, std::chrono::seconds(1)));
    const bool connection = plan != nullptr && !refusal.by_policy;
    lane.trouble(until, refusal.text, connection ? queue::Trouble::connection : queue::Trouble::other);
  }
  const auto refused = refusal.by_policy ? policy_refusal(refusal, rule, lane.key()) : nullptr;
  const auto settle = [&](queue::JobPtr each, std::shared_ptr<void> place) {
    AttemptEnd end;
    end.place = std::move(place);
    end.mx = refusal.mx;
    end.refused = refused;
    end.fates = same_fate(*each, refusal);
    end.remote_mta = refusal.remote_mta;
    end.proof = refusal.proof;
    end.policy_refused = refusal.by_policy;
    end.partner_refused = refusal.by_partner;
    if (rule != nullptr) end.partner = *rule;
    end.expiry_blocked = refusal.sts_changed;
    end.not_before = until;
    end.leave_gateway = refusal.leave_gateway;
    settler_.settle(lane, std::move(each), std::move(end), rules->settings);
  };
  // What is due now: what comes while these are settled has not been refused, and what was settled is not twice.
  std::vector<queue::JobPtr> others;
  if (lane_wide) others = lane.take_all_due(most_refused);
  settle(std::move(job), nullptr);
  for (queue::JobPtr& each : others) {
    std::shared_ptr<void> place = co_await settler_.place_of_many();
    settle(std::move(each), std::move(place));
  }
}

}  // namespace sealpost::delivery
