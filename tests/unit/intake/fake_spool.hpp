// SPDX-License-Identifier: Apache-2.0
//
// A spool in memory that keeps, refuses or lets wait on command.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "event/wait.hpp"
#include "intake/sink.hpp"
#include "spool/spool.hpp"

namespace sealpost::test {

class FakeSpool final : public spool::Spool {
 public:
  std::optional<Error> room_error, append_error, store_error;
  bool sound = true;              // what healthy() says
  event::Signal* gate = nullptr;  // appends and stores wait for it

  std::vector<spool::StoredMessagePtr> stored;
  std::map<MessageId, std::string> parts;   // written ahead, not yet stored or discarded
  std::vector<std::string> pieces;          // all that was ever written ahead
  std::map<MessageId, std::string> bodies;  // of what is stored
  std::size_t appends = 0, largest_part = 0, discarded = 0;
  mutable std::uint64_t room_asked = 0;

  Expected<void> room_for(std::uint64_t size) const override {
    room_asked = size;
    if (room_error) return *room_error;
    return {};
  }
  bool healthy() const noexcept override { return sound; }
  event::Task<Expected<spool::Extent>> append_body(event::Loop&, MessageId id, std::string bytes) override {
    if (gate) co_await gate->wait();
    if (append_error) co_return *append_error;
    ++appends;
    largest_part = std::max(largest_part, bytes.size());
    parts[id] += bytes;
    spool::Extent extent;
    extent.segment = pieces.size();
    pieces.push_back(bytes);
    extent.length = static_cast<std::uint32_t>(bytes.size());
    co_return extent;
  }
  void discard(MessageId id) noexcept override { discarded += parts.erase(id); }
  event::Task<Expected<spool::StoredMessagePtr>> store(event::Loop&, spool::NewMessage message) override {
    if (gate) co_await gate->wait();
    if (store_error) co_return *store_error;
    auto kept = std::make_shared<spool::StoredMessage>();
    kept->id = message.id;
    std::string body;
    for (const spool::Extent& chunk : message.chunks) body += pieces.at(chunk.segment);
    body += message.body;
    parts.erase(message.id);
    kept->size = body.size();
    bodies[message.id] = std::move(body);
    kept->envelope = std::move(message.envelope);
    stored.push_back(kept);
    co_return spool::StoredMessagePtr(kept);
  }
  const std::string& body(std::size_t number) const { return bodies.at(stored.at(number)->id); }

  // Not used by intake.
  event::Task<Expected<void>> begin_attempt(event::Loop&, MessageId, std::vector<std::uint32_t>) override {
    co_return Error(Errc::unavailable, "fake");
  }
  event::Task<Expected<std::vector<spool::StoredMessagePtr>>> finish_attempt(
      event::Loop&, spool::Outcome, std::vector<spool::NewMessage>) override {
    co_return Error(Errc::unavailable, "fake");
  }
  event::Task<Expected<void>> hold(event::Loop&, MessageId, bool, std::string) override {
    co_return Error(Errc::unavailable, "fake");
  }
  event::Task<Expected<void>> reroute(event::Loop&, MessageId, std::vector<std::uint32_t>,
                                      std::string) override {
    co_return Error(Errc::unavailable, "fake");
  }
  std::unique_ptr<spool::BodyReader> open(event::Loop&, spool::StoredMessagePtr) override { return nullptr; }
  std::vector<spool::StoredMessagePtr> take_recovered() override { return {}; }
  Counters counters() const override { return {}; }
};

}  // namespace sealpost::test
