// SPDX-License-Identifier: Apache-2.0
//
// Tells alerts: a log line each, and one mail to the postmaster for all that is new. Lives on the housekeeping loop; the
// book of alerts lives with the database.
#pragma once

#include <memory>
#include <string>

#include "tlsrpt/alerts.hpp"
#include "tlsrpt/sender.hpp"
#include "tlsrpt/store_access.hpp"

namespace sealpost::tlsrpt {

struct AlertMailSettings {
  std::string from, to;  // addr-spec; to empty: no mail
  std::string hostname;
};

// The whole mail, header and body, CRLF.
std::string build_alert_mail(const AlertMailSettings& settings, const std::vector<Alert>& alerts,
                             SystemTime now);

class AlertWatch {
 public:
  AlertWatch(event::Loop& loop, StoreAccess& store, std::shared_ptr<AlertBook> book, Outbox& outbox,
             const AlertSettings& settings, AlertMailSettings mail, const Health& health)
      : loop_(loop),
        store_(store),
        book_(std::move(book)),
        outbox_(outbox),
        settings_(settings),
        mail_(std::move(mail)),
        health_(health) {}

  event::Task<void> run();  // for ever
  event::Task<Expected<std::vector<Alert>>> open(std::size_t most);
  const AlertBook::Counters& counters() const noexcept { return book_->counters(); }
  std::uint64_t mails() const noexcept { return mails_; }

 private:
  event::Task<void> look();

  event::Loop& loop_;
  StoreAccess& store_;
  std::shared_ptr<AlertBook> book_;
  Outbox& outbox_;
  AlertSettings settings_;
  AlertMailSettings mail_;
  const Health& health_;
  std::uint64_t mails_ = 0;
};

}  // namespace sealpost::tlsrpt
