// SPDX-License-Identifier: Apache-2.0
//
// ReportDesk: where mail to an own address for TLS reports goes. It is read and kept, and relayed to nobody.
#pragma once

#include <string>

#include "event/task.hpp"
#include "event/wait.hpp"
#include "sealpost/expected.hpp"

namespace sealpost::intake {

struct ReportMail {
  ReportMail() = default;
  std::string id;      // as the reply to it names it
  std::string client;  // address of who brought it
  std::string sender;  // reverse-path; "" is the null one
  bool encrypted = false;
  std::string octets;  // the message, without our Received field
};

class ReportDesk {
 public:
  virtual ~ReportDesk() = default;
  // On `home`. Without an error all reports in it are on disk, or kept aside there as they came. Errc::invalid: there is none
  // in it; other errors: nothing was kept, and it shall come again.
  virtual event::Task<Expected<void>> take(event::Loop& home, ReportMail mail) = 0;
};

}  // namespace sealpost::intake
