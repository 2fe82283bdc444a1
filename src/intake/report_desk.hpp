// SPDX-License-Identifier: Apache-2.0
//
// ReportDesk: where mail to an own address for TLS reports goes. It is read and kept, and relayed to nobody.
#pragma once

#include <string>

#include "event/task.hpp"
#include "event/wait.hpp"
#include "intake/body_budget.hpp"
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
  // Of all reports in transit together. Not of the budget for mail: whoever sends reports, large and slowly, delays reports.
  static constexpr std::uint64_t most_in_memory = std::uint64_t{32} << 20;

  virtual ~ReportDesk() = default;
  BodyBudget& room() noexcept { return room_; }
  // On `home`. Without an error all reports in it are on disk, or kept aside there as they came. Errc::invalid: there is none
  // in it. Errc::too_long: something in it was neither taken nor kept, being too much. Other errors: it shall come again.
  virtual event::Task<Expected<void>> take(event::Loop& home, ReportMail mail) = 0;

 private:
  BodyBudget room_{most_in_memory};
};

}  // namespace sealpost::intake
