// SPDX-License-Identifier: Apache-2.0
//
// Between Endpoint and what the socket calls take, and what their errno values mean to us.
#pragma once

#include <sys/socket.h>

#include <string_view>

#include "sealpost/error.hpp"
#include "sealpost/ip_address.hpp"

namespace sealpost::event {

class SockAddr {
 public:
  SockAddr() noexcept = default;
  explicit SockAddr(const Endpoint& endpoint) noexcept;
  Endpoint endpoint() const noexcept;  // 0.0.0.0:0 for families other than IPv4 and IPv6
  int family() const noexcept { return storage_.ss_family; }
  const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&storage_); }
  sockaddr* get() noexcept { return reinterpret_cast<sockaddr*>(&storage_); }
  socklen_t size() const noexcept { return size_; }
  socklen_t* size_for_call() noexcept { return &(size_ = sizeof storage_); }

 private:
  sockaddr_storage storage_{};
  socklen_t size_ = sizeof storage_;
};

Endpoint local_of(int fd) noexcept;

// `what` failed with `number`: "connect: Connection refused" with the code callers branch on.
Error socket_error(std::string_view what, int number);

}  // namespace sealpost::event
