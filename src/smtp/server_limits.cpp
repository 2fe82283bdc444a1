// SPDX-License-Identifier: Apache-2.0
//
// What clients that may not relay get of a session's limits. They have little to say here, mail to the postmaster and
// reports, and nobody knows how many of them there are (T-26, T-27).
#include <algorithm>

#include "smtp/server_session.hpp"

namespace sealpost::smtp {

using namespace std::chrono_literals;

ServerLimits for_strangers(const ServerLimits& limits) {
  ServerLimits made = limits;  // `command` stays: RFC 5321 §4.5.3.2.7
  made.idle_commands = std::min(limits.idle_commands, 100U);
  made.refusals = std::min(limits.refusals, 5 * limits.errors);
  made.transaction = std::min<Duration>(limits.transaction, 10min);
  made.minimum_rate = std::max(limits.minimum_rate, 4096U);
  made.rate_grace = std::min<Duration>(limits.rate_grace, 1min);
  made.data = std::min<Duration>(limits.data, 15min);
  made.write = std::min<Duration>(limits.write, 1min);
  made.session = std::min<Duration>(limits.session, 1h);
  return made;
}

// The figures of Postfix's stress-dependent settings: ten seconds for everything, one mistake.
ServerLimits under_stress(const ServerLimits& limits) {
  ServerLimits made = for_strangers(limits);
  made.command = std::min<Duration>(made.command, 10s);
  made.data_block = std::min<Duration>(made.data_block, 10s);
  made.rate_grace = std::min<Duration>(made.rate_grace, 10s);
  made.write = std::min<Duration>(made.write, 10s);
  made.handshake = std::min<Duration>(made.handshake, 10s);
  made.authentication = std::min<Duration>(made.authentication, 10s);
  made.transaction = std::min<Duration>(made.transaction, 1min);
  made.data = std::min<Duration>(made.data, 2min);
  made.session = std::min<Duration>(made.session, 3min);
  made.errors = 1;
  made.refusals = std::min(made.refusals, 5U);
  made.idle_commands = 10;
  return made;
}

}  // namespace sealpost::smtp
