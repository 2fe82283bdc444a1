// SPDX-License-Identifier: Apache-2.0
#include "tlsrpt/sending/planner.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "base/text.hpp"
#include "mail/address.hpp"
#include "tlsrpt/sending/schedule.hpp"
#include "tlsrpt/sending/side_by_side.hpp"

namespace sealpost::tlsrpt {
namespace {

constexpr std::size_t page = 500;
constexpr std::size_t lookups_at_once = 20;
constexpr std::size_t most_targets = 2;  // T-45
constexpr std::chrono::days oldest_planned{2};

TlsRptRecordSet targets_from(const std::vector<std::string>& uris) {
  std::string record = "v=TLSRPTv1; rua=";
  for (std::size_t i = 0; i < uris.size(); ++i) record += (i > 0 ? "," : "") + uris[i];
  return parse_tls_rpt_records({record});
}

const DomainWish* wish_for(const SenderSettings& settings, const std::string& domain) {
  const auto wish = std::find_if(settings.wishes.begin(), settings.wishes.end(),
                                 [&](const DomainWish& each) { return each.domain == domain; });
  return wish == settings.wishes.end() ? nullptr : &*wish;
}

// Why there is no target at all, for `report why`.
std::string reason_for_none(const TlsRptRecordSet& set) {
  switch (set.kind) {
    case TlsRptRecordSet::Kind::none: return "no TLS-RPT record is published";
    case TlsRptRecordSet::Kind::invalid: return "the TLS-RPT record is not valid: " + set.why;
    case TlsRptRecordSet::Kind::valid: break;
  }
  std::string reason = "no target can be used";
  for (const std::string& why : set.passed_over) reason += "; " + why;
  return reason;
}

std::vector<ReportJob> rows_for(const ReportJob& job, const std::vector<ReportTarget>& targets,
                                SystemTime now) {
  std::vector<ReportJob> rows;
  for (const ReportTarget& target : targets) {
    if (rows.size() == most_targets) break;
    ReportJob row;
    row.day = job.day;
    row.domain = job.domain;
    row.target = target.text;
    row.destination = destination_of(target);
    row.next_attempt = now;
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace

std::optional<ReportTarget> target_of(const std::string& uri) {
  auto set = targets_from({uri});
  if (set.targets.empty()) return std::nullopt;
  return std::move(set.targets.front());
}

std::string destination_of(const ReportTarget& target) {
  if (target.kind == ReportTarget::Kind::https) return target.host;
  return text::lower(after_at(target.address));
}

event::Task<void> Planner::plan_domain(ReportJob job) {
  const DomainWish* const wish = wish_for(settings_, job.domain);
  TlsRptRecordSet set;
  std::string none;
  bool unknown = false;
  if (wish && wish->suppress) {
    none = "suppressed by configuration";
  } else if (wish && !wish->rua.empty()) {
    set = targets_from(wish->rua);
  } else {
    const dns::AnswerPtr answer = co_await resolver_.query("_smtp._tls." + job.domain, dns::RrType::txt);
    if (answer->status == dns::Status::failed) {
      // Not knowing is not "wants no report": a row without target waits and is looked at again.
      unknown = true;
      const SystemTime now = loop_.date();
      if (job.attempts == 0) job.first_attempt = now;
      ++job.attempts;
      put_off(job, now);
      job.last_result = text::printable("the _smtp._tls lookup failed: " + answer->why);
      log::info("report_put_off", {{"domain", job.domain}, {"day", job.day}, {"why", job.last_result}});
    } else {
      set = parse_tls_rpt_records(answer->texts);
    }
  }
  if (wish && !wish->extra.empty() && !wish->suppress) {
    for (auto& target : targets_from(wish->extra).targets) set.targets.push_back(std::move(target));
  }
  std::vector<ReportJob> rows = rows_for(job, set.targets, loop_.date());
  if (rows.empty() && !unknown) {
    job.state = JobState::none;
    job.last_result = none.empty() ? reason_for_none(set) : none;
  }
  if (rows.empty() || unknown) rows.push_back(job);
  std::function<Expected<void>(Store&)> plan = [job, rows](Store& store) {
    return Jobs(store).plan(job, rows);
  };
  const Expected<void> planned = co_await store_.tell(loop_, std::move(plan));
  if (!planned)
    log::error("report_not_planned",
               {{"domain", job.domain}, {"day", job.day}, {"why", planned.error().detail}});
}

event::Task<void> Planner::look_again(ReportJob job) {
  if (too_late(job, loop_.date())) {
    job.state = JobState::gave_up;
    std::function<Expected<void>(Store&)> give_up = [job](Store& store) { return Jobs(store).update(job); };
    (void)co_await store_.tell(loop_, std::move(give_up));
    co_return;
  }
  co_await plan_domain(std::move(job));
}

event::Task<void> Planner::plan_day(std::string day, std::string only_domain) {
  using Names = std::vector<std::string>;
  std::string last;
  for (;;) {
    std::function<Expected<Names>(Store&)> query = [day, only_domain](Store& store) {
      return Jobs(store).unplanned(day, only_domain, page);
    };
    const Expected<Names> domains = co_await store_.ask<Names>(loop_, std::move(query));
    if (!domains || domains->empty() || domains->back() == last) co_return;  // the database takes no rows
    last = domains->back();
    std::vector<ReportJob> jobs;
    for (const std::string& domain : *domains) {
      ReportJob job;
      job.day = day;
      job.domain = domain;
      jobs.push_back(std::move(job));
    }
    std::function<event::Task<void>(ReportJob)> plan = [this](ReportJob job) {
      return plan_domain(std::move(job));
    };
    co_await side_by_side(loop_, lookups_at_once, std::move(jobs), std::move(plan));
  }
}

event::Task<void> Planner::plan_before(std::string today) {
  using Names = std::vector<std::string>;
  const auto midnight = from_rfc3339(today + "T00:00:00Z");
  if (!midnight) co_return;
  const std::string oldest = to_utc_day(*midnight - oldest_planned);
  std::function<Expected<Names>(Store&)> query = [oldest, today](Store& store) {
    return Jobs(store).unplanned_days(oldest, today);
  };
  const Expected<Names> days = co_await store_.ask<Names>(loop_, std::move(query));
  if (!days) co_return;
  for (const std::string& day : *days) co_await plan_day(day, std::string());
}

}  // namespace sealpost::tlsrpt
