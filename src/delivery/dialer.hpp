// SPDX-License-Identifier: Apache-2.0
//
// Dialer: from a lane's plan to a session that may be used. Walks the MX hosts in order (S37: a host that
// fails the policy is treated as unreachable), decides per host, reuses an idle connection or opens one,
// negotiates TLS, judges, and counts every handshake for TLS-RPT. Clear text only when no demand forbids it,
// and after a failed handshake only on a new connection (P3).
#pragma once

#include <memory>
#include <variant>

#include "delivery/contact.hpp"
#include "delivery/context.hpp"
#include "delivery/plan.hpp"
#include "delivery/proof.hpp"
#include "delivery/tour.hpp"
#include "delivery/walk.hpp"

namespace sealpost::delivery {

using DialResult = std::variant<std::unique_ptr<Connection>, Refusal>;

class Dialer {
 public:
  Dialer(Context& context, ConnectionPool& pool) : context_(context), pool_(pool) {}
  // `size` in octets: hosts that state a smaller limit are passed over (X1).
  // `tour`: where this attempt has been; what is tried now is added. It must outlive the task.
  event::Task<DialResult> dial(const Plan& plan, std::uint64_t size, Tour& tour);
  // Messages this session may carry.
  std::uint32_t most_messages(const Plan& plan, const Connection& connection) const;

 private:
  struct HostAttempt;
  event::Task<std::unique_ptr<Connection>> try_host(const Plan& plan, const HostView& view, Walk& walk,
                                                    Tour& tour);
  event::Task<std::unique_ptr<Connection>> try_endpoint(HostAttempt& attempt, Endpoint endpoint, Walk& walk);
  event::Task<std::unique_ptr<Connection>> open(HostAttempt& attempt, Endpoint endpoint, Manner manner,
                                                Walk& walk);
  void not_reached(const HostAttempt& attempt, const Endpoint& endpoint, Contact::Step step, Contact& contact,
                   Walk& walk);
  void refused(const HostAttempt& attempt, Walk& walk, const std::string& mx, const std::string& result_type,
               Refusal refusal);
  bool crowded(const HostAttempt& attempt, const Endpoint& endpoint, Walk& walk);
  void count(const Plan& plan, const Proof& proof, const smtp::ClientSession* session);

  Context& context_;
  ConnectionPool& pool_;
};

}  // namespace sealpost::delivery
