// SPDX-License-Identifier: Apache-2.0
#include "event/listener.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/log.hpp"
#include "base/text.hpp"
#include "event/event_slot_access.hpp"
#include "event/sockaddr.hpp"
#include "event/socket_stream.hpp"

namespace sealpost::event {

namespace {

constexpr int accepted_per_turn = 64;  // then sessions get their turn
constexpr auto starved_pause = std::chrono::milliseconds(100);
constexpr auto warn_every = std::chrono::seconds(10);

// Errors that say "no room", not "this connection is gone" (accept(2)).
bool out_of_room(int number) noexcept {
  return number == EMFILE || number == ENFILE || number == ENOBUFS || number == ENOMEM;
}

}  // namespace

namespace {

// By the kernel's leave and without any right: the socket lies ready for when the address comes.
bool bind_freely(int fd, const IpAddress& address) noexcept {
  const int on = 1;
  if (address.is_v4()) return ::setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof on) == 0;
  return ::setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, &on, sizeof on) == 0;
}

}  // namespace

Expected<FileDescriptor> listen_on(const Endpoint& at, const ListenOptions& options) {
  const auto failed = [&](const char* what) {
    return socket_error(std::string(what) + " " + at.to_string(), errno);
  };
  const SockAddr address(at);
  FileDescriptor fd(::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return failed("socket for");
  const int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  // Each address is listed by itself; [::] does not take 0.0.0.0 along, whose clients would look IPv4-mapped.
  if (!at.address.is_v4()) ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (options.reuse_port && ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0)
    return failed("SO_REUSEPORT on");
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // accepted sockets inherit it
  if (options.absent && !bind_freely(fd.get(), at.address)) return failed("IP_FREEBIND on");
  if (::bind(fd.get(), address.get(), address.size()) != 0) return failed("cannot bind to");
  if (::listen(fd.get(), options.backlog) != 0) return failed("cannot listen on");
  return fd;
}

Expected<void> address_is_free(const Endpoint& at) {
  ListenOptions alone;
  alone.backlog = 1;
  alone.absent = true;  // that is another question
  const auto probe = listen_on(at, alone);
  if (!probe) return probe.error();
  return {};
}

std::optional<bool> address_is_here(const IpAddress& address) noexcept {
  Endpoint any_port;
  any_port.address = address;
  const SockAddr at(any_port);
  const FileDescriptor fd(::socket(at.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd) return std::nullopt;
  if (::bind(fd.get(), at.get(), at.size()) == 0) return true;
  return errno == EADDRNOTAVAIL ? std::optional(false) : std::nullopt;
}

std::vector<FileDescriptor> inherited_listeners() {
  constexpr int first = 3;  // SD_LISTEN_FDS_START
  std::vector<FileDescriptor> sockets;
  const auto number = [](const char* variable) {
    const char* value = std::getenv(variable);
    return value ? text::parse_u64(value).value_or(0) : 0;
  };
  if (number("LISTEN_PID") == static_cast<std::uint64_t>(::getpid())) {
    const int end = first + static_cast<int>(std::min<std::uint64_t>(number("LISTEN_FDS"), 1024));
    for (int fd = first; fd < end; ++fd) {
      int listening = 0;
      socklen_t size = sizeof listening;
      if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) != 0 || !listening) continue;
      ::fcntl(fd, F_SETFD, FD_CLOEXEC);
      ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
      sockets.emplace_back(fd);
    }
  }
  ::unsetenv("LISTEN_PID");
  ::unsetenv("LISTEN_FDS");
  ::unsetenv("LISTEN_FDNAMES");
  return sockets;
}

Listener::Listener(EventLoop& loop, FileDescriptor socket, OnConnection on_connection) noexcept
    : Timer(loop, [](Timer& timer) noexcept { static_cast<Listener&>(timer).watch(); }),
      loop_(loop),
      socket_(std::move(socket)),
      on_connection_(std::move(on_connection)) {}

Expected<std::unique_ptr<Listener>> Listener::start(EventLoop& loop, FileDescriptor socket,
                                                    OnConnection on_connection) {
  std::unique_ptr<Listener> listener(new Listener(loop, std::move(socket), std::move(on_connection)));
  const auto readable = [](evutil_socket_t, short, void* self) noexcept {
    static_cast<Listener*>(self)->accept_some();
  };
  // Level-triggered: a backlog left over by one turn is reported again at the next.
  if (event_assign(event_in(listener->readable_), loop.base(), listener->socket_.get(), EV_READ | EV_PERSIST,
                   readable, listener.get()) != 0 ||
      event_add(event_in(listener->readable_), nullptr) != 0)
    return Error(Errc::no_space, "the system has no room to watch the listening socket");
  return listener;
}

Listener::~Listener() = default;

Endpoint Listener::local() const { return local_of(socket_.get()); }

void Listener::pause() noexcept {
  paused_ = true;
  disarm();
  event_del(event_in(readable_));
}

void Listener::resume() noexcept {
  paused_ = false;
  watch();
}

void Listener::watch() noexcept {
  if (!paused_ && event_add(event_in(readable_), nullptr) != 0) arm(loop_.now() + starved_pause);
}

void Listener::accept_some() noexcept {
  for (int i = 0; i < accepted_per_turn && !paused_; ++i) {
    if (!accept_one()) return;
  }
}

// False when there is nothing more to accept for now.
bool Listener::accept_one() {
  SockAddr peer;
  FileDescriptor fd(::accept4(socket_.get(), peer.get(), peer.size_for_call(), SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!fd) {
    if (errno == EAGAIN || errno == EWOULDBLOCK) return false;
    if (!out_of_room(errno)) return true;  // that connection is gone; the next may be fine
    starve(errno);
    return false;
  }
  auto stream = SocketStream::adopt(loop_, std::move(fd), peer.endpoint());
  if (!stream) {
    starve(ENOMEM);
    return false;
  }
  on_connection_(std::move(*stream));
  return true;
}

void Listener::starve(int number) {
  ++starved_;
  event_del(event_in(readable_));
  arm(loop_.now() + starved_pause);
  if (warned_ != SteadyTime{} && loop_.now() - warned_ < warn_every) return;
  warned_ = loop_.now();
  log::warning("accept_paused", {{"listener", local().to_string()}, {"why", std::strerror(number)}});
}

}  // namespace sealpost::event
