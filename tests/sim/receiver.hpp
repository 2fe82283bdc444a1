// SPDX-License-Identifier: Apache-2.0
//
// An MX host of the simulated world: an SMTP server with moods. What it takes goes into the ledger; what it should
// never have been sent is a violation.
#pragma once

#include <memory>
#include <set>
#include <string>

#include "event/line_stream.hpp"
#include "event/sim_network.hpp"
#include "event/wait.hpp"
#include "ledger.hpp"
#include "world.hpp"

namespace sealpost::sim {

class Receiver {
 public:
  Receiver(World& world, Host& host, Ledger& ledger);

 private:
  struct Session;
  event::Task<void> converse(std::unique_ptr<event::Stream> stream);
  event::Task<bool> command(Session& session, const std::string& line);  // false: the session is over
  event::Task<bool> start_tls(Session& session);
  event::Task<bool> receive(Session& session);
  event::Task<bool> mood(Session& session);
  void recipient(Session& session, const std::string& line);
  std::string verdict(Session& session, const std::string& text);
  bool says_busy(Session& session, std::string_view verb);
  void look_at_notice(const std::string& text);

  World& world_;
  Host& host_;
  Ledger& ledger_;
  Rng rng_;
  unsigned open_ = 0;           // sessions
  std::set<std::string> seen_;  // for greylisting
  event::TaskScope scope_;
};

}  // namespace sealpost::sim
