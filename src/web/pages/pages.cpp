// SPDX-License-Identifier: Apache-2.0
#include "web/pages/pages.hpp"

#include <array>

namespace sealpost::web {

std::span<const Route> routes() noexcept {
  using auth::Role;
  constexpr std::optional<Role> none;
  // In the order of the links above every page. Mail addresses are for compliance and operators.
  static const std::array all{
      Route{Url("/"), "Now", Role::viewer, none, now_page},
      Route{Url("/queue"), "Queue", Role::compliance, Role::operating, queue_page},
      Route{Url("/message"), "Message", Role::compliance, none, message_page},
      Route{Url("/partners"), "Partners", Role::compliance, Role::compliance, partners_page},
      Route{Url("/partner"), "", Role::compliance, none, partner_page},
      Route{Url("/domain"), "", Role::compliance, Role::compliance, domain_page},
      Route{Url("/transit"), "Transit", Role::viewer, none, transit_page},
      Route{Url("/to-them"), "To them", Role::viewer, none, to_them_page},
      Route{Url("/to-us"), "To us", Role::viewer, none, to_us_page},
      Route{Url("/reports"), "", Role::viewer, none, report_page},
      Route{Url("/own-domain"), "Own domain", Role::viewer, none, own_domain_page},
      Route{Url("/log"), "Log", Role::operating, none, log_page},
      Route{Url("/settings"), "Settings", Role::operating, none, settings_page},
  };
  return all;
}

}  // namespace sealpost::web
