// SPDX-License-Identifier: Apache-2.0
//
// Sends the reports of finished days (RFC 8460 §5): hands each to our own queue or POSTs it, retries for a day, and
// keeps a row of everything (jobs.hpp). Lives on the housekeeping loop. This is the front of the room; in order:
//
//   1. planner.hpp       a day is over: whose domains had sessions, and who among them wants a report (discovery.hpp)
//   2. jobs.hpp          one row for each target, marked before its report leaves
//   3. report.hpp        the report as JSON, from the counts
//   4. report_mail.hpp   as a mail, signed and handed to our own queue; or POSTed
//   5. schedule.hpp      when it is tried again, and given up
#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/health.hpp"
#include "dns/resolver.hpp"
#include "http/client.hpp"
#include "mail/dkim.hpp"
#include "tlsrpt/sending/planner.hpp"
#include "tlsrpt/sending/report_mail.hpp"

namespace sealpost::tlsrpt {

// Where report mails go: our own queue, in the class that ignores STS and DANE and is not counted (R21).
class Outbox {
 public:
  virtual ~Outbox() = default;
  // The queue id.
  virtual event::Task<Expected<std::string>> queue(std::string from, std::string to, std::string text) = 0;
};

class Sender {
 public:
  Sender(event::Loop& loop, StoreAccess& store, dns::Resolver& resolver, http::Client& http, Outbox& outbox,
         SenderSettings settings, std::vector<DkimSigner> signers);

  // For ever: plans finished days after their night offset, sends what is due.
  event::Task<void> run();

  // What reports are signed with from now on; none: no report goes by mail.
  void set_signers(std::vector<DkimSigner> signers);
  // Why receivers cannot verify them, when that is known; said beside each report that goes by mail.
  void set_key_problem(std::string problem) { key_problem_ = std::move(problem); }

  // Plans the day now, tries everything of it at once whatever the schedule says; the rows then. The current day is
  // refused (R12).
  event::Task<Expected<std::vector<ReportJob>>> send_now(std::string day, std::string domain);

  // `report send`: the same in the background. What has become of it so far.
  struct UnderWay {
    bool under_way = false;
    std::size_t domains = 0;  // with sessions that day
    std::vector<ReportJob> jobs;
  };
  static constexpr std::size_t most_at_once = 8;  // days or domains
  // Errc::invalid: the day is not over; Errc::unavailable: too many are under way.
  event::Task<Expected<UnderWay>> begin(std::string day, std::string domain);
  event::Task<Expected<UnderWay>> progress(std::string day, std::string domain);

  // Told while reports by mail wait for a signing key. Outlives this.
  void use_health(Health& health) { health_ = &health; }

 private:
  event::Task<void> send_behind(std::string day, std::string domain);
  struct Pass;  // one look at what is due
  event::Task<void> work_through(std::vector<ReportJob> jobs);
  event::Task<void> attempt_in(Pass& pass, ReportJob job);
  event::Task<bool> attempt(ReportJob job);  // false: the destination failed
  // What became of it, for people, or why it did not go.
  using HandedOver = Expected<std::string>;
  event::Task<HandedOver> hand_over(const ReportJob& job, const ReportTarget& target, std::string report_id,
                                    std::string packed, std::string summary);
  event::Task<HandedOver> post(const ReportTarget& target, std::string packed);
  event::Task<HandedOver> mail(const ReportJob& job, const ReportTarget& target, std::string report_id,
                               std::string packed, std::string summary);
  event::Task<void> keep(ReportJob job);

  event::Loop& loop_;
  StoreAccess& store_;
  dns::Resolver& resolver_;
  http::Client& http_;
  Outbox& outbox_;
  SenderSettings settings_;
  std::vector<DkimSigner> signers_;
  std::string key_problem_;
  Planner planner_;
  Health* health_ = nullptr;
  std::set<std::pair<std::string, std::string>> under_way_;  // day and domain of begin()
  event::TaskScope background_;                              // last: its tasks use the rest
};

}  // namespace sealpost::tlsrpt
