// SPDX-License-Identifier: Apache-2.0
#include "intake/settings.hpp"

namespace sealpost::intake {

std::optional<Standing> Settings::standing_of(const IpAddress& client, bool named) const {
  const bool listed = named && relay.allows(client);
  if (!submission()) return listed ? Standing::trusted : Standing::stranger;
  if (named && !listed) return std::nullopt;
  return listed ? Standing::guest : Standing::stranger;
}

}  // namespace sealpost::intake
