// SPDX-License-Identifier: Apache-2.0
//
// SimNetwork: the addresses of a simulated world. Who listens there gets streams, who connects gets what the
// state of the host allows. Hosts fail on command: refusing, silent (packets vanish), unreachable.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include "event/sim_stream.hpp"

namespace sealpost::event {

class SimNetwork final : public Connector {
 public:
  enum class Host : std::uint8_t { up, refusing, silent, unreachable };
  using OnConnection = std::function<void(std::unique_ptr<Stream>)>;

  SimNetwork(Loop& loop, std::uint64_t seed, Endpoint source) noexcept;

  void listen(const Endpoint& at, OnConnection on_connection);  // replaces who listened there
  void remove(const Endpoint& at);                              // connections live on; cut() ends them
  void set_host(const IpAddress& address, Host state);
  // How new connections behave; the seed in it is ignored, each connection draws its own.
  void set_link(const SimLink& link) noexcept { link_ = link; }
  // Resets every open connection with the address, or all of them.
  void cut(const IpAddress& address);
  void cut_all();

  // Latency, then the state of the host decides. Every attempt is counted, also refused ones.
  Task<Expected<std::unique_ptr<Stream>>> connect(Endpoint to, Duration limit) override;
  std::uint64_t attempts() const noexcept { return attempts_; }
  std::uint64_t attempts_to(const IpAddress& address) const;

 private:
  struct Open {
    IpAddress address;
    std::weak_ptr<SimWire> wire;
  };
  void forget_closed();

  Loop& loop_;
  std::mt19937_64 random_;
  Endpoint source_;
  SimLink link_;
  std::map<Endpoint, OnConnection> listeners_;
  std::map<IpAddress, Host> hosts_;
  std::map<IpAddress, std::uint64_t> attempts_to_;
  std::vector<Open> open_;
  std::uint64_t attempts_ = 0;
};

}  // namespace sealpost::event
