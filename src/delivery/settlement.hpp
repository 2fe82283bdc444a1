// SPDX-License-Identifier: Apache-2.0
//
// What has been decided about one job, or a part of it, and now becomes durable. Between settle.cpp and notices.cpp.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/text.hpp"
#include "delivery/notice_budget.hpp"
#include "delivery/proof.hpp"
#include "delivery/settle.hpp"

namespace sealpost::delivery {

struct Settler::Settlement {
  Settlement(queue::JobOwner& lane_, queue::JobPtr job_)
      : lane(&lane_), job(std::move(job_)), message(job->message) {}
  explicit Settlement(spool::StoredMessagePtr message_) : message(std::move(message_)) {}
  // What becomes durable of one recipient. `unmet`: what refused it, when there was no session.
  void say(const RecipientFate& fate, spool::RecipientState state, spool::AnswerPtr answer,
           const ProofPtr& unmet);
  queue::JobOwner* lane = nullptr;
  queue::JobPtr job;  // null: a part of one that goes on
  spool::StoredMessagePtr message;
  spool::Outcome outcome;
  std::vector<DsnRecipient> failed, delayed, relayed;
  std::string hostname, postmaster;
  std::optional<queue::LaneKey> other_lane;  // where those still waiting go on
  std::optional<Duration> success_later;     // the notice of what was relayed has its turn after this
  NoticeBudget::SuccessPlace success_place;  // among those that wait
  MessageId success_id;                      // of that notice
  std::vector<ProofPtr> proofs;              // whose texts the outcome carries
  std::shared_ptr<void> recorded, place;     // of AttemptEnd
};

}  // namespace sealpost::delivery
