// SPDX-License-Identifier: Apache-2.0
//
// Sends the reports of finished days (RFC 8460 §5): hands each to our own queue or POSTs it, retries for a day, and
// keeps a row of everything (jobs.hpp). planner.hpp finds out who wants them. Lives on the housekeeping loop.
#pragma once

#include <string>
#include <vector>

#include "dns/resolver.hpp"
#include "http/client.hpp"
#include "sealpost/dkim.hpp"
#include "tlsrpt/planner.hpp"
#include "tlsrpt/report_mail.hpp"

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
  void set_signers(std::vector<DkimSigner> signers) { signers_ = std::move(signers); }
  // Why receivers cannot verify them, when that is known; said beside each report that goes by mail.
  void set_key_problem(std::string problem) { key_problem_ = std::move(problem); }

  // `report send`: plans the day now, tries everything of it at once whatever the schedule says; the rows then. The
  // current day is refused (R12).
  event::Task<Expected<std::vector<ReportJob>>> send_now(std::string day, std::string domain);

 private:
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
  std::string submitter() const;

  event::Loop& loop_;
  StoreAccess& store_;
  dns::Resolver& resolver_;
  http::Client& http_;
  Outbox& outbox_;
  SenderSettings settings_;
  std::vector<DkimSigner> signers_;
  std::string key_problem_;
  Planner planner_;
};

}  // namespace sealpost::tlsrpt
