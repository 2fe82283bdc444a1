// SPDX-License-Identifier: Apache-2.0
//
// Systems of the organisation that send mail through the relay: sessions with one or several messages, pipelined or
// not, some broken off. They never send a message twice, so what they were told is all there is to compare with.
#pragma once

#include <string>
#include <vector>

#include "event/line_stream.hpp"
#include "event/wait.hpp"
#include "ledger.hpp"
#include "world.hpp"

namespace sealpost::sim {

class Clients {
 public:
  Clients(World& world, Ledger& ledger, Endpoint relay);
  // One session with so many messages, in the background.
  void begin(std::uint64_t messages);
  void begin_poison();  // one message of World::poison
  std::size_t open() const noexcept { return scope_.size(); }
  void set_break_off(double probability) noexcept { break_off_ = probability; }

 private:
  struct Message;
  event::Task<void> session(std::uint64_t messages);
  event::Task<bool> send(event::LineStream& lines, const Message& message);
  event::Task<bool> send_envelope(event::LineStream& lines, const Message& message, bool& wanted);
  event::Task<std::string> reply(event::LineStream& lines);
  Message make_message();

  World& world_;
  Ledger& ledger_;
  Endpoint relay_;
  Rng rng_;
  double break_off_ = 0;
  bool poison_ = false;
  event::TaskScope scope_;
};

}  // namespace sealpost::sim
