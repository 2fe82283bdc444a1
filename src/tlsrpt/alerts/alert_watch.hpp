// SPDX-License-Identifier: Apache-2.0
//
// Tells alerts: a log line each, and one mail to the postmaster for all that is new. Lives on the housekeeping loop; the
// book of alerts lives with the database. This is the front of the room; in order:
//
//   1. alert_signs.cpp     what one session says about a cause; alert_reports.cpp: what reports of others say
//   2. alerts.hpp          the book: a cause is one alert while it lasts, and its end is said too
//   3. here                told, and mailed at most once a day
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>

#include "tlsrpt/alerts/alerts.hpp"
#include "tlsrpt/counting/store_access.hpp"
#include "tlsrpt/sending/sender.hpp"

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
        health_(health),
        scope_(loop) {}

  // Who knows which domains mail waits for; without, alerts of deliveries end by success or after a week.
  using Waiting = std::function<event::Task<std::set<std::string>>()>;
  void use_queue(Waiting waiting) { waiting_ = std::move(waiting); }

  event::Task<void> run();  // for ever
  // From the next look on; one that is under way ends with what it began with.
  void use(const AlertSettings& settings, AlertMailSettings mail);
  struct Lists {
    std::vector<Alert> open, pending;
  };
  event::Task<Expected<Lists>> lists(std::size_t most);
  const AlertBook::Counters& counters() const noexcept { return book_->counters(); }
  std::uint64_t mails() const noexcept { return mails_; }

 private:
  event::Task<void> tell_book(AlertSettings settings);
  event::Task<void> look();
  event::Task<void> look_at_queue();

  event::Loop& loop_;
  StoreAccess& store_;
  std::shared_ptr<AlertBook> book_;
  Outbox& outbox_;
  AlertSettings settings_;
  AlertMailSettings mail_;
  const Health& health_;
  Waiting waiting_;
  std::uint64_t mails_ = 0;
  event::TaskScope scope_;
};

}  // namespace sealpost::tlsrpt
