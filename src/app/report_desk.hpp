// SPDX-License-Identifier: Apache-2.0
//
// Reports of others that come by mail or by HTTPS, into tlsrpt.db: what `report read` does, without an operator.
#pragma once

#include <memory>
#include <string>

#include "intake/report_desk.hpp"
#include "tlsrpt/counting/store_access.hpp"
#include "tlsrpt/received/taking.hpp"

namespace sealpost::app {

struct PostedReport {
  PostedReport() = default;
  std::string id;      // of ours
  std::string client;  // address of who brought it
  bool encrypted = false;
  std::string octets;  // the body of the request
};

class ReportDesk final : public intake::ReportDesk {
 public:
  // `a_day`: octets that strangers may make us store within a day, by mail and by HTTPS together.
  explicit ReportDesk(tlsrpt::StoreAccess& store, std::uint64_t a_day = tlsrpt::StrangersRoom::usual)
      : store_(store), strangers_(std::make_shared<tlsrpt::StrangersRoom>(a_day)) {}
  event::Task<Expected<void>> take(event::Loop& home, intake::ReportMail mail) override;
  // Likewise, and the same errors.
  event::Task<Expected<void>> take_posted(event::Loop& home, PostedReport report);

 private:
  tlsrpt::StoreAccess& store_;
  const std::shared_ptr<tlsrpt::StrangersRoom> strangers_;  // used on the database's thread
};

}  // namespace sealpost::app
