// SPDX-License-Identifier: Apache-2.0
#include "delivery/dialer.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "delivery/dane_lookup.hpp"
#include "sealpost/verdict.hpp"

namespace sealpost::delivery {
namespace {

using namespace std::chrono_literals;
constexpr std::size_t endpoints_per_host = 4;
constexpr auto avoid_unreachable = 1min;

std::string where(const std::string& host, const Endpoint& endpoint) {
  return host + "[" + endpoint.address.to_string() + "]:" + std::to_string(endpoint.port);
}

// The part of the session key that says what the handshake had to prove (T-07, S43).
std::string requirement_key(const Requirement& requirement) {
  std::string key;
  for (const Demand& demand : requirement.demands) {
    key += std::string(name_of(demand.source)) + (demand.force == Force::enforce ? "!" : "?") +
           demand.version + ";";
  }
  return key;
}

// "mta-sts:20240101,partner:Noord": what was asked, and what of it did not hold.
std::string policy_text(const Judgement& judgement) {
  std::string text;
  for (const DemandResult& result : judgement.results) {
    if (!text.empty()) text += ",";
    text += std::string(name_of(result.source));
    if (!result.origin.empty()) text += ":" + result.origin;
    if (result.force == Force::observe) text += "(observed)";
    if (!result.satisfied()) text += "(failed)";
  }
  return text.empty() ? "none" : text;
}

// 500 and 502 are what a server says that has never heard of EHLO (RFC 5321 §4.2.4).
bool refused_ehlo(const smtp::SessionError& error) {
  return error.stage == smtp::Stage::ehlo && error.reply &&
         (error.reply->code == 500 || error.reply->code == 502);
}

}  // namespace

// What the walk over the hosts has met so far.
struct Dialer::Walk {
  explicit Walk(std::uint64_t size_) : size(size_) {}
  std::uint64_t size;
  Refusal last{"4.4.1", "no host could be reached"};
  bool by_policy = false;
  Refusal policy;  // the first refusal by policy, which explains more than a later timeout
  std::size_t hosts = 0;
  std::size_t too_big = 0;
  std::size_t closed_for_good = 0;  // 521
  bool fall_back_to_clear = false;  // the handshake failed where clear text is allowed
  bool no_place = false;            // our own limit of connections to a host

