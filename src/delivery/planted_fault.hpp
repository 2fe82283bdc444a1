// SPDX-License-Identifier: Apache-2.0
//
// Faults that tests build into deliveries, one at a time, to see that their checks find them. None in a relay: the
// switch is a member of the Context, and nothing outside tests sets it.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace sealpost::delivery {

enum class PlantedFault : std::uint8_t {
  none,
  first_host_only,                 // a host that says 4yz is the only one asked (RFC 5321 §5.1)
  retry_after_lost_dot,            // a lost reply to the final dot sends the mail on to the next host (D-15)
  bounce_on_530,                   // a host that wants TLS first is taken for one that wants no such mail
  stale_policy,                    // the policy an attempt began with holds to its end (T-15)
  count_session_limit_as_failure,  // a host that ends a session after some messages is taken for broken
};

struct NamedFault {
  PlantedFault fault;
  std::string_view name;
};
inline constexpr std::array<NamedFault, 5> planted_faults{{
    {PlantedFault::first_host_only, "first-host-only"},
    {PlantedFault::retry_after_lost_dot, "retry-after-lost-dot"},
    {PlantedFault::bounce_on_530, "bounce-on-530"},
    {PlantedFault::stale_policy, "stale-policy"},
    {PlantedFault::count_session_limit_as_failure, "count-session-limit-as-failure"},
}};

}  // namespace sealpost::delivery
