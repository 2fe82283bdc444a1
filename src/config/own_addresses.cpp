// SPDX-License-Identifier: Apache-2.0
#include "config/own_addresses.hpp"

#include <ifaddrs.h>
#include <netinet/in.h>

#include <cstring>
#include <memory>

#include "event/sockaddr.hpp"

namespace sealpost::app {
namespace {

constexpr std::uint16_t smtp_port = 25;

struct FreeInterfaces {
  void operator()(ifaddrs* list) const noexcept { ::freeifaddrs(list); }
};

bool is_wildcard(const IpAddress& address) { return address == IpAddress() || address == IpAddress::v6({}); }

}  // namespace

std::vector<IpAddress> interface_addresses() {
  std::vector<IpAddress> addresses;
  ifaddrs* head = nullptr;
  if (::getifaddrs(&head) != 0) return addresses;
  const std::unique_ptr<ifaddrs, FreeInterfaces> list(head);
  for (const ifaddrs* entry = head; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr) continue;
    const int family = entry->ifa_addr->sa_family;
    if (family != AF_INET && family != AF_INET6) continue;
    event::SockAddr address;
    std::memcpy(address.get(), entry->ifa_addr,
                family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
    addresses.push_back(address.endpoint().address);
  }
  return addresses;
}

std::vector<IpAddress> own_addresses(const std::vector<ListenerConfig>& listeners) {
  std::vector<IpAddress> own;
  for (const ListenerConfig& listener : listeners) {
    if (listener.address.port != smtp_port) continue;
    if (!is_wildcard(listener.address.address)) {
      own.push_back(listener.address.address);
      continue;
    }
    for (const IpAddress& address : interface_addresses())
      if (address.family() == listener.address.address.family()) own.push_back(address);
  }
  return own;
}

}  // namespace sealpost::app
