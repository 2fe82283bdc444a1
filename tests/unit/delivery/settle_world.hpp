// SPDX-License-Identifier: Apache-2.0
//
// The settler with a real journal on a simulated disk, behind a courier that gives every job the next planned end.
#pragma once

#include <doctest.h>

#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "delivery/settle.hpp"
#include "delivery_world.hpp"

namespace sealpost::delivery {

// Gives every job the next planned end.
class Script final : public queue::Courier {
 public:
  explicit Script(Settler& settler) : settler_(settler) {
    settings_.hostname = "relay.test";
    settings_.schedule = queue::Schedule(short_schedule());
  }
  event::Task<void> serve(queue::Lane& lane) override {
    for (queue::JobPtr job = lane.take(); job; job = lane.take()) {
      REQUIRE_FALSE(ends.empty());
      AttemptEnd end = ends.front();
      if (ends.size() > 1) ends.pop_front();
      ++attempts;
      settler_.settle(lane, std::move(job), std::move(end), settings_);
      co_await settler_.room();
    }
  }
  void end(queue::Lane& lane, queue::JobPtr job, const queue::LastWord& word,
           std::shared_ptr<void> recorded) override {
    settler_.settle_by_operator(lane, std::move(job), word, std::move(recorded), settings_);
  }
  std::deque<AttemptEnd> ends;
  std::size_t attempts = 0;

 private:
  Settler& settler_;
  Settings settings_;
};

struct SettleWorld : DeliveryWorld {
  SettleWorld() { begin(); }
  ~SettleWorld() { shard.reset(); }  // its tasks wait for what is ours

  void begin() {
    settler = std::make_unique<Settler>(*context);
    script = std::make_unique<Script>(*settler);
    shard->start(*script);
  }
  using DeliveryWorld::accept;
  MessageId accept(std::string from, std::vector<std::string> to, MessageClass kind = MessageClass::normal) {
    spool::NewMessage made = message(std::move(from), std::move(to));
    made.envelope.message_class = kind;
    return accept(std::move(made));
  }
  // The process dies now; the disk keeps what was synced.
  std::vector<spool::StoredMessagePtr> crash() {
    shard.reset();
    script.reset();
    settler.reset();
    auto recovered = reopen();
    begin();
    return recovered;
  }

  std::unique_ptr<Settler> settler;
  std::unique_ptr<Script> script;
};

inline RecipientFate fate_of(std::uint32_t recipient, Fate fate, std::string status, std::string words,
                             bool remote = true) {
  RecipientFate result;
  result.recipient = recipient;
  result.fate = fate;
  result.status = std::move(status);
  result.diagnostic = std::move(words);
  result.remote = remote;
  return result;
}

inline AttemptEnd end_with(RecipientFate fate) {
  AttemptEnd end;
  end.remote_mta = "mx.b.example";
  end.fates.push_back(std::move(fate));
  return end;
}

}  // namespace sealpost::delivery
