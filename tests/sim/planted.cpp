// SPDX-License-Identifier: Apache-2.0
#include "planted.hpp"

namespace sealpost::sim {

event::Task<Expected<spool::StoredMessagePtr>> SimRelay::PlantedSpool::store(event::Loop& home,
                                                                             spool::NewMessage message) {
  if (plant_ == Plant::lose_mail && rng_.chance(0.01)) {
    real_.discard(message.id);
    auto lost = std::make_shared<spool::StoredMessage>();
    lost->id = message.id;
    // No recipients: the queue has nothing to do for it.
    co_return spool::StoredMessagePtr(std::move(lost));
  }
  if (plant_ == Plant::arrival_from_future) message.envelope.arrival = home.wall();
  auto stored = co_await real_.store(home, std::move(message));
  if (plant_ == Plant::keep_refused && rng_.chance(0.01))
    co_return Error(Errc::unavailable, "planted: kept all the same");
  co_return stored;
}

event::Task<Expected<std::vector<spool::StoredMessagePtr>>> SimRelay::PlantedSpool::finish_attempt(
    event::Loop& home, spool::Outcome outcome, std::vector<spool::NewMessage> dsns) {
  if (plant_ == Plant::forget_done && rng_.chance(0.02)) co_return std::vector<spool::StoredMessagePtr>();
  auto finished = co_await real_.finish_attempt(home, std::move(outcome), std::move(dsns));
  co_return finished;
}

}  // namespace sealpost::sim
