// SPDX-License-Identifier: Apache-2.0
//
// One c-ares channel towards one server: octets out, octets back, over UDP and over TCP when the answer is
// truncated. One server per channel, so that it is known who answered: that decides whether AD may be
// believed (T-10), and c-ares does not tell. Which server to ask next is ares_resolver's work.
#pragma once

#include <ares.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "base/handles.hpp"
#include "dns/answer_parser.hpp"
#include "event/foreign_sockets.hpp"
#include "event/task.hpp"
#include "sealpost/ip_address.hpp"

namespace sealpost::dns {

using Octets = std::vector<std::uint8_t>;

// The query for a question: RD, AD and EDNS with DO set, CD never (D3, DANE-08). `question.name` is a normal
// name.
Octets make_query(const Question& question, std::uint16_t id);

class AresChannel {
 public:
  // Throws std::runtime_error when c-ares cannot set itself up.
  enum class Sockets : std::uint8_t {
    kept_open,
    closed_when_idle
  };  // closed: the next query has another source port
  // over_tcp: one connection for all that is in flight together, from a port the kernel draws.
  enum class Transport : std::uint8_t { over_udp, over_tcp };
  AresChannel(event::EventLoop& loop, const Endpoint& server, Duration limit, Sockets sockets,
              Transport transport = Transport::over_udp);
  ~AresChannel();
  AresChannel(const AresChannel&) = delete;
  AresChannel& operator=(const AresChannel&) = delete;

  // The server's answer as it came, whatever its rcode; or timed_out, refused, io. Cancelling forgets the
  // query; c-ares 1.18 cannot take back a single one, so it ends by itself within its limit.
  event::Task<Expected<Octets>> ask(Octets query);
  // Queries that c-ares still holds, those of cancelled tasks included.
  std::size_t in_flight() const noexcept { return in_flight_; }

 private:
  class Ticket;
  class Retry final : public event::Timer {
   public:
    Retry(event::Loop& loop, AresChannel& channel) noexcept;
    AresChannel& channel;
  };
  static void answered(void* ticket, int status, int timeouts, unsigned char* message, int length) noexcept;
  static void ready(void* self, int fd, bool readable, bool writable) noexcept;
  void process(ares_socket_t readable, ares_socket_t writable) noexcept;
  void set_timer() noexcept;

  event::EventLoop& loop_;
  std::size_t in_flight_ = 0;
  event::ForeignSockets sockets_;
  Retry retry_;
  std::unique_ptr<ares_channeldata, FreeWith<ares_destroy>> channel_;  // dies first: it still calls back
};

}  // namespace sealpost::dns
