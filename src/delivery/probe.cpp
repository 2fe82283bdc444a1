// SPDX-License-Identifier: Apache-2.0
#include "delivery/probe.hpp"

#include <algorithm>

#include "delivery/contact.hpp"

namespace sealpost::delivery {
namespace {

using namespace std::chrono_literals;
constexpr auto step_limit = 10s;  // greeting, EHLO, STARTTLS, handshake: each
constexpr auto host_limit = 30s;  // one host, all its addresses; hosts are probed side by side

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
    view_ = co_await look_at(context_, plan_, host_);
    if (view_.loops) co_return unreachable(std::string(leads_here));
    if (view_.addresses.endpoints.empty()) co_return unreachable(view_.addresses.why);
    result_.dane = view_.dane;
    result_.decision = view_.decision;
    if (const auto& skip = view_.decision.skip) {
      result_.outcome = HostProbe::Outcome::passed_over;
      result_.why = skip->text;
      co_return std::move(result_);
    }
    const std::size_t most = std::min(view_.addresses.endpoints.size(), endpoints_per_host);
    for (std::size_t i = 0; i < most; ++i) {
      const Endpoint endpoint = view_.addresses.endpoints[i];
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
    Manner manner = first_manner(plan_, view_);
    for (;;) {  // twice at most: see Contact::Step::stalled
      Contact contact(context_, plan_, view_, endpoint, manner, limits_, Contact::Tickets::refused);
      auto step = co_await contact.greet();
      if (step == Contact::Step::done) step = co_await contact.encrypt();
      switch (step) {
        case Contact::Step::done: break;
        case Contact::Step::stalled: manner = Manner::classical; continue;
        case Contact::Step::no_connection: co_return not_this_one(endpoint, contact.error().detail);
        case Contact::Step::not_greeted: co_return not_this_one(endpoint, contact.failure().error.detail);
        case Contact::Step::not_secured: break;  // what it showed is judged
      }
      smtp::ClientSession& session = *contact.session();
      conclude(contact.facts(), endpoint, session.extensions().server_name);
      if (!session.broken()) co_await session.quit();
      co_return true;
    }
  }

  void conclude(SessionFacts facts, const Endpoint& endpoint, const std::string& server_name) {
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
  HostView view_;
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
