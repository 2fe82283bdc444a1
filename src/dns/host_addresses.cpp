// SPDX-License-Identifier: Apache-2.0
#include "dns/host_addresses.hpp"

#include <algorithm>
#include <array>

namespace sealpost::dns {

namespace {

// So that one broken family costs one try (RFC 5321 §5.1 leaves the order to us).
std::vector<IpAddress> by_turns(const std::vector<IpAddress>& v6, const std::vector<IpAddress>& v4) {
  std::vector<IpAddress> mixed;
  const auto add = [&mixed](const std::vector<IpAddress>& list, std::size_t i) {
    if (i < list.size() && std::ranges::find(mixed, list[i]) == mixed.end()) mixed.push_back(list[i]);
  };
  for (std::size_t i = 0; i < std::max(v6.size(), v4.size()); ++i) {
    add(v6, i);
    add(v4, i);
  }
  return mixed;
}

// One family is enough to go on with: the absence or failure of the other is no reason to give the host up. When there
// is none, a failure means that nothing is known.
HostAddresses combine(const std::string& host, const std::array<AnswerPtr, 2>& answers) {
  static const std::vector<IpAddress> none;
  HostAddresses result;
  result.status = Status::no_data;
  result.canonical = host;
  result.secure = true;
  for (const AnswerPtr& answer : answers) {
    if (!answer) continue;
    if (answer->status == Status::found) {
      result.secure = result.secure && answer->dnssec == Dnssec::secure;
      if (result.status != Status::found) result.canonical = answer->canonical;
      result.status = Status::found;
    } else if (result.status != Status::found && result.status != Status::failed &&
               answer->status != Status::no_data) {
      result.status = answer->status;
      result.why = answer->why;
    }
  }
  if (result.status != Status::found) {
    result.secure = false;
    return result;
  }
  result.why.clear();
  result.addresses =
      by_turns(answers[0] ? answers[0]->addresses : none, answers[1] ? answers[1]->addresses : none);
  return result;
}

}  // namespace

event::Task<HostAddresses> look_up_addresses(Resolver& resolver, std::string host, Families families) {
  std::array<AnswerPtr, 2> answers;
  if (families.v4 && families.v6) resolver.prefetch(host, RrType::a);
  if (families.v6) answers[0] = co_await resolver.query(host, RrType::aaaa);
  if (families.v4) answers[1] = co_await resolver.query(host, RrType::a);
  co_return combine(host, answers);
}

}  // namespace sealpost::dns
