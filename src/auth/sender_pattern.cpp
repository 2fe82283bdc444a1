// SPDX-License-Identifier: Apache-2.0
#include "auth/sender_pattern.hpp"

#include "base/text.hpp"
#include "mail/address.hpp"

namespace sealpost::auth {

Expected<std::string> parse_sender_pattern(std::string_view typed) {
  if (typed.starts_with('@')) {
    auto domain = to_a_labels(typed.substr(1));
    if (!domain) return Error(Errc::invalid, "no domain follows the @: " + domain.error().detail);
    return "@" + *domain;
  }
  auto address = parse_mailbox(typed, Utf8::accept);
  if (!address)
    return Error(Errc::invalid, "neither an address nor @ and a domain: " + address.error().detail);
  if (domain_of(*address).empty()) return Error(Errc::invalid, "an address without a domain");
  return text::lower(*address);
}

}  // namespace sealpost::auth
