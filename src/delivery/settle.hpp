// SPDX-License-Identifier: Apache-2.0
//
// Settler: from each recipient's fate to what the journal, the sender and the queue are told. Expiry, delay
// notice and bounce are decided here and nowhere else; the outcome and the notification it causes are one
// group (D-17).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "delivery/context.hpp"
#include "delivery/outcome.hpp"
#include "mail/dsn.hpp"
#include "queue/shard.hpp"
#include "sealpost/verdict.hpp"

namespace sealpost::delivery {

inline constexpr std::chrono::minutes journal_pause{1};  // until what the journal did not take is tried again

// The circumstances of an attempt, for the log line, the notification and the schedule.
struct AttemptEnd {
  AttemptEnd() = default;
  std::vector<RecipientFate> fates;
  std::string remote_mta;
  bool ambiguous = false;  // D-15
  bool policy_refused = false;
  bool partner_refused = false;
  std::optional<PartnerRule> partner;
  bool soon = false;            // what is left goes on in a moment: it was not refused
  bool expiry_blocked = false;  // a policy changed just now: one more attempt before giving up (S38)
  SystemTime not_before{};      // the lane's back-off
  bool leave_gateway = false;   // the mail goes back to its own lane
  std::string mx;               // at which host that was, when no session says so
  std::shared_ptr<const queue::PolicyRefusal> refused;  // policy_refused: what did
  std::shared_ptr<const Proof> proof;                   // of whom no session is known: what refused showed
  std::shared_ptr<void> recorded;                       // let go when the outcome is on record
  std::shared_ptr<void> place;                          // Settler::place_of_many()
};

Meeting meeting_of(const Connection& connection);

class Settler {
 public:
  explicit Settler(Context& context);

  // Takes the job; it comes back to the lane (or the loan of one, which must last as long) when its outcome is durable. Returns at once: delivery goes on
  // meanwhile (D-13); at most `most_pending` outcomes are on their way, then the caller waits in room().
  void settle(queue::JobOwner& lane, queue::JobPtr job, AttemptEnd end, const Settings& settings);
  // The recipients of `end`, all delivered, become final now; the job goes on with the others (D-13).
  void settle_delivered(queue::Job& job, AttemptEnd end, const Settings& settings);
  // An operator's last word (queue::Courier::end()).
  void settle_by_operator(queue::JobOwner& lane, queue::JobPtr job, const queue::LastWord& word,
                          std::shared_ptr<void> recorded, const Settings& settings);
  event::Task<void> room();
  // A place (AttemptEnd::place) for an outcome of a whole lane's: those have a tenth of the places among them, and between two
  // others have their turn. A million messages that are refused together do not hold up one that is delivered or accepted,
  // and are not held up for ever by them (T-42).
  event::Task<std::shared_ptr<void>> place_of_many();
  // A lane that returns mail to its sender (queue::LaneKey::returns_to).
  event::Task<void> serve_notices(queue::Lane& lane, std::string hostname, std::string postmaster);
  std::size_t pending() const noexcept { return scope_.size(); }

 private:
  struct Settlement;
  event::Task<void> record(Settlement settlement);
  bool drops_notice(const queue::Job& job, const RecipientFate& fate);
  event::Task<void> write_down(Settlement& settlement);
  // notices.cpp
  std::vector<queue::JobPtr> postpone(Settlement& settlement);
  void postpone_failures(Settlement& settlement, NoticeBudget& budget, std::vector<queue::JobPtr>& later);
  void postpone_delay(Settlement& settlement, NoticeBudget& budget, std::vector<queue::JobPtr>& later);
  queue::JobPtr notice_job(const queue::Job& from, std::vector<std::uint32_t> recipients,
                           std::vector<DsnRecipient> told, Duration wait);
  void hand_over(const Envelope& envelope, std::vector<queue::JobPtr> later);
  event::Task<void> tell(queue::Lane& lane, std::vector<queue::JobPtr> jobs, std::string hostname,
                         std::string postmaster);
  void postpone_success(Settlement& settlement, NoticeBudget& budget);
  event::Task<void> success_waits(spool::StoredMessagePtr notice, std::string sender, Duration wait,
                                  NoticeBudget::SuccessPlace place);
  void let_success_go(queue::Lane& lane, queue::JobPtr job);
  event::Task<std::string> head_of(spool::StoredMessagePtr original);
  event::Task<std::vector<spool::NewMessage>> notifications(Settlement& settlement);
  void give_back(queue::JobOwner& lane, queue::JobPtr job, const std::optional<queue::LaneKey>& other_lane);
  void log_fates(const queue::Job& job, const AttemptEnd& end) const;
  void add_delivered(Settlement& settlement, const RecipientFate& fate, DsnRecipient told,
                     const spool::AnswerPtr& answer);

  Context& context_;
  std::size_t of_many_ = 0;  // places that are taken
  event::Signal recorded_;
  event::TaskScope scope_;
};

}  // namespace sealpost::delivery
