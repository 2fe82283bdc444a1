// SPDX-License-Identifier: Apache-2.0
#include "dns/ares_channel.hpp"

#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <string>

#include "base/handles.hpp"
#include "event/sockaddr.hpp"
#include "event/wait.hpp"

namespace sealpost::dns {

namespace {

constexpr int edns_size = 1232;  // fits one unfragmented packet on any path

void start_library() {
  static const int status = ares_library_init(ARES_LIB_INIT_ALL);
  if (status != ARES_SUCCESS) throw std::runtime_error(std::string("c-ares: ") + ares_strerror(status));
}

// c-ares 1.18 calls a server it had no socket for one that refused.
Error refused() {
  const FileDescriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return event::socket_error("no socket for the question", errno);
  return Error(Errc::refused, "connection refused");
}

Error error_of(int status) {
  switch (status) {
    case ARES_ETIMEOUT: return Error(Errc::timed_out, "timed out");
    case ARES_ECONNREFUSED: return refused();
    default: return Error(Errc::io, ares_strerror(status));
  }
}

ares_addr_port_node node_of(const Endpoint& server) {
  ares_addr_port_node node{};
  node.family = server.address.is_v4() ? AF_INET : AF_INET6;
  const auto bytes = server.address.bytes();
  std::ranges::copy(bytes, reinterpret_cast<std::uint8_t*>(&node.addr));
  node.udp_port = node.tcp_port = server.port;
  return node;
}

}  // namespace

Octets make_query(const Question& question, std::uint16_t id) {
  unsigned char* buffer = nullptr;
  int length = 0;
  const int status = ares_create_query(question.name.c_str(), 1, static_cast<int>(question.type), id, 1,
                                       &buffer, &length, edns_size);
  if (status != ARES_SUCCESS) return {};
  Octets query(buffer, buffer + length);
  ares_free_string(buffer);
  // c-ares 1.18 has no way to ask for these two. AD in the query (RFC 6840 §5.7) and DO in the OPT record,
  // which is last and has no data: its TTL field is what stands before the two length octets.
  query[3] |= 0x20;
  query[query.size() - 4] |= 0x80;
  return query;
}

// Between c-ares, which calls back exactly once for each query, early or late, and a coroutine that may be
// gone by then.
class AresChannel::Ticket {
 public:
  Ticket(event::OneShot<Expected<Octets>>::Sender sender, std::size_t& in_flight)
      : sender_(std::move(sender)), in_flight_(in_flight) {
    ++in_flight_;
  }
  ~Ticket() { --in_flight_; }
  void resolve(Expected<Octets> result) const { sender_.send_here(std::move(result)); }

 private:
  event::OneShot<Expected<Octets>>::Sender sender_;
  std::size_t& in_flight_;
};

AresChannel::Retry::Retry(event::Loop& loop, AresChannel& channel_) noexcept
    : Timer(loop,
            [](Timer& timer) noexcept {
              static_cast<Retry&>(timer).channel.process(ARES_SOCKET_BAD, ARES_SOCKET_BAD);
            }),
      channel(channel_) {}

AresChannel::AresChannel(event::EventLoop& loop, const Endpoint& server, Duration limit, Sockets sockets,
                         Transport transport)
    : loop_(loop), sockets_(loop, &AresChannel::ready, this), retry_(loop, *this) {
  start_library();
  char no_file[] = "/dev/null";  // nothing is read from the host's resolver configuration here
  ares_options options{};
  // NOCHECKRESP: SERVFAIL and REFUSED come back as answers.
  options.flags = ARES_FLAG_EDNS | ARES_FLAG_NOCHECKRESP | ARES_FLAG_NOALIASES | ARES_FLAG_NOSEARCH;
  if (sockets == Sockets::kept_open) options.flags |= ARES_FLAG_STAYOPEN;
  if (transport == Transport::over_tcp) options.flags |= ARES_FLAG_USEVC;
  options.timeout = static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(limit).count());
  options.tries = 1;
  options.ednspsz = edns_size;
  options.resolvconf_path = no_file;
  options.sock_state_cb = [](void* self, ares_socket_t fd, int readable, int writable) {
    static_cast<AresChannel*>(self)->sockets_.watch(fd, readable != 0, writable != 0);
  };
  options.sock_state_cb_data = this;
  ares_channel channel = nullptr;
  int status = ares_init_options(&channel, &options,
                                 ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_EDNSPSZ |
                                     ARES_OPT_RESOLVCONF | ARES_OPT_SOCK_STATE_CB);
  if (status == ARES_SUCCESS) {
    channel_.reset(channel);
    ares_addr_port_node node = node_of(server);
    status = ares_set_servers_ports(channel, &node);
  }
  if (status != ARES_SUCCESS) throw std::runtime_error(std::string("c-ares: ") + ares_strerror(status));
}

AresChannel::~AresChannel() = default;

event::Task<Expected<Octets>> AresChannel::ask(Octets query) {
  event::OneShot<Expected<Octets>> shot(loop_);
  auto ticket = std::make_unique<Ticket>(shot.sender(), in_flight_);
  ares_send(channel_.get(), query.data(), static_cast<int>(query.size()), &AresChannel::answered,
            ticket.release());
  set_timer();
  auto result = co_await shot;
  co_return result;
}

void AresChannel::answered(void* arg, int status, int, unsigned char* message, int length) noexcept {
  const std::unique_ptr<Ticket> ticket(static_cast<Ticket*>(arg));
  if (status == ARES_SUCCESS) {
    ticket->resolve(Octets(message, message + length));
  } else {
    ticket->resolve(error_of(status));
  }
}

void AresChannel::ready(void* self, int fd, bool readable, bool writable) noexcept {
  static_cast<AresChannel*>(self)->process(readable ? fd : ARES_SOCKET_BAD, writable ? fd : ARES_SOCKET_BAD);
}

void AresChannel::process(ares_socket_t readable, ares_socket_t writable) noexcept {
  ares_process_fd(channel_.get(), readable,
                  writable);  // callbacks only queue waiters: nothing re-enters c-ares
  set_timer();
}

void AresChannel::set_timer() noexcept {
  timeval wait{};
  if (!ares_timeout(channel_.get(), nullptr, &wait)) {
    retry_.disarm();
    return;
  }
  retry_.arm(loop_.now() + std::chrono::seconds(wait.tv_sec) +
             std::chrono::microseconds(wait.tv_usec + 1000));
}

}  // namespace sealpost::dns
