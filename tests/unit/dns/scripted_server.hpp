// SPDX-License-Identifier: Apache-2.0
//
// A DNS server on a free loopback port that says what a test tells it to, over UDP and TCP, from a thread of
// its own.
#pragma once

#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/handles.hpp"
#include "event/sockaddr.hpp"
#include "wire_message.hpp"

namespace sealpost::dns::test {

class ScriptedServer {
 public:
  struct Query {
    Octets octets;
    bool tcp = false;
    std::uint16_t from_port = 0;  // over UDP
    // Flags as in Message; the name as it stands in the query, up to its type.
    unsigned type() const {
      const std::size_t end = octets.size() - 15;  // type, class, OPT
      return static_cast<unsigned>(octets[end] << 8 | octets[end + 1]);
    }
  };
  // What to answer; nothing: silence. The id is put in.
  using Script = std::function<std::optional<Message>(const Query&)>;

  explicit ScriptedServer(Script script) : script_(std::move(script)) {
    const Endpoint any(IpAddress::v4({127, 0, 0, 1}), 0);
    for (int tries = 0; tries < 20; ++tries) {  // a port free for both
      udp_ = open(SOCK_DGRAM, any);
      endpoint_ = event::local_of(udp_.get());
      tcp_ = open(SOCK_STREAM, endpoint_);
      if (tcp_) break;
    }
    ::listen(tcp_.get(), 8);
    thread_ = std::thread([this] { serve(); });
  }
  ~ScriptedServer() {
    stop_ = true;
    thread_.join();
  }
  const Endpoint& endpoint() const noexcept { return endpoint_; }
  std::vector<Query> queries() const {
    const std::lock_guard lock(mutex_);
    return queries_;
  }

 private:
  static FileDescriptor open(int type, const Endpoint& endpoint) {
    FileDescriptor fd(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
    const int on = 1;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    const event::SockAddr address(endpoint);
    if (::bind(fd.get(), address.get(), address.size()) != 0) return FileDescriptor();
    return fd;
  }
  std::optional<Octets> answer(Octets octets, bool tcp, std::uint16_t from_port = 0) {
    Query query{std::move(octets), tcp, from_port};
    const auto message = script_(query);
    std::optional<Octets> reply;
    if (message) {
      reply = message->octets();
      (*reply)[0] = query.octets[0];
      (*reply)[1] = query.octets[1];
    }
    const std::lock_guard lock(mutex_);
    queries_.push_back(std::move(query));
    return reply;
  }
  void serve_udp() {
    Octets buffer(4096);
    event::SockAddr from;
    const auto got =
        ::recvfrom(udp_.get(), buffer.data(), buffer.size(), 0, from.get(), from.size_for_call());
    if (got <= 0) return;
    buffer.resize(static_cast<std::size_t>(got));
    if (const auto reply = answer(std::move(buffer), false, from.endpoint().port))
      ::sendto(udp_.get(), reply->data(), reply->size(), 0, from.get(), from.size());
  }
  void serve_tcp() {
    const FileDescriptor peer(::accept(tcp_.get(), nullptr, nullptr));
    Octets length(2);
    if (::recv(peer.get(), length.data(), 2, MSG_WAITALL) != 2) return;
    Octets buffer(static_cast<std::size_t>(length[0] << 8 | length[1]));
    if (::recv(peer.get(), buffer.data(), buffer.size(), MSG_WAITALL) != static_cast<ssize_t>(buffer.size()))
      return;
    const auto reply = answer(std::move(buffer), true);
    if (!reply) return;
    const Octets framed = join({be16(static_cast<unsigned>(reply->size())), *reply});
    (void)!::send(peer.get(), framed.data(), framed.size(), MSG_NOSIGNAL);
  }
  void serve() {
    while (!stop_) {
      pollfd watched[2] = {{udp_.get(), POLLIN, 0}, {tcp_.get(), POLLIN, 0}};
      if (::poll(watched, 2, 10) <= 0) continue;
      if (watched[0].revents != 0) serve_udp();
      if (watched[1].revents != 0) serve_tcp();
    }
  }

  Script script_;
  FileDescriptor udp_, tcp_;
  Endpoint endpoint_;
  std::atomic<bool> stop_{false};
  mutable std::mutex mutex_;
  std::vector<Query> queries_;
  std::thread thread_;
};

}  // namespace sealpost::dns::test
