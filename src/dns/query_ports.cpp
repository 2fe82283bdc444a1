// SPDX-License-Identifier: Apache-2.0
#include "dns/query_ports.hpp"

#include <algorithm>
#include <stdexcept>

#include "base/planted.hpp"
#include "base/random.hpp"

namespace sealpost::dns {

QueryPorts::QueryPorts(event::EventLoop& loop, const Endpoint& server, Duration limit, Spread spread)
    : loop_(loop), server_(server), limit_(limit), spread_(spread) {
  channels_.push_back(make());
}

std::unique_ptr<AresChannel> QueryPorts::make() {
  const auto sockets =
      spread_ == Spread::yes ? AresChannel::Sockets::closed_when_idle : AresChannel::Sockets::kept_open;
  return std::make_unique<AresChannel>(loop_, server_, limit_, sockets);
}

event::Task<Expected<Octets>> QueryPorts::ask(Octets query) { return pick().ask(std::move(query)); }

event::Task<Expected<Octets>> QueryPorts::ask_over_tcp(Octets query) {
  if (!tcp_) {
    try {
      tcp_ = std::make_unique<AresChannel>(loop_, server_, limit_, AresChannel::Sockets::closed_when_idle,
                                           AresChannel::Transport::over_tcp);
    } catch (const std::runtime_error& error) {
      co_return Error(Errc::unavailable, error.what());
    }
  }
  auto answer = co_await tcp_->ask(std::move(query));
  co_return answer;
}

AresChannel& QueryPorts::pick() {
  if (spread_ == Spread::no || planted(Plant::one_port)) return *channels_.front();
  const auto idle = std::ranges::find_if(
      channels_, [](const std::unique_ptr<AresChannel>& channel) { return channel->in_flight() == 0; });
  if (idle != channels_.end()) return **idle;
  if (channels_.size() < most_channels) {
    try {
      return *channels_.emplace_back(make());
    } catch (const std::runtime_error&) {  // out of memory or descriptors: the others go on
      std::erase(channels_, nullptr);
    }
  }
  return *channels_[random_below(channels_.size())];
}

}  // namespace sealpost::dns
