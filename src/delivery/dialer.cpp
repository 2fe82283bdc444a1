// SPDX-License-Identifier: Apache-2.0
#include "delivery/dialer.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "base/planted.hpp"
#include "delivery/log_in.hpp"
#include "delivery/recording.hpp"
#include "sealpost/verdict.hpp"

namespace sealpost::delivery {
namespace {

using namespace std::chrono_literals;
constexpr auto avoid_unreachable = 1min;

// REQUIRETLS leans on the MTA-STS policy where DNSSEC does not vouch for the hosts: then, too, the record is looked
// at again before mail is returned (S38).
Refusal refusal_by(const Plan& plan, ProofPtr proof, const std::string& host, Source source,
                   const std::string& origin, const std::string& status, const std::string& text) {
  Refusal refusal(status, text);
  refusal.proof = std::move(proof);
  refusal.by_policy = true;
  refusal.mx = host;
  refusal.policy = std::string(name_of(source)) + (origin.empty() ? "" : ":" + origin);
  refusal.by_partner = source == Source::partner;
  if (refusal.by_partner) refusal.rule = origin;
  refusal.sts_involved = source == Source::mta_sts ||
                         (source == Source::requiretls && plan.sts.kind != StsState::Kind::disabled);
  return refusal;
}

}  // namespace

struct Dialer::HostAttempt {
  HostAttempt(const Plan& plan_, const HostView& view_, Tour& tour_)
      : plan(plan_), view(view_), tour(tour_) {}
  const Plan& plan;
  const HostView& view;
  Tour& tour;
  std::optional<Manner> next;  // how the address just tried is worth another connection
};

event::Task<DialResult> Dialer::dial(const Plan& plan, std::uint64_t size, Tour& tour) {
  Walk walk(size, tour.endpoints());
  std::vector<MxHost> order = plan.mx.hosts;
  const SteadyTime now = context_.loop.now();
  // Preference decides (RFC 5321 §5.1). A host that could not be reached within the last minute counts as tried: it
  // comes after the others, so that a dead first MX does not cost every message its connect timeout.
  // Within an attempt the other hosts come before further addresses of one that has been tried.
  std::stable_sort(order.begin(), order.end(), [&](const MxHost& a, const MxHost& b) {
    return std::pair(tour.addresses_of(a.name), context_.hosts.avoid(a.name, now)) <
           std::pair(tour.addresses_of(b.name), context_.hosts.avoid(b.name, now));
  });
  for (const MxHost& host : order) {
    if (tour.left(host.name)) continue;
    if (walk.waits_before(host.preference) || (walk.waits() && context_.hosts.avoid(host.name, now)))
      continue;
    const HostView view = co_await look_at(context_, plan, host);
    if (view.loops) continue;
    walk.next_host();
    auto connection = co_await try_host(plan, view, walk, tour);
    if (connection) co_return DialResult(std::move(connection));
  }
  if (walk.silent() && tour.begun()) {
    Refusal refusal("4.4.1", "no other host is left");
    refusal.none_left = true;
    co_return DialResult(std::move(refusal));
  }
  Refusal refusal = walk.conclude(plan.next_hop.domain);
  if (refusal.permanent() && walk.some_absent()) {
    context_.nx_guard.saw(plan.next_hop.domain, true, context_.loop.now());
    const std::string doubt = co_await doubt_of_absence(*plan.resolver, context_.nx_guard,
                                                        plan.next_hop.domain, context_.loop.now());
    if (!doubt.empty()) {
      refusal.status = "4.4.3";
      refusal.text += "; not believed: " + doubt;
    }
  }
  co_return DialResult(std::move(refusal));
}

event::Task<std::unique_ptr<Connection>> Dialer::try_host(const Plan& plan, const HostView& view, Walk& walk,
                                                          Tour& tour) {
  HostAttempt attempt(plan, view, tour);
  const std::string& host = view.host.name;
  if (view.addresses.endpoints.empty()) {
    tour.leave(host);
    Refusal refusal(view.addresses.status, view.addresses.why);
    view.addresses.absent ? walk.absent(std::move(refusal)) : walk.failed(std::move(refusal));
    co_return nullptr;
  }
  if (const auto& skip = view.decision.skip) {
    tour.leave(host);
    ProofPtr proof = prove(plan, view, std::nullopt, context_.loop.believed().latest);
    count(plan, *proof, nullptr);
    refused(attempt, walk, host, skip->result_type,
            refusal_by(plan, std::move(proof), host, skip->source, skip->origin, skip->status, skip->text));
    co_return nullptr;
  }

  const Requirement& requirement = view.decision.requirement;
  const SystemTime now = context_.loop.believed().latest;
  const Offer wanted = offer_of(plan, view);
  auto pooled = pool_.take(host, plan.next_hop.port, plan.report, [&](const Connection& candidate) {
    if (tour.anew() || tour.was_at(host, candidate.endpoint)) return false;
    if (candidate.messages >= most_messages(plan, candidate)) return false;
    if (!candidate.offer.serves(wanted, candidate.facts)) return false;  // T-07
    const auto limit = candidate.session->extensions().size_limit;
    if (limit > 0 && walk.size() > limit) return false;
    return judge(requirement, candidate.facts, now).verdict != Verdict::refuse;
  });
  if (pooled) {
    context_.totals.reused.fetch_add(1, std::memory_order_relaxed);
    pooled->proof = prove(plan, view, pooled->facts, now);
    record_session(context_, *pooled->proof, Occasion::reused);
    co_return pooled;
  }

  const std::size_t most = std::min(view.addresses.endpoints.size(), endpoints_per_host);
  for (std::size_t i = 0; i < most; ++i) {
    const Endpoint endpoint = view.addresses.endpoints[i];
    if (tour.was_at(host, endpoint)) continue;
    if (!walk.take_endpoint()) break;
    auto connection = co_await try_endpoint(attempt, endpoint, walk);
    if (connection) co_return connection;
  }
  co_return nullptr;
}

// A limit stated by us, learned of the host, or stated by it (RFC 9422 §4.1: MAILMAX).
std::uint32_t Dialer::most_messages(const Plan& plan, const Connection& connection) const {
  const auto& limit = plan.traffic.messages_per_connection;
  const std::uint32_t ours = limit ? limit->value : plan.rules->settings.messages_per_connection;
  const auto learned = context_.hosts.session_limit(connection.mx_host, context_.loop.now());
  return std::min({ours, learned.value_or(ours), connection.session->extensions().mail_max.value_or(ours)});
}

event::Task<std::unique_ptr<Connection>> Dialer::try_endpoint(HostAttempt& attempt, Endpoint endpoint,
                                                              Walk& walk) {
  Manner manner = first_manner(attempt.plan, attempt.view);
  for (;;) {  // at most three times: each one is a connection of its own (P3)
    attempt.next.reset();
    auto connection = co_await open(attempt, endpoint, manner, walk);
    if (connection || !attempt.next) co_return connection;
    manner = *attempt.next;
  }
}

event::Task<std::unique_ptr<Connection>> Dialer::open(HostAttempt& attempt, Endpoint endpoint, Manner manner,
                                                      Walk& walk) {
  const Plan& plan = attempt.plan;
  const Settings& settings = plan.rules->settings;
  const Requirement& requirement = attempt.view.decision.requirement;
  const std::string& host = attempt.view.host.name;
  const std::uint16_t preference = attempt.view.host.preference;
  if (plan.smart_host) {  // what another session has just heard holds for this one, too
    if (auto waits = login_waits(*plan.smart_host, context_.loop.now())) {
      walk.failed(std::move(*waits));
      co_return nullptr;
    }
  }
  std::optional<SmartHost::Turn> turn;
  if (plan.smart_host && plan.smart_host->account) {
    auto given = plan.smart_host->turn();
    if (!given) {
      walk.no_place(host, preference);
      co_return nullptr;
    }
    turn.emplace(std::move(*given));
  }
  auto lease = context_.hosts.acquire(host, endpoint, context_.loop.now());
  if (!lease) {
    if (context_.hosts.full()) pool_.close_all();  // idle ones are in the way of this one
    walk.no_place(host, preference, context_.hosts.connection_limit(host, endpoint, context_.loop.now()));
    co_return nullptr;
  }
  attempt.tour.tried(host, endpoint);
  Contact contact(context_, plan, attempt.view, endpoint, manner, settings.limits);
  const auto greeted = co_await contact.greet();
  if (contact.session()) context_.totals.connections.fetch_add(1, std::memory_order_relaxed);
  if (greeted == Contact::Step::stalled) {
    attempt.next = Manner::classical;
    co_return nullptr;
  }
  if (greeted != Contact::Step::done) {
    not_reached(attempt, endpoint, greeted, contact, walk);
    // A host that answers 5yz waits for QUIT (RFC 5321 §3.1); nobody else waits for its answer.
    if (greeted == Contact::Step::not_greeted)
      pool_.close(std::make_unique<Connection>(std::move(contact.session()), std::move(lease)));
    co_return nullptr;
  }
  context_.hosts.reached(host);
  lease.greeted(context_.loop.now());
  if (const std::string& remark = contact.session()->remark(); !remark.empty())
    log::info("odd_host",
              {{"domain", plan.recipient_domain}, {"mx", where(host, endpoint)}, {"what", remark}});

  const auto encrypted = co_await contact.encrypt();
  if (encrypted == Contact::Step::stalled) {
    attempt.next = Manner::classical;
    co_return nullptr;
  }
  SessionFacts& facts = contact.facts();
  std::unique_ptr<smtp::ClientSession>& session = contact.session();
  if (context_.clock != nullptr && facts.tls.certificate && facts.tls.certificate->webpki.ok())
    context_.clock->witness(facts.tls.certificate->not_before, context_.loop.steady());
  ProofPtr proof = prove(plan, attempt.view, facts, context_.loop.believed().latest);
  const Judgement& judgement = proof->judgement;
  if (manner != Manner::clear) count(plan, *proof, session.get());

  if (contact.handshake_failed() && !requirement.tls_required()) {
    Refusal refusal("4.7.5",
                    "TLS handshake with " + where(host, endpoint) + " failed: " + facts.handshake_error);
    refusal.proof = proof;
    if (context_.hosts.encryption_wanted(host, context_.loop.now()))
      refusal.text += "; it takes no mail in clear";
    else
      attempt.next = Manner::clear;
    walk.failed(std::move(refusal));
    co_return nullptr;
  }
  if (judgement.verdict == Verdict::refuse) {
    const DemandResult* decisive = judgement.decisive();
    const DemandFailure& failure = decisive->failures.front();
    refused(attempt, walk, where(host, endpoint), failure.result_type,
            refusal_by(plan, proof, host, decisive->source, decisive->origin, failure.status, failure.text));
    if (!session->broken()) co_await session->quit();
    co_return nullptr;
  }
  const auto limit = session->extensions().size_limit;
  if (limit > 0 && walk.size() > limit) {
    walk.too_big(limit, host);
    co_await session->quit();
    co_return nullptr;
  }

  if (plan.smart_host && plan.smart_host->account) {
    auto kept_out = co_await log_in(context_, plan, host, endpoint, facts, *session);
    if (kept_out) {
      walk.failed(std::move(*kept_out));
      if (!session->broken()) co_await session->quit();
      co_return nullptr;
    }
  }

  auto connection = std::make_unique<Connection>(std::move(session), std::move(lease));
  connection->mx_host = host;
  connection->port = plan.next_hop.port;
  connection->endpoint = endpoint;
  connection->facts = std::move(facts);
  connection->report_class = plan.report;
  connection->offer = offer_of(plan, attempt.view);
  connection->proof = std::move(proof);
  co_return connection;
}

// No session was to be had at this address.
void Dialer::not_reached(const HostAttempt& attempt, const Endpoint& endpoint, Contact::Step step,
                         Contact& contact, Walk& walk) {
  const std::string& host = attempt.view.host.name;
  const SteadyTime avoid_until = context_.loop.now() + avoid_unreachable;
  if (step == Contact::Step::no_connection) {
    // Our own want of descriptors says nothing about the host, and is no attempt (T-27).
    if (contact.error().code == Errc::no_space && !planted(Plant::emfile_is_host_failure))
      return walk.no_place(host, attempt.view.host.preference);
    if (crowded(attempt, endpoint, walk)) return;
    context_.hosts.unreachable(host, avoid_until);
    return walk.unreachable(
        Refusal("4.4.1", "connect to " + where(host, endpoint) + ": " + contact.error().detail));
  }
  Refusal refusal = refusal_from(contact.failure(), host, endpoint);
  if (step == Contact::Step::not_secured) {  // and nothing ever in clear: that port knows no clear text
    refusal.proof = prove(attempt.plan, attempt.view, contact.facts(), context_.loop.believed().latest);
    count(attempt.plan, *refusal.proof, contact.session().get());
  } else if (!refusal.permanent() && crowded(attempt, endpoint, walk)) {
    return;
  }
  if (!refusal.permanent()) context_.hosts.unreachable(host, avoid_until);
  walk.failed(std::move(refusal));
}

// By the decision alone, or by what a session showed; `mx` with the address then.
void Dialer::refused(const HostAttempt& attempt, Walk& walk, const std::string& mx,
                     const std::string& result_type, Refusal refusal) {
  context_.totals.refused_by_policy.fetch_add(1, std::memory_order_relaxed);
  const auto colon = refusal.policy.find(':');
  log::info("host_refused",
            {{"id", attempt.tour.message()},
             {"domain", attempt.plan.recipient_domain},
             {"mx", mx},
             {"policy", refusal.policy.substr(0, colon)},
             {"origin", colon == std::string::npos ? std::string() : refusal.policy.substr(colon + 1)},
             {"result", result_type},
             {"why", refusal.text}});
  walk.refused_by_policy(std::move(refusal));
}

// Others of ours are in session there: what is refused is one more, and says nothing about the mail or the host.
bool Dialer::crowded(const HostAttempt& attempt, const Endpoint& endpoint, Walk& walk) {
  const std::string& host = attempt.view.host.name;
  const SteadyTime now = context_.loop.now();
  if (planted(Plant::crowd_is_host_failure) || !context_.hosts.crowded(host, endpoint, now)) return false;
  context_.totals.crowded.fetch_add(1, std::memory_order_relaxed);
  walk.no_place(host, attempt.view.host.preference, context_.hosts.connection_limit(host, endpoint, now));
  return true;
}

void Dialer::count(const Plan& plan, const Proof& proof, const smtp::ClientSession* session) {
  if (proof.facts && proof.facts->starttls == StartTls::established)
    context_.totals.handshakes.fetch_add(1, std::memory_order_relaxed);
  const auto& skip = proof.decision.skip;
  context_.totals.verdicts.count(proof.judgement, skip ? &*skip : nullptr);
  if (proof.report) return;  // T-44
  record_session(context_, proof, Occasion::handshake);
  tlsrpt::SessionRecord record;
  record.attempt_id = plan.rules->settings.node + "-" + MessageId::make(context_.loop.date()).to_string();
  record.when = context_.loop.date();
  record.policy_domain = proof.policy_domain;
  record.sts = proof.sts;
  record.dane = proof.dane;
  if (proof.facts) record.facts = *proof.facts;
  record.judgement = proof.judgement;
  record.skip = skip;
  record.mx_host = proof.mx_host;
  if (session != nullptr) {
    record.mx_helo = session->extensions().server_name;
    record.receiving_ip = session->peer().address;
    record.sending_ip = session->local().address;
  }
  context_.recorder.count(std::move(record));
}

}  // namespace sealpost::delivery
