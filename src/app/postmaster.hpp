// SPDX-License-Identifier: Apache-2.0
//
// What the running relay does for its postmaster beside sending reports: alerts, and keeping tlsrpt.db small.
#pragma once

#include <set>
#include <string>

#include "admin/control_server.hpp"
#include "app/own_mail.hpp"
#include "base/health.hpp"
#include "config/config.hpp"
#include "queue/dispatcher.hpp"
#include "spool/spool.hpp"
#include "tlsrpt/alerts/alert_watch.hpp"
#include "tlsrpt/counting/db_recorder.hpp"

namespace sealpost::app {

class Postmaster {
 public:
  // Lives on `loop`; all that is passed outlives it, the recorder's thread included.
  Postmaster(event::Loop& loop, const Config& config, tlsrpt::DbRecorder& recorder, spool::Spool& spool,
             queue::Dispatcher& dispatcher, const Health& health);

  void start(event::TaskScope& scope);
  void use(const Config& config);            // [alerts], from now on
  void serve(admin::ControlServer& server);  // `report alerts`
  event::Task<admin::Json> status();         // "alerts" of `status`, but for its numbers
  const tlsrpt::AlertWatch& alerts() const noexcept { return alerts_; }

 private:
  event::Task<admin::Answer> list();
  event::Task<std::set<std::string>> waiting_domains();

  event::Loop& loop_;
  queue::Dispatcher& dispatcher_;
  tlsrpt::AlertSettings settings_;
  std::string mail_to_;
  OwnMail outbox_;
  tlsrpt::Retention retention_;
  tlsrpt::AlertWatch alerts_;
};

}  // namespace sealpost::app
