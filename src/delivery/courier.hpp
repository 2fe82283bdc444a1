// SPDX-License-Identifier: Apache-2.0
//
// Courier: serves one lane. Takes jobs, dials, runs transactions, settles each recipient's fate: outcome and
// notification in one journal group, then the job goes back to the lane, finished or deferred.
#pragma once

#include <memory>
#include <optional>

#include "delivery/context.hpp"
#include "delivery/dialer.hpp"
#include "delivery/settle.hpp"

namespace sealpost::delivery {

class DeliveryCourier final : public queue::Courier {
 public:
  DeliveryCourier(Context& context, RulesPtr rules);

  event::Task<void> serve(queue::Lane& lane) override;
  event::Task<bool> assist(queue::Loan& loan) override;
  event::Task<Expected<void>> reroute(queue::Lane& lane, queue::JobPtr job, queue::LaneKey to,
                                      std::string next_hop) override;
  void end(queue::Lane& lane, queue::JobPtr job, const queue::LastWord& word,
           std::shared_ptr<void> recorded) override;

  queue::SitePtr limit_for(const queue::LaneKey& key) override;
  // New rules from the next attempt on. What waits for limits: Shard::ask_limits(), limit_sites().
  void set_rules(RulesPtr rules);
  const RulesPtr& rules() const noexcept { return rules_; }
  std::size_t idle_connections() const noexcept { return pool_.size(); }
  std::size_t outcomes_under_way() const noexcept { return settler_.pending(); }  // not in the journal yet
  void close_idle() { pool_.close_all(); }

 private:
  class Timed;
  bool routed_anew(queue::Lane& lane, queue::JobPtr& job);  // true: the job is in another lane
  bool paused(queue::Lane& lane, queue::JobPtr& job);       // true: the job went back
  event::Task<bool> begin(queue::JobOwner& lane, queue::JobPtr& job);
  event::Task<bool> deliver(queue::Lane& lane, queue::JobPtr job, std::optional<Plan>& plan,
                            std::unique_ptr<Connection>& connection);
  bool joins_site(queue::Lane& lane, const Plan& plan);  // false: it has to wait for its turn there
  event::Task<bool> policy_changed(const Plan& plan, const Refusal& refusal);
  void keep_or_close(std::unique_ptr<Connection>& connection, const Plan& plan);
  bool waits_for_turn(queue::Lane& lane, queue::JobPtr& job, const Plan& plan);  // true: the job went back
  event::Task<void> refuse_lane(queue::Lane& lane, queue::JobPtr job, const Plan* plan, Refusal refusal);

  Context& context_;
  RulesPtr rules_;
  ConnectionPool pool_;
  Dialer dialer_;
  Settler settler_;
  std::uint32_t routed_anew_ = 0;  // jobs
};

}  // namespace sealpost::delivery
