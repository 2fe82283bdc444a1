// SPDX-License-Identifier: Apache-2.0
#include "app/reporting.hpp"

#include "base/digest.hpp"
#include "base/log.hpp"
#include "event/wait.hpp"

namespace sealpost::app {
namespace {

constexpr std::uint64_t last_night_offset = 14'400;  // R26

// The same every night for one relay, different between relays: receivers see them spread.
std::chrono::seconds night_offset(const std::string& node) {
  const Sha256 digest = sha256(node);
  std::uint64_t number = 0;
  for (int i = 0; i < 8; ++i) number = number << 8 | digest[static_cast<std::size_t>(i)];
  return std::chrono::seconds(1 + number % last_night_offset);
}

}  // namespace

Reporting::Reporting(event::EventLoop& loop, const Config& config, dns::CachingResolver& resolver,
                     tlsrpt::StoreAccess& store, http::CurlClient::Trust trust, spool::Spool& spool,
                     queue::Dispatcher& dispatcher, const DkimSetup& dkim, Health& health)
    : resolver_(loop, resolver),
      http_(loop, std::move(trust)),
      outbox_(loop, spool, dispatcher, MessageClass::report, "TLS-RPT"),
      checks_(loop) {
  tlsrpt::SenderSettings settings;
  settings.send = config.tls_rpt.send;
  settings.identity.organization = config.tls_rpt.organization;
  settings.identity.contact = config.tls_rpt.contact;
  settings.from = config.tls_rpt.from;
  settings.wishes = config.tls_rpt.domains;
  settings.allow_destinations = config.delivery.routing.allow_destinations;
  settings.night_offset = night_offset(config.node);
  settings.most_per_destination = config.tls_rpt.most_per_destination;
  sender_ = std::make_unique<tlsrpt::Sender>(loop, store, resolver_, http_, outbox_, std::move(settings),
                                             dkim.reports);
  sender_->use_health(health);
}

void Reporting::use_keys(const Config& config, const DkimSetup& dkim) {
  sender_->set_signers(dkim.reports);
  if (config.tls_rpt.send && dkim.reports.empty())
    log::warning("reports_unsigned",
                 {{"why", "[tls_rpt] send = true without [dkim]: reports go to https targets only"},
                  {"do", "configure [dkim]; receivers drop reports by mail that are not signed"}});
  const std::string problem = report_signer_problem(config);
  if (!problem.empty())
    log::warning("dkim_not_aligned", {{"why", problem}, {"do", "set dkim.domain to the contact's domain"}});
  checks_.cancel();  // of keys that are no more
  checks_.spawn(check(dkim));
}

// Receivers drop reports whose signature does not verify (R20): better said here than found out there. Nothing waits.
event::Task<void> Reporting::check(DkimSetup dkim) {
  std::string problem = co_await check_published_keys(resolver_, std::move(dkim));
  sender_->set_key_problem(std::move(problem));
}

event::Task<void> Reporting::run() { co_await sender_->run(); }

}  // namespace sealpost::app
