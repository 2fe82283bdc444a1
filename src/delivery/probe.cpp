// SPDX-License-Identifier: Apache-2.0
#include "delivery/probe.hpp"

#include <algorithm>

#include "delivery/handshake.hpp"
#include "route/dane_lookup.hpp"
#include "smtp/client_session.hpp"

namespace sealpost::delivery {
namespace {

using namespace std::chrono_literals;
constexpr auto step_limit = 10s;  // greeting, EHLO, STARTTLS, handshake: each
constexpr auto host_limit = 30s;  // one host, all its addresses; hosts are probed side by side
constexpr std::size_t endpoints_per_host = 4;

// The context that a probe works in: the world is the same, what deliveries learn from and share is its own.
class Apart {
 public:
  explicit Apart(Context& shared)
      : hosts_(1000), context_{shared.loop,      shared.resolver, shared.sts, shared.tls,
                               shared.connector, shared.spool,    nobody_,    shared.dispatcher,
                               hosts_,           nx_guard_,       totals_,    shared.random} {}
  Context& context() noexcept { return context_; }

 private:
  struct Nobody final : tlsrpt::Recorder {
    void count(tlsrpt::SessionRecord) noexcept override {}
  };
  Nobody nobody_;
  HostRegistry hosts_;
  NxGuard nx_guard_;
  Totals totals_;
  Context context_;
};

smtp::ClientLimits patient(const smtp::ClientLimits& configured) {
  smtp::ClientLimits limits = configured;
  for (Duration* limit : {&limits.connect, &limits.greeting, &limits.ehlo, &limits.starttls})
    *limit = std::min<Duration>(*limit, step_limit);
  limits.quit = 2s;
  return limits;
}

class HostVisit {
 public:
  HostVisit(Context& context, const Plan& plan, const MxHost& host)
      : context_(context), plan_(plan), host_(host), limits_(patient(plan.rules->settings.limits)) {}

  event::Task<Expected<HostProbe>> run() {
    result_.mx = host_.name;
    result_.preference = host_.preference;
    result_.mx_secure = plan_.mx.dnssec == dns::Dnssec::secure;
    const Settings& settings = plan_.rules->settings;
    const bool loops = co_await leads_to_us(*plan_.resolver, plan_.mx, host_.preference, plan_.next_hop.port,
                                            settings.routing);
    if (loops) co_return unreachable("it, or a host before it, is this relay itself");
    const HostAddresses addresses =
        co_await resolve_host(*plan_.resolver, host_.name, plan_.next_hop.port, settings.routing);
    if (addresses.endpoints.empty()) co_return unreachable(addresses.why);
    result_.dane.kind = DaneState::Kind::disabled;
    if (settings.dane)
      result_.dane = co_await find_dane(*plan_.resolver, plan_.next_hop, plan_.mx, host_.name, addresses);
    result_.decision = decide_for(plan_, host_, result_.dane, context_.loop.believed().latest);
    if (result_.decision.skip) {
      result_.outcome = HostProbe::Outcome::passed_over;
      result_.why = result_.decision.skip->text;
      co_return std::move(result_);
    }
    const std::size_t most = std::min(addresses.endpoints.size(), endpoints_per_host);
    for (std::size_t i = 0; i < most; ++i) {
      const Endpoint endpoint = addresses.endpoints[i];
      const bool answered = co_await visit(endpoint);
      if (answered) co_return std::move(result_);
    }
    co_return unreachable("no address of it answered");
  }

 private:
  HostProbe unreachable(std::string why) {
    result_.outcome = HostProbe::Outcome::unreachable;
    result_.why = std::move(why);
    return std::move(result_);
  }

  bool not_this_one(const Endpoint& endpoint, const std::string& why) {
    result_.tried.push_back(endpoint.to_string() + ": " + why);
    return false;
  }

  event::Task<bool> visit(Endpoint endpoint) {
    for (const bool classical : {false, true}) {
      auto stream = co_await context_.connector.connect(endpoint, limits_.connect);
      if (!stream) co_return not_this_one(endpoint, stream.error().detail);
      smtp::ClientSession session(std::move(*stream), plan_.rules->settings.hostname, limits_);
      auto greeted = co_await session.open(!result_.decision.requirement.tls_required());
      const bool knows_no_ehlo = !greeted && refused_ehlo(greeted.error());
      if (!greeted && !knows_no_ehlo) co_return not_this_one(endpoint, greeted.error().error.detail);

      SessionFacts facts;
      facts.starttls = result_.decision.try_tls ? StartTls::not_offered : StartTls::not_tried;
      if (result_.decision.try_tls && session.extensions().starttls) {
        tls::ClientOptions options = client_options(plan_, host_, result_.dane, result_.decision, classical);
        options.session_key.clear();  // always a full handshake: the certificate is what one wants to see
        auto started = co_await session.start_tls(context_.tls, std::move(options));
        if (!started && !classical && stalled_in_handshake(started.error())) continue;
        facts = started ? *started : session.facts();
        if (!started) {
          facts.starttls = StartTls::handshake_failed;
          if (facts.handshake_error.empty()) facts.handshake_error = started.error().error.detail;
        }
      }
      conclude(std::move(facts), endpoint, session.extensions().server_name);
      if (!session.broken()) co_await session.quit();
      co_return true;
    }
    co_return false;
  }

  void conclude(SessionFacts facts, const Endpoint& endpoint, const std::string& server_name) {
    facts.mx_host = host_.name;
    result_.judgement = judge(result_.decision.requirement, facts, context_.loop.believed().latest);
    result_.facts = std::move(facts);
    result_.address = endpoint.to_string();
    result_.server_name = server_name;
    result_.outcome = HostProbe::Outcome::judged;
  }

  Context& context_;
  const Plan& plan_;
  const MxHost& host_;
  smtp::ClientLimits limits_;
  HostProbe result_;
};

event::Task<void> probe_host(Context& context, const Plan& plan, const MxHost& host, HostProbe& into) {
  HostVisit visit(context, plan, host);
  Expected<HostProbe> result = co_await event::within(context.loop, host_limit, visit.run());
  if (result) {
    into = std::move(*result);
    co_return;
  }
  into.mx = host.name;
  into.preference = host.preference;
  into.why = "it did not get through a handshake within " + to_duration_text(host_limit);
}

}  // namespace

event::Task<Probe> probe(Context& context, RulesPtr rules, queue::LaneKey key,
                         [[maybe_unused]] std::shared_ptr<void> place) {
  Apart apart(context);
  Probe result;
  result.recipient_domain = key.recipient_domain;
  result.next_hop = key.next_hop;
  result.when = context.loop.date();
  auto made = co_await make_plan(apart.context(), rules, key);
  if (const auto* refusal = std::get_if<Refusal>(&made)) {
    result.no_route = refusal->status + " " + refusal->text;
    co_return result;
  }
  const Plan& plan = std::get<Plan>(made);
  result.policy_domain = plan.policy_domain;
  result.partner = plan.partner;
  result.hop_partner = plan.hop_partner;
  result.sts = plan.sts;
  result.hosts.resize(plan.mx.hosts.size());
  event::TaskScope scope(context.loop);
  for (std::size_t i = 0; i < plan.mx.hosts.size(); ++i)
    scope.spawn(probe_host(apart.context(), plan, plan.mx.hosts[i], result.hosts[i]));
  co_await scope.join();
  co_return result;
}

}  // namespace sealpost::delivery
