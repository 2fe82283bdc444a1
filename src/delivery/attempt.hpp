// SPDX-License-Identifier: Apache-2.0
//
// Attempt: one job on its way along the hosts of its next hop, from the session it begins with to the fate of every
// recipient. What one host cannot take now goes on to the next (RFC 5321 §5.1); what a host took is on record before
// another is dialled (D-13) and never offered again (D-16); what may have been taken is offered to nobody (D-15).
// outcome.hpp says which is which, tour.hpp how far an attempt goes.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "delivery/context.hpp"
#include "delivery/dialer.hpp"
#include "delivery/settle.hpp"
#include "delivery/tour.hpp"
#include "mail/seven_bit.hpp"

namespace sealpost::delivery {

class Attempt {
 public:
  // All outlive the attempt; `in_force` is looked at whenever it matters which rules hold.
  Attempt(Context& context, Dialer& dialer, ConnectionPool& pool, Settler& settler, const RulesPtr& in_force);

  // Begins in the session of `connection`, which afterwards is one that more mail may use, or null or broken. Settles
  // the job; or gives it back, with nothing said about it to anybody, because `plan` no longer holds: rules or the
  // domain's policy have changed since it was made.
  event::Task<queue::JobPtr> run(queue::JobOwner& lane, queue::JobPtr job, Plan& plan, Tour tour,
                                 std::unique_ptr<Connection>& connection);

 private:
  // What one session did to the recipients it was given.
  struct Visit {
    Visit() = default;
    std::vector<RecipientFate> fates;
    std::uint32_t transactions = 0, accepted = 0;
    Duration took{0};         // the last transaction, when its size does not tell in it
    bool stale = false;       // stopped because the plan no longer holds
    bool spent = false;       // ended having carried what the host takes in one session
    bool ambiguous = false;   // D-15
    bool unreadable = false;  // our spool's trouble, not the lane's
    bool failed = false;      // the session was lost
    bool soon = false;        // for a reason that is gone when the host is asked again
    bool orderly = true;      // whatever was refused was refused for its own sake
  };
  event::Task<bool> holds(Plan& plan);
  event::Task<Visit> visit(Connection& connection, const queue::Job& job, std::vector<std::uint32_t> left,
                           Plan& plan);
  static void leave_unfit(Visit& visit, const Connection& connection, const queue::Job& job,
                          std::vector<std::uint32_t>& left);
  static bool takes_binary(const Connection& connection, const Settings& settings);
  event::Task<std::shared_ptr<const SevenBitPlan>> plan_conversion(Visit& visit, const Connection& connection,
                                                                   const queue::Job& job,
                                                                   const Settings& settings,
                                                                   std::vector<std::uint32_t>& left);
  static void refuse_conversion(Visit& visit, const Connection& connection, const SevenBitPlan& plan,
                                const char* lacks, std::vector<std::uint32_t>& left);
  static void end_unfit(std::vector<RecipientFate>& fates);
  void took_part(Visit& visit, Connection& connection, const Plan& plan, const smtp::Transaction& sent,
                 const smtp::TransactionResult& result, std::vector<std::uint32_t>& left);
  void tell_of_relay(const Plan& plan, const Connection& connection, const smtp::TransactionResult& result);
  void leave(Tour& tour, const Visit& visit, Connection& connection);
  event::Task<DialResult> dial_on(const Plan& plan, std::uint64_t size, Tour& tour);

  Context& context_;
  Dialer& dialer_;
  ConnectionPool& pool_;
  Settler& settler_;
  const RulesPtr& in_force_;
  // A host that ended a session after so many messages: learned when the next session with it works.
  std::optional<std::pair<std::string, std::uint32_t>> suspected_;
};

}  // namespace sealpost::delivery
