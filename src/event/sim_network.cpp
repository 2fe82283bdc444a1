// SPDX-License-Identifier: Apache-2.0
#include "event/sim_network.hpp"

#include <utility>

namespace sealpost::event {

namespace {

constexpr std::uint16_t first_port = 32768;
constexpr std::size_t sweep_every = 256;  // open connections between two looks for closed ones

}  // namespace

SimNetwork::SimNetwork(Loop& loop, std::uint64_t seed, Endpoint source) noexcept
    : loop_(loop), random_(seed), source_(source) {}

void SimNetwork::listen(const Endpoint& at, OnConnection on_connection) {
  listeners_[at] = std::move(on_connection);
}

void SimNetwork::remove(const Endpoint& at) { listeners_.erase(at); }

void SimNetwork::set_host(const IpAddress& address, Host state) { hosts_[address] = state; }

void SimNetwork::cut(const IpAddress& address) {
  for (const Open& open : open_) {
    if (open.address != address) continue;
    if (const auto wire = open.wire.lock()) wire->cut();
  }
}

void SimNetwork::cut_all() {
  for (const Open& open : open_) {
    if (const auto wire = open.wire.lock()) wire->cut();
  }
}

std::uint64_t SimNetwork::attempts_to(const IpAddress& address) const {
  const auto found = attempts_to_.find(address);
  return found == attempts_to_.end() ? 0 : found->second;
}

void SimNetwork::forget_closed() {
  if (open_.size() % sweep_every == 0)
    std::erase_if(open_, [](const Open& open) { return open.wire.expired(); });
}

Task<Expected<std::unique_ptr<Stream>>> SimNetwork::connect(Endpoint to, Duration limit) {
  ++attempts_;
  ++attempts_to_[to.address];
  SimLink link = link_;
  link.seed = random_();
  const Duration there_and_back = 2 * link.latency;
  const auto host = hosts_.find(to.address);
  const Host state = host == hosts_.end() ? Host::up : host->second;
  if (state == Host::silent || there_and_back > limit) {
    co_await sleep_for(loop_, limit);
    co_return Error(Errc::timed_out, "no connection in time");
  }
  co_await sleep_for(loop_, there_and_back);
  if (state == Host::unreachable) co_return Error(Errc::unreachable, "connect: No route to host");
  const auto listener = listeners_.find(to);
  if (state == Host::refusing || listener == listeners_.end())
    co_return Error(Errc::refused, "connect: Connection refused");
  const OnConnection accept = listener->second;  // a copy: it may change who listens
  const auto port = static_cast<std::uint16_t>(first_port + attempts_ % (65536 - first_port));
  SimConnection connection(loop_, link, Endpoint(source_.address, port), to);
  forget_closed();
  open_.push_back(Open{to.address, connection.wire});
  accept(std::move(connection.server));
  co_return std::move(connection.client);
}

}  // namespace sealpost::event
