// SPDX-License-Identifier: Apache-2.0
//
// What is known of one host of a plan before it is contacted: whether it is this relay itself, its addresses, its TLSA
// records, and what follows for a session with it. The one ladder of these questions: delivery (dialer.hpp), the probe
// (probe.hpp) and the explanation (explain.hpp) climb it and cannot tell different stories.
#pragma once

#include <string_view>

#include "delivery/plan.hpp"
#include "route/mx_lookup.hpp"

namespace sealpost::delivery {

// Of a host that loops, for people.
inline constexpr std::string_view leads_here = "it, or a host before it, is this relay itself";

struct HostView {
  HostView() = default;
  MxHost host;
  bool loops =
      false;  // it, or a host before it, is this relay: not to be used (RFC 5321 §5.1); nothing below is known
  HostAddresses addresses;  // none: it cannot be used, and `why` says so; nothing below is known
  DaneState dane;
  Decision decision;
};

// `plan` and `host` must outlive the task. The decision is of the moment it is made, by the later reading of a doubted clock: an
// exception or a certificate counts only when it has not ended under either (T-50).
event::Task<HostView> look_at(const Context& context, const Plan& plan, const MxHost& host);

}  // namespace sealpost::delivery
