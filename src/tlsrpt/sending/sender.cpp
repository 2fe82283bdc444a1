// SPDX-License-Identifier: Apache-2.0
#include "tlsrpt/sending/sender.hpp"

#include <algorithm>
#include <map>

#include "base/digest.hpp"
#include "base/gzip.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "dns/host_addresses.hpp"
#include "tlsrpt/sending/schedule.hpp"
#include "tlsrpt/sending/side_by_side.hpp"

namespace sealpost::tlsrpt {
namespace {

using namespace std::chrono_literals;
constexpr std::size_t due_page = 500;
constexpr std::size_t attempts_at_once = 8;
constexpr unsigned most_failures_in_a_row = 3;
constexpr auto look_again = 1min;
constexpr std::size_t most_shown = 100'000;
constexpr std::string_view unsigned_cause = "TLS reports by mail";

std::string summary_of(const std::vector<PolicyCount>& policies) {
  std::string text;
  for (const PolicyCount& policy : policies) {
    text += "Policy " + policy.key.type + " of " + policy.key.policy_domain + ": " +
            std::to_string(policy.success) + " session(s) successful, " + std::to_string(policy.failure) +
            " failed\r\n";
  }
  return text;
}

}  // namespace

// Destinations that failed and are left alone for the rest of this pass: a host that answers nobody would hold every
// place for a minute per report, and a victim would be asked by all domains that name it.
struct Sender::Pass {
  std::map<std::string, unsigned> failures_in_a_row;
};

Sender::Sender(event::Loop& loop, StoreAccess& store, dns::Resolver& resolver, http::Client& http,
               Outbox& outbox, SenderSettings settings, std::vector<DkimSigner> signers)
    : loop_(loop),
      store_(store),
      resolver_(resolver),
      http_(http),
      outbox_(outbox),
      settings_(std::move(settings)),
      signers_(std::move(signers)),
      planner_(loop, store, resolver, settings_),
      background_(loop) {}

void Sender::set_signers(std::vector<DkimSigner> signers) {
  signers_ = std::move(signers);
  if (health_ != nullptr && !signers_.empty()) health_->clear(unsigned_cause);
}

event::Task<void> Sender::keep(ReportJob job) {
  std::function<Expected<void>(Store&)> update = [job](Store& store) { return Jobs(store).update(job); };
  const Expected<void> kept = co_await store_.tell(loop_, std::move(update));
  if (!kept)
    log::error("report_not_recorded",
               {{"domain", job.domain}, {"day", job.day}, {"why", kept.error().detail}});
}

event::Task<Sender::HandedOver> Sender::post(const ReportTarget& target, std::string packed) {
  const dns::HostAddresses found = co_await dns::look_up_addresses(resolver_, target.host, dns::Families());
  http::Request request;
  request.host = target.host;
  request.path = target.path;
  request.post = true;
  request.read_body = false;  // the status is the answer; a body without end must not make a second try of it
  request.body = std::move(packed);
  request.headers.emplace_back("Content-Type", "application/tlsrpt+gzip");
  for (const IpAddress& address : found.addresses) {
    if (may_contact(address, settings_.allow_destinations)) request.addresses.push_back(address);
  }
  if (found.addresses.empty())
    co_return Error(Errc::unreachable,
                    "host " + target.host + " has no address" + (found.why.empty() ? "" : ": " + found.why));
  if (request.addresses.empty())
    co_return Error(Errc::unreachable, "every address of " + target.host + " is private or reserved");
  const auto response = co_await http_.send(std::move(request));
  if (!response) co_return Error(Errc::io, response.error().detail);
  if (response->status < 200 || response->status > 299)
    co_return Error(Errc::refused, "HTTP status " + std::to_string(response->status));
  co_return std::string("accepted");
}

event::Task<Sender::HandedOver> Sender::mail(const ReportJob& job, const ReportTarget& target,
                                             std::string report_id, std::string packed, std::string summary) {
  // R20: a MUST. Receivers drop what is not signed, so it waits for a key like for a receiver that is down.
  if (signers_.empty()) {
    if (health_ != nullptr)
      health_->raise(unsigned_cause, "no key signs them, so they wait; after 24 hours they are given up",
                     "configure [dkim], or set tls_rpt.send = false");
    co_return Error(
        Errc::unavailable,
        "a report by mail must be DKIM-signed (RFC 8460 section 3), and no [dkim] key is configured");
  }
  ReportMail mail;
  mail.from = settings_.from;
  mail.to = target.address;
  mail.submitter = submitter_of(settings_.identity);
  mail.domain = job.domain;
  mail.day = job.day;
  mail.report_id = report_id;
  mail.file_name = report_file_name(mail.submitter, job.domain, job.day, sha256_hex(report_id).substr(0, 8));
  mail.compressed = std::move(packed);
  mail.summary = std::move(summary);
  mail.now = loop_.date();
  const MailText text = build_report_mail(mail);
  std::string signatures;
  for (const DkimSigner& signer : signers_) {
    const auto field = dkim_signature(signer, text.head, text.body, loop_.date());
    if (!field) co_return Error(Errc::unavailable, "DKIM: " + field.error().detail);
    signatures += *field;
  }
  const Expected<std::string> queued =
      co_await outbox_.queue(settings_.from, target.address, signatures + text.head + "\r\n" + text.body);
  if (!queued) co_return queued.error();
  std::string told = "queued as mail " + *queued;  // the log and `queue show` say what becomes of it
  if (!key_problem_.empty()) told += "; its receiver may drop it, because of our DKIM key " + key_problem_;
  co_return told;
}

event::Task<Sender::HandedOver> Sender::hand_over(const ReportJob& job, const ReportTarget& target,
                                                  std::string report_id, std::string packed,
                                                  std::string summary) {
  if (target.kind == ReportTarget::Kind::https) co_return co_await post(target, std::move(packed));
  co_return co_await mail(job, target, std::move(report_id), std::move(packed), std::move(summary));
}

event::Task<bool> Sender::attempt(ReportJob job) {
  using Policies = std::vector<PolicyCount>;
  struct Work {
    ReportJob job;
    Policies policies;
    std::uint64_t tried = 0;
    bool ours = false;
  };
  const SystemTime now = loop_.date();
  const std::uint64_t cap = settings_.most_per_destination;
  const bool late = too_late(job, now);
  std::function<Expected<Work>(Store&)> query = [job, now, cap, late](Store& store) -> Expected<Work> {
    Work work;
    work.job = job;
    auto policies = store.policies(job.day, job.domain);
    if (!policies) return policies.error();
    work.policies = std::move(*policies);
    const auto tried = Jobs(store).tried_at(job, cap);
    if (!tried) return tried.error();
    work.tried = *tried;
    if (late || work.policies.empty() || work.tried >= cap) return work;
    const auto claimed = Jobs(store).claim(work.job, now);  // on disk before the report leaves (R29)
    if (!claimed) return claimed.error();
    work.ours = *claimed;
    return work;
  };
  Expected<Work> work = co_await store_.ask<Work>(loop_, std::move(query));
  if (!work) {
    log::error("report_not_tried", {{"domain", job.domain}, {"day", job.day}, {"why", work.error().detail}});
    co_return true;
  }
  job = work->job;
  const auto target = target_of(job.target);
  std::string hopeless;
  if (!target) hopeless = "the target cannot be used";
  if (work->policies.empty()) hopeless = "there is nothing to report any more";
  if (late) hopeless = "not accepted within 24 hours; at last: " + job.last_result;
  if (work->tried >= cap)
    hopeless = job.destination + " has had its " + std::to_string(cap) + " reports of the day";
  if (!hopeless.empty()) {
    job.state = JobState::gave_up;
    job.last_result = text::printable(hopeless);
    log::info(
        "report_given_up",
        {{"domain", job.domain}, {"day", job.day}, {"target", job.target}, {"result", job.last_result}});
    co_await keep(std::move(job));
    co_return true;
  }
  if (!work->ours) co_return true;  // somebody else has it

  const auto report = build_report(settings_.identity, job.day, job.domain, work->policies);
  const std::string report_id = report.at("report-id").get<std::string>();
  const std::string packed = gzip(to_text(report));
  const HandedOver gone = co_await hand_over(job, *target, report_id, packed, summary_of(work->policies));
  if (gone)
    job.state = JobState::sent;
  else
    put_off(job, loop_.date());
  job.last_result = text::printable(gone ? *gone : gone.error().detail);
  log::info(gone ? "report_sent" : "report_failed", {{"domain", job.domain},
                                                     {"day", job.day},
                                                     {"target", job.target},
                                                     {"attempt", job.attempts},
                                                     {"state", name_of(job.state)},
                                                     {"result", job.last_result}});
  co_await keep(std::move(job));
  co_return gone.has_value();
}

event::Task<void> Sender::attempt_in(Pass& pass, ReportJob job) {
  if (job.target.empty()) {
    co_await planner_.look_again(std::move(job));
    co_return;
  }
  const std::string destination = job.destination;
  const SystemTime now = loop_.date();
  const bool left_alone = pass.failures_in_a_row[destination] >= most_failures_in_a_row;
  if (left_alone && !too_late(job, now)) {
    if (job.first_attempt == SystemTime{}) job.first_attempt = now;  // its 24 hours have begun
    job.next_attempt = now + gap_after(job.attempts);
    job.last_result = destination + " failed several times in a row and is left alone for a while";
    co_await keep(std::move(job));
    co_return;
  }
  const bool well = co_await attempt(std::move(job));
  unsigned& failures = pass.failures_in_a_row[destination];
  failures = well ? 0 : failures + 1;
}

event::Task<void> Sender::work_through(std::vector<ReportJob> jobs) {
  Pass pass;
  std::function<event::Task<void>(ReportJob)> one = [this, &pass](ReportJob job) {
    return attempt_in(pass, std::move(job));
  };
  co_await side_by_side(loop_, attempts_at_once, std::move(jobs), std::move(one));
}

event::Task<void> Sender::run() {
  using List = std::vector<ReportJob>;
  std::function<Expected<void>(Store&)> restart = [](Store& store) { return Jobs(store).after_restart(); };
  const Expected<void> restarted = co_await store_.tell(loop_, std::move(restart));
  if (!restarted) log::error("report_jobs_unreadable", {{"why", restarted.error().detail}});
  for (;;) {
    // Days, hours since and signatures all go by the date: with a clock in doubt everything waits (T-50).
    if (settings_.send && !loop_.believed().in_doubt) {
      // "Today" begins at the night offset, so that a finished day is planned only after it.
      co_await planner_.plan_before(to_utc_day(loop_.date() - settings_.night_offset));
      std::string
          first;  // of the last due_page: rows the database does not let us change are not tried for ever
      for (bool more = true; more;) {
        const SystemTime now = loop_.date();
        std::function<Expected<List>(Store&)> query = [now](Store& store) {
          return Jobs(store).due(now, due_page);
        };
        Expected<List> due = co_await store_.ask<List>(loop_, std::move(query));
        if (!due || due->empty()) break;
        const std::string head = due->front().day + " " + due->front().domain + " " + due->front().target;
        more = due->size() == due_page && head != first;
        first = head;
        co_await work_through(std::move(*due));
      }
    }
    co_await event::sleep_for(loop_, look_again);
  }
}

event::Task<Expected<std::vector<ReportJob>>> Sender::send_now(std::string day, std::string domain) {
  using List = std::vector<ReportJob>;
  if (day >= to_utc_day(loop_.date()))
    co_return Error(Errc::invalid,
                    "the report of " + day + " is not complete before that day has ended (UTC)");
  co_await planner_.plan_day(day, domain);
  // Twice: what waits for its lookup gets its targets in the first round.
  for (int round = 0; round < 2; ++round) {
    std::function<Expected<List>(Store&)> query = [day, domain, round](Store& store) {
      return Jobs(store).waiting(day, domain, round == 0);
    };
    Expected<List> jobs = co_await store_.ask<List>(loop_, std::move(query));
    if (!jobs) co_return jobs.error();
    co_await work_through(std::move(*jobs));
  }
  std::function<Expected<List>(Store&)> query = [day, domain](Store& store) {
    return Jobs(store).of_day(day, domain, most_shown);
  };
  const Expected<List> after = co_await store_.ask<List>(loop_, std::move(query));
  co_return after;
}

event::Task<void> Sender::send_behind(std::string day, std::string domain) {
  const auto sent = co_await send_now(day, domain);
  if (!sent)
    log::error("report_send_ended", {{"day", day}, {"domain", domain}, {"why", sent.error().detail}});
  under_way_.erase({day, domain});
}

event::Task<Expected<Sender::UnderWay>> Sender::begin(std::string day, std::string domain) {
  if (day >= to_utc_day(loop_.date()))
    co_return Error(Errc::invalid,
                    "the report of " + day + " is not complete before that day has ended (UTC)");
  const bool all_of_it = under_way_.contains({day, std::string()});
  if (!all_of_it && !under_way_.contains({day, domain})) {
    if (under_way_.size() >= most_at_once)
      co_return Error(Errc::unavailable, "reports of " + std::to_string(most_at_once) +
                                             " days or domains are being sent already");
    under_way_.emplace(day, domain);
    background_.spawn(send_behind(day, domain));
  }
  auto so_far = co_await progress(std::move(day), std::move(domain));
  co_return so_far;
}

event::Task<Expected<Sender::UnderWay>> Sender::progress(std::string day, std::string domain) {
  std::function<Expected<UnderWay>(Store&)> query = [day, domain](Store& store) -> Expected<UnderWay> {
    UnderWay found;
    auto jobs = Jobs(store).of_day(day, domain, most_shown);
    if (!jobs) return jobs.error();
    found.jobs = std::move(*jobs);
    const auto domains = Jobs(store).domains_of(day, domain);
    if (!domains) return domains.error();
    found.domains = *domains;
    return found;
  };
  Expected<UnderWay> found = co_await store_.ask<UnderWay>(loop_, std::move(query));
  if (found)
    found->under_way = under_way_.contains({day, domain}) || under_way_.contains({day, std::string()});
  co_return found;
}

}  // namespace sealpost::tlsrpt
