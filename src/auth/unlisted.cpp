// SPDX-License-Identifier: Apache-2.0
#include "auth/unlisted.hpp"

#include "auth/sender_pattern.hpp"

namespace sealpost::auth {

std::optional<User> unlisted_user(const std::string& name, const Unlisted& rule) {
  User user;
  user.name = name;
  user.limits = rule.limits;
  switch (rule.may) {
    case Unlisted::May::nothing: return std::nullopt;
    case Unlisted::May::anybody: return user;
    case Unlisted::May::own_address: break;
  }
  // "@example.org" would be a whole domain.
  auto address = parse_sender_pattern(name);
  if (!address || address->front() == '@') return std::nullopt;
  user.senders.push_back(std::move(*address));
  return user;
}

}  // namespace sealpost::auth
