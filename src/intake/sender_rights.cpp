// SPDX-License-Identifier: Apache-2.0
#include "intake/sender_rights.hpp"

#include <algorithm>
#include <string>

#include "base/text.hpp"
#include "mail/address.hpp"

namespace sealpost::intake {

bool may_send_as(const auth::Account& account, std::string_view address) {
  if (account.senders.empty()) return true;
  if (address.empty()) return false;
  const std::string domain = domain_of(address);
  return std::any_of(account.senders.begin(), account.senders.end(), [&](std::string_view sender) {
    if (sender.starts_with('@')) return !domain.empty() && text::iequals(sender.substr(1), domain);
    return text::iequals(sender, address);
  });
}

}  // namespace sealpost::intake
