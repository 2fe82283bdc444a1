// SPDX-License-Identifier: Apache-2.0
#include "event/sockaddr.hpp"

#include <netinet/in.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace sealpost::event {

SockAddr::SockAddr(const Endpoint& endpoint) noexcept {
  const auto bytes = endpoint.address.bytes();
  if (endpoint.address.is_v4()) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(endpoint.port);
    std::memcpy(&v4.sin_addr, bytes.data(), sizeof v4.sin_addr);
    std::memcpy(&storage_, &v4, size_ = sizeof v4);
  } else {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(endpoint.port);
    std::memcpy(&v6.sin6_addr, bytes.data(), sizeof v6.sin6_addr);
    std::memcpy(&storage_, &v6, size_ = sizeof v6);
  }
}

Endpoint SockAddr::endpoint() const noexcept {
  if (storage_.ss_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &storage_, sizeof v4);
    std::array<std::uint8_t, 4> bytes{};
    std::memcpy(bytes.data(), &v4.sin_addr, bytes.size());
    return Endpoint(IpAddress::v4(bytes), ntohs(v4.sin_port));
  }
  if (storage_.ss_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, &storage_, sizeof v6);
    std::array<std::uint8_t, 16> bytes{};
    std::memcpy(bytes.data(), &v6.sin6_addr, bytes.size());
    return Endpoint(IpAddress::v6(bytes), ntohs(v6.sin6_port));
  }
  return Endpoint();
}

Endpoint local_of(int fd) noexcept {
  SockAddr address;
  return ::getsockname(fd, address.get(), address.size_for_call()) == 0 ? address.endpoint() : Endpoint();
}

namespace {

Errc code_of(int number) noexcept {
  switch (number) {
    case ECONNREFUSED: return Errc::refused;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
    case EHOSTDOWN:
    case EAFNOSUPPORT:   // no IPv6 on this host
    case EADDRNOTAVAIL:  // no source address for that destination, or no port left
    case EACCES:         // a firewall rule of this host
    case EPERM: return Errc::unreachable;
    case ETIMEDOUT: return Errc::timed_out;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM: return Errc::no_space;
    default: return Errc::io;
  }
}

}  // namespace

Error socket_error(std::string_view what, int number) {
  return Error(code_of(number), std::string(what) + ": " + std::generic_category().message(number));
}

}  // namespace sealpost::event
