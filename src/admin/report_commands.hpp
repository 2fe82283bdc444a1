// SPDX-License-Identifier: Apache-2.0
//
// `report list|show|preview|send|why` over the control socket.
#pragma once

#include "admin/control_server.hpp"
#include "tlsrpt/counting/db_recorder.hpp"
#include "tlsrpt/sending/report.hpp"
#include "tlsrpt/sending/sender.hpp"

namespace sealpost::admin {

void serve_report_commands(ControlServer& server, event::Loop& home, tlsrpt::DbRecorder& recorder,
                           tlsrpt::Sender& sender, tlsrpt::ReportIdentity identity);

}  // namespace sealpost::admin
