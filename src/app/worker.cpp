// SPDX-License-Identifier: Apache-2.0
#include "app/worker.hpp"

#include <future>

#include "base/random.hpp"

namespace sealpost::app {
namespace {

event::Task<Expected<void>> joined(queue::Shard& shard) {
  co_await shard.join();
  co_return Expected<void>();
}

}  // namespace

Worker::Worker(Shared& shared, queue::ShardSettings settings, const queue::Schedule& schedule,
               std::unique_ptr<tls::OpensslClient> tls)
    : shared_(shared),
      resolver_(loop_, shared.resolver),
      connector_(loop_),
      tls_(std::move(tls)),
      shard_(loop_, settings, schedule),
      scope_(loop_) {}

Worker::~Worker() { stop(); }

void Worker::connect(queue::Dispatcher& dispatcher, delivery::RulesPtr rules,
                     const queue::Schedule& schedule) {
  context_ = std::make_unique<delivery::Context>(delivery::Context{
      loop_, resolver_, shared_.sts, *tls_, connector_, shared_.spool, shared_.recorder, dispatcher,
      shared_.hosts, shared_.nx_guard, shared_.totals,
      [] { return static_cast<std::uint32_t>(random_below(1ULL << 32)); }, shared_.evidence});
  courier_ = std::make_unique<delivery::DeliveryCourier>(*context_, std::move(rules), schedule);
}

// The loop belongs to the thread that made it until it runs: nobody may take himself for its thread meanwhile.
void Worker::start() {
  std::promise<void> running;
  loop_.post([&running] { running.set_value(); });
  thread_ = std::thread([this] { loop_.run(); });
  running.get_future().wait();
}

void Worker::stop() {
  if (!thread_.joinable()) return;
  loop_.stop();
  thread_.join();
}

event::Task<void> Worker::drain(Duration grace) {
  for (auto& acceptor : acceptors_) co_await acceptor->drain(grace);
  shard_.drain();
  const Expected<void> ended = co_await event::within(loop_, grace, joined(shard_));
  static_cast<void>(ended);  // what goes on after the grace is cut; its mail stays in the journal
  courier_->close_idle();
}

}  // namespace sealpost::app
