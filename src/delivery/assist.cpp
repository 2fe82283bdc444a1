// SPDX-License-Identifier: Apache-2.0
//
// A courier's help for a lane of another worker (queue/loan.hpp). It plans and dials before it asks for a job: a lent
// job meets a connection that was judged for its own lane (T-07), or stays where it is. Whatever is wrong with the
// destination the lane's own couriers find and say; here it only ends the help.
#include "delivery/attempt.hpp"
#include "delivery/courier.hpp"

namespace sealpost::delivery {
namespace {
using namespace std::chrono_literals;
constexpr auto help_at_most =
    30s;  // then plan and connection are looked at again, mostly from caches and the pool
}  // namespace

event::Task<bool> DeliveryCourier::assist(queue::Loan& loan) {
  if (!loan.key().returns_to.empty()) co_return false;  // a sender's notifications are gathered in one place
  auto made = co_await make_plan(context_, rules_, loan.key());
  if (std::holds_alternative<Refusal>(made)) co_return false;
  Plan plan = std::get<Plan>(std::move(made));
  if (plan.traffic.paced()) co_return false;  // the lane itself waits for the turns
  Tour first(1, context_.loop.now());
  auto dialled = co_await dialer_.dial(plan, 0, first);
  if (std::holds_alternative<Refusal>(dialled)) co_return false;
  auto connection = std::get<std::unique_ptr<Connection>>(std::move(dialled));
  const auto usable = [&] {
    return context_.spool.healthy() && connection && !connection->session->broken() &&
           !connection->session->stale() && plan.rules == rules_ &&
           context_.loop.now() - plan.made < help_at_most;
  };
  // Without this a lane would lend the next place at once, and that courier would do no better: a circle without an end.
  bool helped = false;
  while (usable()) {
    co_await settler_.room();
    queue::JobPtr job = loan.take();
    if (!job) {
      const bool more = co_await loan.wait_for_work();
      if (more) continue;
      helped = true;  // nothing is left to do
      break;
    }
    if (context_.dispatcher.misplaced(loan.key(),
                                      *job)) {  // where it goes is for the lane's own courier to say
      loan.put_back(std::move(job));
      break;
    }
    const auto limit = connection->session->extensions().size_limit;
    const bool too_big =
        limit > 0 && job->message->size > limit;  // another host may take it: for who dials for it
    if (too_big || !usable()) {
      loan.put_back(std::move(job));
      break;
    }
    const bool begun = co_await begin(loan, job);
    if (!begun) break;
    Tour tour(job->attempts, context_.loop.now());
    tour.about(job->message->id);
    Attempt attempt(context_, dialer_, pool_, settler_, rules_);
    job = co_await attempt.run(loan, std::move(job), plan, std::move(tour), connection);
    keep_or_close(connection, plan);
    if (job) {  // the plan no longer holds
      loan.put_back(std::move(job));
      break;
    }
    helped = true;
  }
  if (connection) pool_.put(std::move(connection));
  co_return helped;
}

}  // namespace sealpost::delivery
