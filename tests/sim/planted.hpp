// SPDX-License-Identifier: Apache-2.0
//
// Faults planted between the parts, one kind at a time. Without a plant these pass everything on.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "rng.hpp"
#include "sim_relay.hpp"

namespace sealpost::sim {

class SimRelay::PlantedClock final : public SharedClock {
 public:
  PlantedClock(const World& world, Plant plant)
      : SharedClock(event::SimLoop::default_start, world.clock_record, world.loop.wall(), world.loop.now()),
        loop_(world.loop),
        plant_(plant) {}
  Believed read(SystemTime wall, SteadyTime steady) override {
    Believed believed = SharedClock::read(wall, steady);
    if (plant_ == Plant::believe_any_clock) believed = Believed(wall);
    if (plant_ == Plant::exception_revives) believed.latest = wall;
    if (plant_ == Plant::expire_by_jump) {
      believed.now = wall;
      believed.in_doubt = false;
    }
    return believed;
  }
  SystemTime paced(SteadyTime steady) const noexcept override {
    const bool steps = plant_ == Plant::believe_any_clock || plant_ == Plant::wait_by_wall;
    return steps ? loop_.wall() : SharedClock::paced(steady);
  }

 private:
  const event::SimLoop& loop_;
  Plant plant_;
};

class SimRelay::PlantedSpool final : public spool::Spool {
 public:
  PlantedSpool(spool::Spool& real, Plant plant, Rng rng) : real_(real), plant_(plant), rng_(std::move(rng)) {}

  Expected<void> room_for(std::uint64_t size) const override { return real_.room_for(size); }
  bool healthy() const noexcept override { return plant_ == Plant::no_pause || real_.healthy(); }
  event::Task<Expected<spool::Extent>> append_body(event::Loop& home, MessageId id,
                                                   std::string bytes) override {
    return real_.append_body(home, id, std::move(bytes));
  }
  void discard(MessageId id) noexcept override { real_.discard(id); }
  event::Task<Expected<spool::StoredMessagePtr>> store(event::Loop& home, spool::NewMessage message) override;
  event::Task<Expected<void>> begin_attempt(event::Loop& home, MessageId id,
                                            std::vector<std::uint32_t> recipients) override {
    return real_.begin_attempt(home, id, std::move(recipients));
  }
  event::Task<Expected<std::vector<spool::StoredMessagePtr>>> finish_attempt(
      event::Loop& home, spool::Outcome outcome, std::vector<spool::NewMessage> dsns) override;
  event::Task<Expected<void>> hold(event::Loop& home, MessageId id, bool held, std::string reason) override {
    return real_.hold(home, id, held, std::move(reason));
  }
  event::Task<Expected<void>> reroute(event::Loop& home, MessageId id, std::vector<std::uint32_t> recipients,
                                      std::string next_hop) override {
    return real_.reroute(home, id, std::move(recipients), std::move(next_hop));
  }
  std::unique_ptr<spool::BodyReader> open(event::Loop& home, spool::StoredMessagePtr message) override {
    return real_.open(home, std::move(message));
  }
  std::vector<spool::StoredMessagePtr> take_recovered() override { return real_.take_recovered(); }
  Counters counters() const override { return real_.counters(); }

 private:
  spool::Spool& real_;
  Plant plant_;
  Rng rng_;
};

class SimRelay::PlantedSts final : public sts::StsService {
 public:
  PlantedSts(sts::StsService& real, Plant plant) : real_(real), plant_(plant) {}
  event::Task<StsState> state_for(event::Loop& home, std::string policy_domain, Duration hold) override {
    if (plant_ == Plant::no_policy) return none();
    return real_.state_for(home, std::move(policy_domain), hold);
  }
  event::Task<StsState> recheck(event::Loop& home, std::string policy_domain) override {
    return real_.recheck(home, std::move(policy_domain));
  }
  event::Task<std::vector<Entry>> entries(event::Loop& home, std::string filter) override {
    return real_.entries(home, std::move(filter));
  }
  event::Task<StsState> refresh(event::Loop& home, std::string policy_domain) override {
    return real_.refresh(home, std::move(policy_domain));
  }
  std::uint64_t version() const noexcept override { return real_.version(); }

 private:
  static event::Task<StsState> none() { co_return StsState(); }
  sts::StsService& real_;
  Plant plant_;
};

}  // namespace sealpost::sim
