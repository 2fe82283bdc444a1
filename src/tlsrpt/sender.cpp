// SPDX-License-Identifier: Apache-2.0
#include "tlsrpt/sender.hpp"

#include <algorithm>

#include "base/digest.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "dns/host_addresses.hpp"
#include "event/wait.hpp"

namespace sealpost::tlsrpt {
namespace {

using namespace std::chrono_literals;
constexpr std::size_t at_once = 500;
constexpr std::size_t most_targets = 2;     // T-45
constexpr std::uint32_t most_attempts = 5;  // T-45, within 24 h (R25)
constexpr auto give_up_after = 24h;
constexpr auto look_again = 1min;

// 15 min, 1 h, 4 h, 12 h.
std::chrono::seconds gap_after(std::uint32_t attempts) {
  constexpr std::chrono::seconds gaps[] = {15min, 1h, 4h, 12h};
  return gaps[std::min<std::size_t>(attempts == 0 ? 0 : attempts - 1, std::size(gaps) - 1)];
}

std::string day_before(SystemTime now, std::chrono::days days) { return to_utc_day(now - days); }

// The published targets of one domain, with the operator's wishes applied.
TlsRptRecordSet targets_from(const std::vector<std::string>& uris) {
  std::string record = "v=TLSRPTv1; rua=";
  for (std::size_t i = 0; i < uris.size(); ++i) record += (i > 0 ? "," : "") + uris[i];
  return parse_tls_rpt_records({record});
}

std::string summary_of(const std::vector<PolicyCount>& policies) {
  std::string text;
  for (const PolicyCount& policy : policies) {
    text += "Policy " + policy.key.type + " of " + policy.key.policy_domain + ": " +
            std::to_string(policy.success) + " session(s) successful, " + std::to_string(policy.failure) +
            " failed\r\n";
  }
  return text;
}

// The one target a row stands for.
std::optional<ReportTarget> target_of(const ReportJob& job) {
  auto set = targets_from({job.target});
  if (set.targets.empty()) return std::nullopt;
  return std::move(set.targets.front());
}

}  // namespace

Sender::Sender(event::Loop& loop, DbRecorder& recorder, dns::Resolver& resolver, http::Client& http,
               Outbox& outbox, SenderSettings settings, std::vector<DkimSigner> signers)
    : loop_(loop),
      recorder_(recorder),
      resolver_(resolver),
      http_(http),
      outbox_(outbox),
      settings_(std::move(settings)),
      signers_(std::move(signers)) {}

std::string Sender::submitter() const {
  const auto at = settings_.identity.contact.rfind('@');
  return at == std::string::npos ? settings_.identity.contact : settings_.identity.contact.substr(at + 1);
}

event::Task<void> Sender::keep(ReportJob job) {
  std::function<Expected<bool>(Store&)> update = [job](Store& store) -> Expected<bool> {
    if (auto updated = Jobs(store).update(job); !updated) return updated.error();
    return true;
  };
  const Expected<bool> kept = co_await recorder_.ask<bool>(loop_, std::move(update));
  if (!kept)
    log::error("report_not_recorded",
               {{"domain", job.domain}, {"day", job.day}, {"why", kept.error().detail}});
}

event::Task<void> Sender::plan_domain(std::string day, std::string domain) {
  const auto wish = std::find_if(settings_.wishes.begin(), settings_.wishes.end(),
                                 [&](const DomainWish& each) { return each.domain == domain; });
  const bool wished = wish != settings_.wishes.end();
  TlsRptRecordSet set;
  std::string none;
  if (wished && wish->suppress) {
    none = "suppressed by configuration";
  } else if (wished && !wish->rua.empty()) {
    set = targets_from(wish->rua);
  } else {
    const dns::AnswerPtr answer = co_await resolver_.query("_smtp._tls." + domain, dns::RrType::txt);
    if (answer->status == dns::Status::failed) {
      log::info("report_put_off",
                {{"domain", domain}, {"day", day}, {"why", "the _smtp._tls lookup failed: " + answer->why}});
      co_return;  // stays unplanned; looked at again
    }
    set = parse_tls_rpt_records(answer->texts);
    if (set.kind == TlsRptRecordSet::Kind::none) none = "no TLS-RPT record is published";
    if (set.kind == TlsRptRecordSet::Kind::invalid) none = "the TLS-RPT record is not valid: " + set.why;
  }
  if (wished && !wish->extra.empty() && !wish->suppress) {
    for (auto& target : targets_from(wish->extra).targets) set.targets.push_back(std::move(target));
  }
  if (set.targets.empty() && none.empty()) {
    none = "no target can be used";
    for (const std::string& why : set.passed_over) none += "; " + why;
  }
  if (set.targets.size() > most_targets) set.targets.resize(most_targets);

  std::vector<ReportJob> jobs;
  ReportJob job;
  job.day = day;
  job.domain = domain;
  job.next_attempt = loop_.wall();
  for (const ReportTarget& target : set.targets) {
    job.target = target.text;
    jobs.push_back(job);
  }
  if (jobs.empty()) {
    job.state = JobState::none;
    job.last_result = none;
    jobs.push_back(job);
  }
  std::function<Expected<bool>(Store&)> plan = [jobs](Store& store) -> Expected<bool> {
    if (auto planned = Jobs(store).plan(jobs); !planned) return planned.error();
    return true;
  };
  const Expected<bool> planned = co_await recorder_.ask<bool>(loop_, std::move(plan));
  if (!planned)
    log::error("report_not_planned", {{"domain", domain}, {"day", day}, {"why", planned.error().detail}});
}

event::Task<void> Sender::plan_day(std::string day, std::string only_domain) {
  using Names = std::vector<std::string>;
  std::string last;
  for (;;) {
    std::function<Expected<Names>(Store&)> query = [day](Store& store) {
      return Jobs(store).unplanned(day, at_once);
    };
    const Expected<Names> domains = co_await recorder_.ask<Names>(loop_, std::move(query));
    if (!domains || domains->empty() || domains->back() == last)
      co_return;  // what is left could not be looked up
    last = domains->back();
    for (const std::string& domain : *domains) {
      if (only_domain.empty() || domain == only_domain) co_await plan_domain(day, domain);
    }
    if (!only_domain.empty()) co_return;
  }
}

event::Task<std::string> Sender::post(const ReportTarget& target, std::string packed) {
  const dns::HostAddresses found = co_await dns::look_up_addresses(resolver_, target.host, dns::Families());
  http::Request request;
  request.host = target.host;
  request.path = target.path;
  request.post = true;
  request.body = std::move(packed);
  request.headers.emplace_back("Content-Type", "application/tlsrpt+gzip");
  for (const IpAddress& address : found.addresses) {
    const bool allowed = !address.is_special() ||
                         std::any_of(settings_.allow_destinations.begin(), settings_.allow_destinations.end(),
                                     [&](const Network& network) { return network.contains(address); });
    if (allowed) request.addresses.push_back(address);
  }
  if (found.addresses.empty())
    co_return "host " + target.host + " has no address" + (found.why.empty() ? "" : ": " + found.why);
  if (request.addresses.empty()) co_return "every address of " + target.host + " is private or reserved";
  const auto response = co_await http_.send(std::move(request));
  if (!response) co_return response.error().detail;
  if (response->status < 200 || response->status > 299)
    co_return "HTTP status " + std::to_string(response->status);
  co_return std::string();
}

event::Task<std::string> Sender::mail(const ReportJob& job, const ReportTarget& target, std::string report_id,
                                      std::string packed, std::string summary) {
  ReportMail mail;
  mail.from = settings_.from;
  mail.to = target.address;
  mail.submitter = submitter();
  mail.domain = job.domain;
  mail.day = job.day;
  mail.report_id = report_id;
  mail.file_name = report_file_name(submitter(), job.domain, job.day, sha256_hex(report_id).substr(0, 8));
  mail.compressed = std::move(packed);
  mail.summary = std::move(summary);
  mail.now = loop_.wall();
  const MailText text = build_report_mail(mail);
  std::string signatures;
  for (const DkimSigner& signer : signers_) {
    const auto field = dkim_signature(signer, text.head, text.body, loop_.wall());
    if (!field) co_return "DKIM: " + field.error().detail;
    signatures += *field;
  }
  const Expected<void> queued =
      co_await outbox_.queue(settings_.from, target.address, signatures + text.head + "\r\n" + text.body);
  if (!queued) co_return queued.error().detail;
  co_return std::string();
}

event::Task<std::string> Sender::hand_over(const ReportJob& job, const ReportTarget& target,
                                           std::string report_id, std::string packed, std::string summary) {
  if (target.kind == ReportTarget::Kind::https) co_return co_await post(target, std::move(packed));
  co_return co_await mail(job, target, std::move(report_id), std::move(packed), std::move(summary));
}

event::Task<void> Sender::attempt(ReportJob job) {
  using Policies = std::vector<PolicyCount>;
  struct Work {
    Policies policies;
    std::uint64_t handed = 0;
    bool ours = false;
  };
  const auto target = target_of(job);
  std::function<Expected<Work>(Store&)> query = [job](Store& store) -> Expected<Work> {
    Work work;
    auto policies = store.policies(job.day, job.domain);
    if (!policies) return policies.error();
    work.policies = std::move(*policies);
    const auto handed = Jobs(store).handed_to(job.day, job.target);
    if (!handed) return handed.error();
    work.handed = *handed;
    const auto claimed = Jobs(store).claim(job);  // on disk before the report leaves (R29)
    if (!claimed) return claimed.error();
    work.ours = *claimed;
    return work;
  };
  const Expected<Work> work = co_await recorder_.ask<Work>(loop_, std::move(query));
  if (!work || !work->ours) co_return;
  const SystemTime now = loop_.wall();
  if (!target || work->policies.empty() || work->handed >= settings_.daily_cap) {
    job.state = JobState::gave_up;
    job.last_result =
        !target ? "the target cannot be used"
        : work->policies.empty()
            ? "there is nothing to report any more"
            : "this target has had its " + std::to_string(settings_.daily_cap) + " reports of the day";
    co_await keep(job);
    co_return;
  }
  const auto report = build_report(settings_.identity, job.day, job.domain, work->policies);
  const std::string report_id = report.at("report-id").get<std::string>();
  const std::string packed = gzip(report.dump());

  if (job.attempts == 0) job.first_attempt = now;
  ++job.attempts;
  const std::string failed = co_await hand_over(job, *target, report_id, packed, summary_of(work->policies));
  if (failed.empty()) {
    job.state = JobState::sent;
    job.last_result = target->kind == ReportTarget::Kind::https ? "accepted" : "queued as mail";
  } else {
    const auto next = now + gap_after(job.attempts);
    const bool over = job.attempts >= most_attempts || next > job.first_attempt + give_up_after;
    job.state = over ? JobState::gave_up : JobState::waiting;
    job.next_attempt = next;
    job.last_result = text::printable(failed);
  }
  log::info(failed.empty() ? "report_sent" : "report_failed", {{"domain", job.domain},
                                                               {"day", job.day},
                                                               {"target", job.target},
                                                               {"attempt", job.attempts},
                                                               {"state", name_of(job.state)},
                                                               {"result", job.last_result}});
  co_await keep(std::move(job));
}

event::Task<void> Sender::run() {
  using Names = std::vector<std::string>;
  using List = std::vector<ReportJob>;
  std::function<Expected<bool>(Store&)> restart = [](Store& store) -> Expected<bool> {
    if (auto done = Jobs(store).after_restart(); !done) return done.error();
    return true;
  };
  const Expected<bool> restarted = co_await recorder_.ask<bool>(loop_, std::move(restart));
  if (!restarted) log::error("report_jobs_unreadable", {{"why", restarted.error().detail}});
  std::string forgotten;
  for (;;) {
    const SystemTime now = loop_.wall();
    const std::string oldest = day_before(now, settings_.keep);
    if (oldest != forgotten) {
      std::function<Expected<bool>(Store&)> forget = [oldest](Store& store) -> Expected<bool> {
        if (auto done = Jobs(store).forget_before(oldest); !done) return done.error();
        return true;
      };
      const Expected<bool> done = co_await recorder_.ask<bool>(loop_, std::move(forget));
      if (done) forgotten = oldest;
    }
    if (settings_.send) {
      // "Today" begins at the night offset, so that a finished day is planned only after it.
      const std::string today = to_utc_day(now - settings_.night_offset);
      std::function<Expected<Names>(Store&)> query = [today](Store& store) {
        return Jobs(store).unplanned_days(today);
      };
      const Expected<Names> days = co_await recorder_.ask<Names>(loop_, std::move(query));
      if (days) {
        for (const std::string& day : *days) co_await plan_day(day, std::string());
      }
      std::function<Expected<List>(Store&)> due_query = [now](Store& store) {
        return Jobs(store).due(now, at_once);
      };
      const Expected<List> due = co_await recorder_.ask<List>(loop_, std::move(due_query));
      if (due) {
        for (const ReportJob& job : *due) co_await attempt(job);
      }
    }
    co_await event::sleep_for(loop_, look_again);
  }
}

event::Task<Expected<std::vector<ReportJob>>> Sender::send_now(std::string day, std::string domain) {
  using List = std::vector<ReportJob>;
  if (day >= to_utc_day(loop_.wall()))
    co_return Error(Errc::invalid,
                    "the report of " + day + " is not complete before that day has ended (UTC)");
  co_await plan_day(day, domain);
  std::function<Expected<List>(Store&)> query = [day](Store& store) {
    return Jobs(store).of_day(day, 100'000);
  };
  std::function<Expected<List>(Store&)> again = query;
  const Expected<List> jobs = co_await recorder_.ask<List>(loop_, std::move(query));
  if (!jobs) co_return jobs.error();
  for (const ReportJob& job : *jobs) {
    if (job.state != JobState::waiting || (!domain.empty() && job.domain != domain)) continue;
    co_await attempt(job);
  }
  Expected<List> after = co_await recorder_.ask<List>(loop_, std::move(again));
  if (after && !domain.empty())
    std::erase_if(*after, [&](const ReportJob& job) { return job.domain != domain; });
  co_return after;
}

}  // namespace sealpost::tlsrpt
