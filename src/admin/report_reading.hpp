// SPDX-License-Identifier: Apache-2.0
//
// `report read` over the control socket: a file's octets come in, the reports in it go into tlsrpt.db, and what cannot be
// taken is kept aside there; `report aside` looks at that.
#pragma once

#include "admin/control_server.hpp"
#include "tlsrpt/counting/store_access.hpp"

namespace sealpost::admin {

void serve_report_reading(ControlServer& server, event::Loop& home, tlsrpt::StoreAccess& store);

}  // namespace sealpost::admin
