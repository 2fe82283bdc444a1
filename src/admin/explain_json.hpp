// SPDX-License-Identifier: Apache-2.0
//
// `policy explain` as data: what is asked, by whom, and what is known of each host.
#pragma once

#include "admin/control_server.hpp"
#include "delivery/explain.hpp"

namespace sealpost::admin {

Json to_json(const PartnerRule& rule, SystemTime now);
Json to_json(const delivery::Explanation& explanation, SystemTime now);

}  // namespace sealpost::admin
