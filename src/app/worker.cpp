// SPDX-License-Identifier: Apache-2.0
#include "app/worker.hpp"

#include <future>

#include "base/random.hpp"

namespace sealpost::app {
namespace {

using namespace std::chrono_literals;
constexpr auto drained_every = 20ms;
constexpr auto outcomes_limit = 1s;

}  // namespace

Worker::Worker(event::EventLoop& loop, Shared& shared, queue::ShardSettings settings,
               const queue::Schedule& schedule, std::unique_ptr<tls::OpensslClient> tls)
    : shared_(shared),
      loop_(loop),
      resolver_(loop_, shared.resolver),
      connector_(loop_),
      tls_(std::move(tls)),
      shard_(loop_, settings, schedule),
      scope_(loop_) {}

Worker::~Worker() { stop(); }

void Worker::connect(queue::Dispatcher& dispatcher, delivery::RulesPtr rules) {
  context_ = std::make_unique<delivery::Context>(
      delivery::Context{loop_, resolver_, shared_.sts, *tls_, connector_, shared_.spool, shared_.recorder,
                        dispatcher, shared_.hosts, shared_.nx_guard, shared_.totals,
                        [] { return static_cast<std::uint32_t>(random_below(1ULL << 32)); }, shared_.evidence,
                        shared_.notices, shared_.sites, shared_.clock, shared_.health});
  courier_ = std::make_unique<delivery::DeliveryCourier>(*context_, std::move(rules));
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

void Worker::hurry() {
  loop_.post([this] {
    hurried_ = true;
    for (auto& acceptor : acceptors_) acceptor->cut("the second signal");
  });
}

event::Task<void> Worker::couriers_end(SteadyTime until) {
  while (shard_.couriers() > 0 && loop_.now() < until && !hurried_)
    co_await event::sleep_for(loop_, drained_every);
  // What a host has answered already must not go out again.
  const SteadyTime last = loop_.now() + outcomes_limit;
  while (courier_->outcomes_under_way() > 0 && loop_.now() < last)
    co_await event::sleep_for(loop_, drained_every);
}

event::Task<void> Worker::drain(Duration grace) {
  const SteadyTime until = event::deadline(loop_.now(), grace);
  shard_.drain();
  {
    event::TaskScope ending(loop_);  // all at once: the grace is one for everyone
    for (auto& acceptor : acceptors_) ending.spawn(acceptor->drain(grace));
    ending.spawn(couriers_end(until));
    co_await ending.join();
  }
  courier_->close_idle();
}

}  // namespace sealpost::app
