// SPDX-License-Identifier: Apache-2.0
//
// HeldNotices: notifications that could not be delivered are held for the operator (T-36), for a time. Senders that do
// not exist would fill the queue with them for ever.
#pragma once

#include "delivery/notice_budget.hpp"
#include "event/task.hpp"
#include "queue/dispatcher.hpp"
#include "spool/spool.hpp"

namespace sealpost::delivery {

class HeldNotices {
 public:
  // On `loop`; the others outlive it.
  HeldNotices(event::Loop& loop, spool::Spool& spool, queue::Dispatcher& dispatcher, NoticeBudget& budget)
      : loop_(loop), spool_(spool), dispatcher_(dispatcher), budget_(budget) {}

  event::Task<void> run();    // for ever
  event::Task<void> sweep();  // once: counts them, and removes those that were kept long enough

 private:
  event::Loop& loop_;
  spool::Spool& spool_;
  queue::Dispatcher& dispatcher_;
  NoticeBudget& budget_;
};

}  // namespace sealpost::delivery
