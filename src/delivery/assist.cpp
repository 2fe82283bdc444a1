// SPDX-License-Identifier: Apache-2.0
//
// A courier's help for a lane of another worker (queue/loan.hpp). It plans and dials before it asks for a job: a lent
// job meets a connection that was judged for its own lane (T-07), or stays where it is. Whatever is wrong with the
// destination the lane's own couriers find and say; here it only ends the help.
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
  const Plan plan = std::get<Plan>(std::move(made));
  auto dialled = co_await dialer_.dial(plan, 0);
  if (std::holds_alternative<Refusal>(dialled)) co_return false;
  auto connection = std::get<std::unique_ptr<Connection>>(std::move(dialled));
  const auto usable = [&] {
    return context_.spool.healthy() && !connection->session->broken() && !connection->session->stale() &&
           plan.rules == rules_ && connection->messages < plan.rules->settings.messages_per_connection &&
           context_.loop.now() - plan.made < help_at_most;
  };
  while (usable()) {
    co_await settler_.room();
    queue::JobPtr job = loan.take();
    if (!job) {
      const bool more = co_await loan.wait_for_work();
      if (more) continue;
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
    co_await run_job(loan, std::move(job), *connection);
  }
  if (connection->session->broken()) co_return true;
  if (connection->messages >= plan.rules->settings.messages_per_connection) {
    pool_.close(std::move(connection));
  } else {
    pool_.put(std::move(connection));
  }
  co_return true;
}

}  // namespace sealpost::delivery
