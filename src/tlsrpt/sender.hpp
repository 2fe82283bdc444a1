// SPDX-License-Identifier: Apache-2.0
//
// Sends the reports of finished days (RFC 8460 §3, §5): finds out who wants them, hands each to our own queue or POSTs it,
// retries for a day, and keeps a row of everything (jobs.hpp). Lives on the housekeeping loop.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "dns/resolver.hpp"
#include "http/client.hpp"
#include "sealpost/dkim.hpp"
#include "sealpost/ip_address.hpp"
#include "tlsrpt/db_recorder.hpp"
#include "tlsrpt/jobs.hpp"
#include "tlsrpt/report.hpp"
#include "tlsrpt/report_mail.hpp"

namespace sealpost::tlsrpt {

// Where report mails go: our own queue, in the class that ignores STS and DANE and is not counted (R21).
class Outbox {
 public:
  virtual ~Outbox() = default;
  virtual event::Task<Expected<void>> queue(std::string from, std::string to, std::string text) = 0;
};

// [[tls_rpt.domain]]: what the operator wants for one domain.
struct DomainWish {
  std::string domain;
  bool suppress = false;
  std::vector<std::string> rua;    // instead of what is published
  std::vector<std::string> extra;  // besides it
};

struct SenderSettings {
  SenderSettings() = default;
  bool send = false;
  ReportIdentity identity;
  std::string from;
  std::vector<DomainWish> wishes;
  std::vector<Network> allow_destinations;  // https targets beyond global unicast (T-20)
  std::chrono::seconds night_offset{0};     // after midnight UTC, 1 to 14400 s (R26)
  std::uint64_t daily_cap = 1000;           // reports to one target a day, all domains together (T-45)
  std::chrono::days keep{30};
};

class Sender {
 public:
  Sender(event::Loop& loop, DbRecorder& recorder, dns::Resolver& resolver, http::Client& http, Outbox& outbox,
         SenderSettings settings, std::vector<DkimSigner> signers);

  // For ever: plans finished days after their night offset, sends what is due.
  event::Task<void> run();

  // `report send`: plans the day now, tries everything of it at once whatever the schedule says; the rows then. The
  // current day is refused (R12).
  event::Task<Expected<std::vector<ReportJob>>> send_now(std::string day, std::string domain);

 private:
  event::Task<void> plan_day(std::string day, std::string only_domain);
  event::Task<void> plan_domain(std::string day, std::string domain);
  event::Task<void> attempt(ReportJob job);
  event::Task<std::string> hand_over(const ReportJob& job, const ReportTarget& target, std::string report_id,
                                     std::string packed, std::string summary);
  event::Task<std::string> post(const ReportTarget& target, std::string packed);
  event::Task<std::string> mail(const ReportJob& job, const ReportTarget& target, std::string report_id,
                                std::string packed, std::string summary);
  event::Task<void> keep(ReportJob job);
  std::string submitter() const;

  event::Loop& loop_;
  DbRecorder& recorder_;
  dns::Resolver& resolver_;
  http::Client& http_;
  Outbox& outbox_;
  SenderSettings settings_;
  std::vector<DkimSigner> signers_;
};

}  // namespace sealpost::tlsrpt
