// SPDX-License-Identifier: Apache-2.0
#include "event/socket_stream.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cassert>
#include <cerrno>

#include "event/event_slot_access.hpp"
#include "event/sockaddr.hpp"

namespace sealpost::event {

SocketStream::SocketStream(EventLoop& loop, FileDescriptor fd, Endpoint peer) noexcept
    : Stream(loop), fd_(std::move(fd)), peer_(peer) {}

Expected<std::unique_ptr<SocketStream>> SocketStream::adopt(EventLoop& loop, FileDescriptor fd,
                                                            Endpoint peer) {
  std::unique_ptr<SocketStream> stream(new SocketStream(loop, std::move(fd), peer));
  const auto happened = [](evutil_socket_t, short what, void* self) noexcept {
    static_cast<SocketStream*>(self)->happened(what);
  };
  const int added = event_assign(event_in(stream->watch_), loop.base(), stream->fd_.get(),
                                 EV_READ | EV_WRITE | EV_CLOSED | EV_ET | EV_PERSIST, happened, stream.get());
  if (added != 0 || event_add(event_in(stream->watch_), nullptr) != 0)
    return Error(Errc::no_space, "the system has no room to watch one more socket");
  return stream;
}

SocketStream::~SocketStream() = default;

IoResult SocketStream::try_read(std::span<char> into) noexcept {
  assert(!into.empty());
  ssize_t got = 0;
  do got = ::recv(fd_.get(), into.data(), into.size(), 0);
  while (got < 0 && errno == EINTR);
  if (got < 0) return failure(Interest::read);
  if (got == 0) return {IoState::closed, 0, Interest::read};
  const auto bytes = static_cast<std::size_t>(got);
  // A short read has emptied the socket: what comes later is a new edge. Not so near the end: FIN may have
  // come together with these bytes.
  if (bytes < into.size() && !ending_) read_.ready = false;
  return {IoState::done, bytes, Interest::read};
}

IoResult SocketStream::try_write(std::string_view bytes) noexcept {
  assert(!bytes.empty());
  ssize_t sent = 0;
  do sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  if (sent < 0) return failure(Interest::write);
  if (static_cast<std::size_t>(sent) < bytes.size()) write_.ready = false;
  return {IoState::done, static_cast<std::size_t>(sent), Interest::write};
}

IoResult SocketStream::failure(Interest interest) noexcept {
  if (errno == EAGAIN || errno == EWOULDBLOCK) {
    direction(interest).ready = false;
    return {IoState::would_block, 0, interest};
  }
  errno_ = errno;
  return {IoState::failed, 0, interest};
}

Error SocketStream::error() const { return socket_error("connection", errno_); }
Endpoint SocketStream::local() const { return local_of(fd_.get()); }

void SocketStream::close() noexcept {
  ending_ = true;  // from here on FIN reads as a hang-up, which libevent does not report as EV_CLOSED
  ::shutdown(fd_.get(), SHUT_WR);
}

bool SocketStream::may_progress(Interest interest) const noexcept {
  return interest == Interest::read ? read_.ready : write_.ready;
}

bool SocketStream::arm(Interest interest, StreamWait& waiter) noexcept {
  Direction& wanted = direction(interest);
  assert(!wanted.waiter);
  if (wanted.ready) return false;
  wanted.waiter = &waiter;
  return true;
}

void SocketStream::disarm(Interest interest, StreamWait& waiter) noexcept {
  Direction& wanted = direction(interest);
  if (wanted.waiter == &waiter) wanted.waiter = nullptr;
}

void SocketStream::happened(short what) noexcept {
  if (what & EV_CLOSED) ending_ = true;
  if (what & (EV_READ | EV_CLOSED)) wake(read_);
  if (what & EV_WRITE) wake(write_);
}

void SocketStream::wake(Direction& direction) noexcept {
  direction.ready = true;
  if (StreamWait* waiter = std::exchange(direction.waiter, nullptr)) waiter->complete();
}

// ---- connecting
// -----------------------------------------------------------------------------------------------

namespace {

// A non-blocking socket on its way to `to`.
Expected<FileDescriptor> begin_connect(const Endpoint& to, const std::optional<IpAddress>& source) {
  const SockAddr address(to);
  FileDescriptor fd(::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return socket_error("socket", errno);
  const int on = 1;
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (source && source->family() == to.address.family()) {
    // Without this bind() would take a port away from every other destination.
    ::setsockopt(fd.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    const SockAddr from(Endpoint(*source, 0));
    if (::bind(fd.get(), from.get(), from.size()) != 0) return socket_error("bind to source address", errno);
  }
  if (::connect(fd.get(), address.get(), address.size()) != 0 && errno != EINPROGRESS)
    return socket_error("connect", errno);
  return fd;
}

}  // namespace

Task<Expected<std::unique_ptr<Stream>>> SocketConnector::connect(Endpoint to, Duration limit) {
  auto fd = begin_connect(to, source_);
  if (!fd) co_return std::move(fd).error();
  auto stream = SocketStream::adopt(loop_, std::move(*fd), to);
  if (!stream) co_return std::move(stream).error();
  const bool ready = co_await (*stream)->wait(Interest::write, limit);
  if (!ready) co_return Error(Errc::timed_out, "no connection in time");
  int number = 0;
  socklen_t size = sizeof number;
  ::getsockopt((*stream)->descriptor(), SOL_SOCKET, SO_ERROR, &number, &size);
  if (number != 0) co_return socket_error("connect", number);
  co_return std::unique_ptr<Stream>(std::move(*stream));
}

namespace {

constexpr std::chrono::milliseconds full_backlog{20};

// Nothing: the backlog is full.
Expected<std::optional<FileDescriptor>> try_path(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return Error(Errc::invalid, "the path of the socket is too long");
  path.copy(address.sun_path, path.size());
  FileDescriptor fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return socket_error("socket", errno);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
    return std::optional<FileDescriptor>(std::move(fd));
  if (errno == EAGAIN) return std::optional<FileDescriptor>();
  return socket_error("connect", errno);
}

}  // namespace

Task<Expected<std::unique_ptr<Stream>>> connect_to_path(EventLoop& loop, std::string path, Duration limit) {
  const SteadyTime end = deadline(loop.now(), limit);
  for (;;) {
    Expected<std::optional<FileDescriptor>> fd = try_path(path);
    if (!fd) co_return std::move(fd).error();
    if (*fd) {
      auto stream = SocketStream::adopt(loop, std::move(**fd), Endpoint());
      if (!stream) co_return std::move(stream).error();
      co_return std::unique_ptr<Stream>(std::move(*stream));
    }
    if (loop.now() >= end) co_return Error(Errc::timed_out, "no connection in time: its backlog is full");
    co_await sleep_for(loop, full_backlog);
  }
}

}  // namespace sealpost::event
