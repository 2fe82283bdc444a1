// SPDX-License-Identifier: Apache-2.0
//
// Reports of others that come by mail, into tlsrpt.db: what `report read` does, without an operator.
#pragma once

#include <memory>

#include "intake/report_desk.hpp"
#include "tlsrpt/counting/store_access.hpp"
#include "tlsrpt/received/taking.hpp"

namespace sealpost::app {

class ReportDesk final : public intake::ReportDesk {
 public:
  explicit ReportDesk(tlsrpt::StoreAccess& store) : store_(store) {}
  event::Task<Expected<void>> take(event::Loop& home, intake::ReportMail mail) override;

 private:
  tlsrpt::StoreAccess& store_;
  const std::shared_ptr<tlsrpt::StrangersRoom> strangers_ = std::make_shared<tlsrpt::StrangersRoom>();
};

}  // namespace sealpost::app
