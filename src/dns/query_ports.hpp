// SPDX-License-Identifier: Apache-2.0
//
// The channels towards one server. On the way to a server beyond loopback others may guess at an answer (RFC 5452), so
// there each query has a source port of its own, drawn by the kernel: an idle channel opens a new socket for its next
// query, and a query takes an idle channel while there is one or one more may be made. On loopback there is one
// channel, and its socket stays open.
#pragma once

#include <memory>
#include <vector>

#include "dns/ares_channel.hpp"

namespace sealpost::dns {

class QueryPorts {
 public:
  // c-ares takes some 80 KiB for a channel. With more queries in flight they share ports, picked at random.
  static constexpr std::size_t most_channels = 256;

  enum class Spread : std::uint8_t { no, yes };
  static Spread spread_for(const Endpoint& server) noexcept {
    return server.address.is_loopback() ? Spread::no : Spread::yes;
  }

  // Throws as AresChannel does.
  QueryPorts(event::EventLoop& loop, const Endpoint& server, Duration limit, Spread spread);
  event::Task<Expected<Octets>> ask(Octets query);
  event::Task<Expected<Octets>> ask_over_tcp(Octets query);
  std::size_t channels() const noexcept { return channels_.size(); }

 private:
  AresChannel& pick();
  std::unique_ptr<AresChannel> make();

  event::EventLoop& loop_;
  const Endpoint server_;
  const Duration limit_;
  const Spread spread_;
  std::vector<std::unique_ptr<AresChannel>> channels_;
  std::unique_ptr<AresChannel> tcp_;  // null until it is needed
};

}  // namespace sealpost::dns
