// SPDX-License-Identifier: Apache-2.0
#include "delivery/look.hpp"

#include "route/dane_lookup.hpp"

namespace sealpost::delivery {

event::Task<HostView> look_at(const Context& context, const Plan& plan, const MxHost& host) {
  HostView view;
  view.host = host;
  view.dane.kind = DaneState::Kind::disabled;
  const Settings& settings = plan.rules->settings;
  const std::uint16_t port = plan.next_hop.port;
  view.loops = co_await leads_to_us(*plan.resolver, plan.mx, host.preference, port, settings.routing);
  if (view.loops) co_return view;
  view.addresses = co_await resolve_host(*plan.resolver, host.name, port, settings.routing);
  if (view.addresses.endpoints.empty()) co_return view;
  if (settings.dane && !plan.report)
    view.dane = co_await find_dane(*plan.resolver, plan.next_hop, plan.mx, host.name, view.addresses);
  view.decision = decide_for(plan, host, view.dane, context.loop.believed().latest);
  co_return view;
}

}  // namespace sealpost::delivery