  void failed(Refusal refusal) { last = std::move(refusal); }
  void refused(Refusal refusal) {
    last = refusal;
    if (!by_policy) policy = std::move(refusal);
    by_policy = true;
  }
};

struct Dialer::HostAttempt {
  HostAttempt(const Plan& plan_, const MxHost& host_) : plan(plan_), host(host_) {}
  const Plan& plan;
  const MxHost& host;
  HostAddresses addresses;
  DaneState dane;
  Decision decision;
};

event::Task<DialResult> Dialer::dial(const Plan& plan, std::uint64_t size) {
  Walk walk(size);
  std::vector<MxHost> order = plan.mx.hosts;
  const SteadyTime now = context_.loop.now();
  // Preference decides (RFC 5321 §5.1). A host that could not be reached within the last minute counts as tried: it
  // comes after the others, so that a dead first MX does not cost every message its connect timeout.
  std::stable_sort(order.begin(), order.end(), [&](const MxHost& a, const MxHost& b) {
    return context_.hosts.avoid(a.name, now) < context_.hosts.avoid(b.name, now);
  });
  const RoutingSettings& routing = plan.rules->settings.routing;
  for (const MxHost& host : order) {
    const bool loops =
        co_await leads_to_us(context_.resolver, plan.mx, host.preference, plan.next_hop.port, routing);
    if (loops) continue;
    ++walk.hosts;
    auto connection = co_await try_host(plan, host, walk);
    if (connection) co_return DialResult(std::move(connection));
  }
  if (walk.hosts == 0)
    co_return DialResult(Refusal("5.4.6", "mail for " + plan.next_hop.domain + " loops back to this relay"));
  Refusal refusal = walk.by_policy ? walk.policy : walk.last;
  if (walk.too_big > 0 && walk.too_big == walk.hosts) {
    refusal = Refusal("5.3.4", "message of " + std::to_string(size) +
                                   " octets is too big for every host of " + plan.next_hop.domain);
    refusal.scope = Refusal::Scope::message;
  } else if (walk.closed_for_good < walk.hosts && refusal.permanent()) {
    refusal.status.front() = '4';
  }
  refusal.no_place = walk.no_place && !walk.by_policy;
  co_return DialResult(std::move(refusal));
}

event::Task<std::unique_ptr<Connection>> Dialer::try_host(const Plan& plan, const MxHost& host, Walk& walk) {
  HostAttempt attempt(plan, host);
  const Settings& settings = plan.rules->settings;
  attempt.addresses =
      co_await resolve_host(context_.resolver, host.name, plan.next_hop.port, settings.routing);
  if (attempt.addresses.endpoints.empty()) {
    walk.failed(Refusal(attempt.addresses.status, attempt.addresses.why));
    co_return nullptr;
  }
  attempt.dane.kind = DaneState::Kind::disabled;
  if (settings.dane && !plan.report)
    attempt.dane =
        co_await find_dane(context_.resolver, plan.next_hop, plan.mx, host.name, attempt.addresses);

  const SystemTime now = context_.loop.wall();
  attempt.decision = decide_for(plan, host, attempt.dane, now);
  if (attempt.decision.skip) {
    const auto& skip = *attempt.decision.skip;
    count(attempt, nullptr, Judgement(), nullptr);
    Refusal refusal(skip.status, skip.text);
    refusal.by_policy = true;
    refusal.by_partner = skip.source == Source::partner;
    if (refusal.by_partner) refusal.rule = skip.origin;
    refusal.sts_involved = skip.source == Source::mta_sts;
    walk.refused(std::move(refusal));
    context_.totals.refused_by_policy.fetch_add(1, std::memory_order_relaxed);
    co_return nullptr;
  }

  const Requirement& requirement = attempt.decision.requirement;
  auto pooled = pool_.take(host.name, plan.next_hop.port, plan.report, [&](const Connection& candidate) {
    if (candidate.messages >= settings.messages_per_connection) return false;
    const auto limit = candidate.session->extensions().size_limit;
    if (limit > 0 && walk.size > limit) return false;
    SessionFacts facts = candidate.facts;
    facts.mx_from_dnssec = plan.mx.dnssec == dns::Dnssec::secure;
    return judge(requirement, facts, now).verdict != Verdict::refuse;
  });
  if (pooled) {
    context_.totals.reused.fetch_add(1, std::memory_order_relaxed);
    pooled->policy_text = policy_text(judge(requirement, pooled->facts, now));
    co_return pooled;
  }

  const std::size_t most = std::min(attempt.addresses.endpoints.size(), endpoints_per_host);
  for (std::size_t i = 0; i < most; ++i) {
    const Endpoint endpoint = attempt.addresses.endpoints[i];
    auto connection = co_await try_endpoint(attempt, endpoint, walk);
    if (connection) co_return connection;
  }
  co_return nullptr;
}

event::Task<std::unique_ptr<Connection>> Dialer::try_endpoint(HostAttempt& attempt, Endpoint endpoint,
                                                              Walk& walk) {
  walk.fall_back_to_clear = false;
  auto connection = co_await open(attempt, endpoint, attempt.decision.try_tls, walk);
  if (connection) co_return connection;
  if (walk.fall_back_to_clear)
    connection = co_await open(attempt, endpoint, false, walk);  // P3: a fresh connection, in clear
  co_return connection;
}

tls::ClientOptions Dialer::options_for(const HostAttempt& attempt, bool classical_only) const {
  const Settings& settings = attempt.plan.rules->settings;
  tls::ClientOptions options;
  const bool dane = attempt.dane.kind == DaneState::Kind::usable;
  options.server_name = dane ? attempt.dane.base_domain : attempt.host.name;  // RFC 7672 §8.1, RFC 8461 §7.1
  options.minimum = TlsVersion::tls1_2;
  const Requirement& requirement = attempt.decision.requirement;
  for (const Demand& demand : requirement.demands) {
    if (demand.force != Force::enforce) continue;
    options.minimum = std::max(options.minimum, demand.minimum);
    if (demand.starttls) options.strong_only = true;
  }
  if (dane) options.tlsa = attempt.dane.usable;
  options.classical_groups_only = classical_only;
  options.session_key = attempt.host.name + ":" + std::to_string(attempt.plan.next_hop.port) + "|" +
                        options.server_name + "|" + settings.trust_id + "|" + requirement_key(requirement);
  return options;
}

event::Task<std::unique_ptr<Connection>> Dialer::open(HostAttempt& attempt, Endpoint endpoint, bool tls,
                                                      Walk& walk) {
  const Plan& plan = attempt.plan;
  const Settings& settings = plan.rules->settings;
  const Requirement& requirement = attempt.decision.requirement;
  const std::string& host = attempt.host.name;
  const SteadyTime avoid_until = context_.loop.now() + avoid_unreachable;

  auto lease = context_.hosts.acquire(host);
  if (!lease) {
    walk.no_place = true;
    walk.failed(Refusal("4.4.5", "no free connection to " + host));
    co_return nullptr;
  }
  auto stream = co_await context_.connector.connect(endpoint, settings.limits.connect);
  if (!stream) {
    context_.hosts.unreachable(host, avoid_until);
    walk.failed(Refusal("4.4.1", "connect to " + where(host, endpoint) + ": " + stream.error().detail));
    co_return nullptr;
  }
  context_.totals.connections.fetch_add(1, std::memory_order_relaxed);
  auto session =
      std::make_unique<smtp::ClientSession>(std::move(*stream), settings.hostname, settings.limits);
  auto greeted = co_await session->open(!requirement.tls_required());
  // A host that knows no EHLO offers no STARTTLS: judged and counted as such, not as an unreachable one.
  const bool knows_no_ehlo = !greeted && requirement.tls_required() && refused_ehlo(greeted.error());
  if (!greeted && !knows_no_ehlo) {
    if (greeted.error().reply && greeted.error().reply->code == 521)
      ++walk.closed_for_good;
    else
      context_.hosts.unreachable(host, avoid_until);
    walk.failed(refusal_from(greeted.error(), host, endpoint));
    co_return nullptr;
  }
  context_.hosts.reached(host);

  SessionFacts facts;
  facts.starttls = StartTls::not_tried;
  bool handshake_failed = false;
  if (tls) {
    facts.starttls = StartTls::not_offered;
    if (session->extensions().starttls) {
      tls::ClientOptions options = options_for(attempt, false);
      auto started = co_await session->start_tls(context_.tls, std::move(options));
      if (started) {
        facts = *started;
      } else {
        facts = session->facts();
        facts.starttls = StartTls::handshake_failed;
        if (facts.handshake_error.empty()) facts.handshake_error = started.error().error.detail;
        handshake_failed = true;
      }
    }
  }
  facts.mx_host = host;
  facts.mx_from_dnssec = plan.mx.dnssec == dns::Dnssec::secure;
  const Judgement judgement = judge(requirement, facts, context_.loop.wall());
  if (tls) count(attempt, &facts, judgement, session.get());

  if (handshake_failed) {
    Refusal refusal("4.7.5",
                    "TLS handshake with " + where(host, endpoint) + " failed: " + facts.handshake_error);
    if (!requirement.tls_required()) {
      walk.failed(std::move(refusal));
      walk.fall_back_to_clear = true;
      co_return nullptr;
    }
  }
  if (judgement.verdict == Verdict::refuse) {
    const DemandResult* decisive = judgement.decisive();
    const DemandFailure& failure = decisive->failures.front();
    Refusal refusal(failure.status, failure.text);
    refusal.by_policy = true;
    refusal.by_partner = decisive->source == Source::partner;
    if (refusal.by_partner) refusal.rule = decisive->origin;
    refusal.sts_involved = decisive->source == Source::mta_sts;
    walk.refused(std::move(refusal));
    context_.totals.refused_by_policy.fetch_add(1, std::memory_order_relaxed);
    log::info("host_refused", {{"domain", plan.recipient_domain},
                               {"mx", where(host, endpoint)},
                               {"policy", name_of(decisive->source)},
                               {"origin", decisive->origin},
                               {"result", failure.result_type},
                               {"why", failure.text}});
    if (!session->broken()) co_await session->quit();
    co_return nullptr;
  }
  const auto limit = session->extensions().size_limit;
  if (limit > 0 && walk.size > limit) {
    ++walk.too_big;
    walk.failed(Refusal("4.3.4", host + " takes at most " + std::to_string(limit) + " octets"));
    co_await session->quit();
    co_return nullptr;
  }

  auto connection = std::make_unique<Connection>(std::move(session), std::move(lease));
  connection->mx_host = host;
  connection->port = plan.next_hop.port;
  connection->endpoint = endpoint;
  connection->facts = std::move(facts);
  connection->report_class = plan.report;
  connection->policy_text = policy_text(judgement);
  co_return connection;
}

void Dialer::count(const HostAttempt& attempt, const SessionFacts* facts, const Judgement& judgement,
                   const smtp::ClientSession* session) {
  if (facts != nullptr) {
    if (facts->starttls == StartTls::established)
      context_.totals.handshakes.fetch_add(1, std::memory_order_relaxed);
  }
  if (attempt.plan.report) return;  // T-44
  tlsrpt::SessionRecord record;
  record.attempt_id =
      attempt.plan.rules->settings.node + "-" + MessageId::make(context_.loop.wall()).to_string();
  record.when = context_.loop.wall();
  record.recipient_domain = attempt.plan.policy_domain;
  record.sts = attempt.plan.sts;
  record.dane = attempt.dane;
  if (facts != nullptr) record.facts = *facts;
  record.judgement = judgement;
  record.skip = attempt.decision.skip;
  record.mx_host = attempt.host.name;
  if (session != nullptr) {
    record.mx_helo = session->extensions().server_name;
    record.receiving_ip = session->peer().address;
    record.sending_ip = session->local().address;
  }
  context_.recorder.count(std::move(record));
}

}  // namespace sealpost::delivery
