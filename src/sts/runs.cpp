// SPDX-License-Identifier: Apache-2.0
//
// The working half of CachedStsService: one run per domain (TXT record, fetch, cache), and refreshing ahead of time.
#include <algorithm>

#include "base/log.hpp"
#include "base/random.hpp"
#include "base/text.hpp"
#include "sts/cached_service.hpp"

namespace sealpost::sts {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t refresh_batch = 64;
// From one look for what is due to the next: while the files want care, or there was something; and when there was not.
constexpr auto busy_pause = 30s;
constexpr auto quiet_pause = 3min;
constexpr auto starved_retry = 30s;  // after a fetch for which we had no descriptor
constexpr const char* unknown_cause = "MTA-STS policies";
constexpr std::size_t most_entries = 10'000;  // in one answer to `sts show`

FetchFailure invalid_policy(const Error& error) {
  const auto colon = error.detail.find(':');
  return {"sts-policy-invalid", colon == std::string::npos ? "syntax" : error.detail.substr(0, colon),
          error.detail};
}

StsService::Entry to_entry(const StsEntry& stored) {
  StsService::Entry entry;
  entry.domain = stored.domain;
  entry.id = stored.id;
  if (const auto policy = parse_sts_policy(stored.body)) {
    entry.mode = name_of(policy->mode);
    entry.mx = policy->mx;
  } else {
    entry.mode = "invalid";
  }
  entry.fetched = stored.fetched;
  entry.expires = stored.expires;
  entry.next_refresh = stored.next_refresh;
  entry.last_attempt = stored.last_attempt;
  entry.failure_streak = stored.failure_streak;
  entry.last_failure = stored.failure_reason;
  return entry;
}

bool matches(const std::string& domain, const std::string& filter) {
  if (filter.empty() || domain == filter) return true;
  return filter.starts_with("*.") && domain.size() > filter.size() - 1 && domain.ends_with(filter.substr(1));
}

}  // namespace

std::shared_ptr<StsRun> CachedStsService::begin(const DomainPtr& domain, StsReason reason) {
  if (running_ >= settings_.runs) return nullptr;
  ++running_;
  domain->run = std::make_shared<StsRun>(loop_, reason);
  scope_.spawn(run(domain, domain->run));
  return domain->run;
}

event::Task<void> CachedStsService::run(DomainPtr domain, std::shared_ptr<StsRun> run) {
  co_await look_at_record(domain, run->reason);
  const bool gone =
      domain->policy && domain->policy->mode == StsMode::none && domain->record == StsDomain::Record::absent;
  if (gone) {
    co_await drop(domain);  // S31: the opt-out is complete
  } else if (domain->wants_fetch(run->reason, loop_.now(), earliest(), settings_)) {
    co_await fetch(domain);
  }
  domain->run.reset();
  --running_;
  publish(*domain);
  announce(*domain);
  run->done = true;
  run->signal.notify();
}

event::Task<void> CachedStsService::look_at_record(DomainPtr domain, StsReason reason) {
  const std::string owner = "_mta-sts." + domain->name;
  dns::AnswerPtr answer;
  if (reason >= StsReason::recheck) {
    answer = co_await resolver_.query_fresh(owner, dns::RrType::txt);
  } else {
    answer = co_await resolver_.query(owner, dns::RrType::txt);
  }
  const SteadyTime now = loop_.now();
  if (answer->status == dns::Status::failed) {  // S8: no answer is not "no record"
    domain->record = StsDomain::Record::unknown;
    domain->record_until = now + settings_.record_failed;
    log::info("sts_record_unknown", {{"domain", domain->name}, {"why", answer->why}});
    co_return;
  }
  domain->record_until =
      std::clamp(answer->expires, now + settings_.record_least, now + settings_.record_most);
  domain->record = StsDomain::Record::absent;
  domain->record_problem.clear();
  if (answer->status != dns::Status::found) co_return;
  const StsRecordSet records = parse_sts_records(answer->texts);
  if (records.kind == StsRecordSet::Kind::valid) {
    domain->record = StsDomain::Record::valid;
    domain->record_id = records.record.id;
    if (domain->id_differs(earliest())) doubt(*domain);
  } else if (records.kind == StsRecordSet::Kind::invalid) {
    domain->record_problem = text::printable(records.why, 200);
    log::info("sts_record_invalid", {{"domain", domain->name}, {"why", records.why}});
  }
}

event::Task<void> CachedStsService::fetch(DomainPtr domain) {
  std::string id = domain->id_to_fetch();  // as read before the GET (S27)
  const SteadyTime begun = loop_.steady();
  auto body = co_await fetcher_.fetch(domain->name);
  counters_.fetch.observe(loop_.steady() - begun);
  domain->tried = loop_.now();
  if (!body) {
    co_await fail(domain, std::move(id), std::move(body.error()));
    co_return;
  }
  auto policy = parse_sts_policy(*body);
  if (!policy) {
    co_await fail(domain, std::move(id), invalid_policy(policy.error()));
    co_return;
  }
  co_await adopt(domain, std::move(id), std::move(*body), std::move(*policy));
}

// Durable first, then used (D-24). It replaces whatever was cached at once, `none` included (S29, S31).
event::Task<void> CachedStsService::adopt(DomainPtr domain, std::string id, std::string body,
                                          MtaStsPolicy policy) {
  const Believed time = loop_.believed();
  const SystemTime now = time.now;
  StsEntry entry;
  entry.domain = domain->name;
  entry.id = std::move(id);
  entry.body = std::move(body);
  entry.fetched = entry.last_attempt = now;
  // By the later reading of a clock in doubt: an unexpired policy is not forgotten when that turns out to be right. If it
  // does not, the policy lives no longer for it (StsDomain::applies_until).
  entry.expires = std::max(now, time.latest) + policy.max_age;
  entry.next_refresh = now + refresh_gap(policy.max_age, settings_.refresh, random_below(1000));
  entry.last_used = domain->entry ? domain->entry->last_used : now;
  const std::function<Expected<void>()> work = [&cache = cache_, token = in_cache_.begin(), entry] {
    return cache.keep(entry);
  };
  auto kept = co_await event::run_blocking<void>(pool_, loop_, work);
  if (!kept) {
    // To apply it all the same asks more than to forget it would; only a restart can lose it. It is fetched anew soon.
    log::error(
        "sts_cache_write_failed",
        {{"domain", domain->name}, {"why", kept.error().detail}, {"do", "free space or repair data_dir"}});
    entry.next_refresh = now + settings_.retry;
  }
  const unsigned failures = domain->entry ? domain->entry->failure_streak : 0;
  const bool changed = !domain->entry || domain->entry->body != entry.body || domain->entry->id != entry.id;
  domain->unannounced = domain->unannounced || changed;
  domain->entry = std::move(entry);
  domain->policy = std::make_shared<const MtaStsPolicy>(std::move(policy));
  domain->unsure_since.reset();
  domain->expiry_logged = false;
  domain->starved = false;
  domain->failed_id.clear();
  domain->failure_type.clear();
  domain->failure_reason.clear();
  domain->retry_at = SteadyTime{};
  counters_.fetched.fetch_add(1, std::memory_order_relaxed);
  if (changed || failures >= settings_.alert_at)
    log::info("sts_policy_fetched", {{"domain", domain->name},
                                     {"id", domain->entry->id},
                                     {"mode", name_of(domain->policy->mode)},
                                     {"expires", to_rfc3339(domain->entry->expires)},
                                     {"failures_before", failures}});
}

// Nothing cached is touched: not the policy, not its life (S7, S24, S29).
event::Task<void> CachedStsService::fail(DomainPtr domain, std::string id, FetchFailure failure) {
  const SystemTime now = loop_.date();
  domain->failed_id = std::move(id);
  domain->starved = failure.ours;
  if (failure
          .ours) {  // not the domain's failure: what it publishes is as unknown as before, and soon asked for again
    domain->retry_at = loop_.now() + starved_retry;
    domain->failure_type.clear();
    domain->failure_reason.clear();
    log::warning("sts_fetch_put_off", {{"domain", domain->name}, {"why", failure.detail}});
    if (!domain->entry) co_return;
    domain->entry->next_refresh = now + starved_retry;
    co_await note(*domain->entry);
    co_return;
  }
  domain->retry_at = loop_.now() + settings_.retry;
  domain->failure_type = failure.type;
  domain->failure_reason = failure.reason;
  counters_.failed.fetch_add(1, std::memory_order_relaxed);
  const unsigned streak = domain->entry ? domain->entry->failure_streak + 1 : 0;
  log::warning("sts_fetch_failed", {{"domain", domain->name},
                                    {"id", domain->failed_id},
                                    {"type", failure.type},
                                    {"reason", failure.reason},
                                    {"detail", failure.detail},
                                    {"cached", domain->has_policy(earliest()) ? "yes" : "no"},
                                    {"failures", streak}});
  if (!domain->entry) co_return;
  StsEntry& entry = *domain->entry;
  entry.failure_streak = streak;
  entry.failure_type = std::move(failure.type);
  entry.failure_reason = std::move(failure.reason);
  entry.last_attempt = now;
  entry.next_refresh = now + retry_gap(streak, settings_.retry);
  const bool matters = domain->has_policy(earliest()) && domain->policy->mode != StsMode::none;
  if (matters && streak == settings_.alert_at) {  // RFC 8461 §10.2, T-12
    counters_.alerts.fetch_add(1, std::memory_order_relaxed);
    log::error("sts_refresh_failing", {{"domain", domain->name},
                                       {"mode", name_of(domain->policy->mode)},
                                       {"failures", streak},
                                       {"reason", entry.failure_reason},
                                       {"enforced_until", to_rfc3339(entry.expires)}});
  }
  co_await note(entry);
}

event::Task<void> CachedStsService::drop(DomainPtr domain) {
  domain->unannounced = true;
  domain->entry.reset();
  domain->policy.reset();
  const std::function<Expected<void>()> work = [&cache = cache_, token = in_cache_.begin(),
                                                name = domain->name,
                                                now = loop_.date()] { return cache.drop(name, now); };
  const auto dropped = co_await event::run_blocking<void>(pool_, loop_, work);
  if (!dropped)
    log::warning("sts_cache_write_failed", {{"domain", domain->name}, {"why", dropped.error().detail}});
}

event::Task<void> CachedStsService::note(StsEntry entry) {
  const std::function<Expected<void>()> work = [&cache = cache_, token = in_cache_.begin(), entry] {
    return cache.note(entry);
  };
  const auto noted = co_await event::run_blocking<void>(pool_, loop_, work);
  if (!noted)
    log::warning("sts_cache_write_failed", {{"domain", entry.domain}, {"why", noted.error().detail}});
}

// T-12, S30: every policy in use is fetched anew about daily, so that an attacker has to block it for its whole life.
event::Task<void> CachedStsService::refresh_forever() {
  while (true) {
    const std::function<Expected<StsCache::Look>()> work = [&cache = cache_, token = in_cache_.begin(),
                                                            now = loop_.date()] {
      return Expected<StsCache::Look>(cache.look(now, refresh_batch));
    };
    const auto asked = co_await event::run_blocking<StsCache::Look>(pool_, loop_, work);
    co_await judge_cache(asked && asked->complete);
    const Expected<std::vector<StsEntry>> due =
        asked ? asked->due : Expected<std::vector<StsEntry>>(asked.error());
    if (!due) log::error("sts_cache_unreadable", {{"why", due.error().detail}});
    std::size_t begun = 0;
    if (due) {
      for (const StsEntry& entry : *due) {
        const bool one = co_await refresh_due(entry);
        begun += one ? 1 : 0;
      }
    }
    const bool more = due && due->size() == refresh_batch && begun > 0;
    const bool quiet = asked && asked->well && due->empty();
    const Duration pause = quiet ? quiet_pause : busy_pause;
    if (!more) co_await event::sleep_for(loop_, pause);
  }
}

// Whether the cache can say what it held; when it could not for too long, it is said that what there is, is all.
event::Task<void> CachedStsService::judge_cache(bool complete) {
  if (!complete) {
    if (unsure_since_ && loop_.now() >= *unsure_since_ + settings_.unsure_at_most) {
      const std::function<Expected<void>()> settle = [&cache = cache_, token = in_cache_.begin()] {
        cache.settle_for_what_there_is();
        return Expected<void>();
      };
      const auto settled = co_await event::run_blocking<void>(pool_, loop_, settle);
      (void)settled;
      sure();
      co_return;
    }
    unsure();
    co_return;
  }
  sure();
}

void CachedStsService::unsure() {
  if (!unsure_since_) unsure_since_ = loop_.now();
  if (health_ == nullptr) return;
  const auto words = [](std::chrono::seconds span) { return std::to_string(span.count() / 60) + " minutes"; };
  health_->raise(
      unknown_cause,
      "neither sts.db nor sts-policies.log can be read whole, so a domain may have an MTA-STS policy that is "
      "not known: mail to domains without a known one waits (4.7.0) until theirs is fetched, for " +
          words(settings_.unsure_without_record) + " where no record is published, for at most " +
          words(settings_.unsure_at_most),
      "make the files readable; to begin without them, stop the relay, move both away, start it");
}

void CachedStsService::sure() {
  unsure_since_.reset();
  if (health_ != nullptr) health_->clear(unknown_cause);
}

// True when the row will not be due any more once what was begun is done.
event::Task<bool> CachedStsService::refresh_due(StsEntry entry) {
  auto permit = co_await refresh_slots_.acquire();
  const DomainPtr domain = co_await domain_of(entry.domain);
  if (domain->run || !domain->entry || domain->entry->next_refresh > loop_.date()) co_return false;
  const Believed time = loop_.believed();
  const SystemTime end = domain->applies_until(time.earliest);
  if (!time.in_doubt && time.now >= end + settings_.expired_kept) {
    co_await drop(domain);
    co_return true;
  }
  if (!time.in_doubt && time.now >= domain->entry->last_used + settings_.idle &&
      domain->has_policy(earliest())) {
    domain->entry->next_refresh = end + settings_.expired_kept;  // it still rules until it expires
    co_await note(*domain->entry);
    co_return true;
  }
  const auto run = begin(domain, StsReason::refresh);
  if (!run) co_return false;
  counters_.refreshed.fetch_add(1, std::memory_order_relaxed);
  scope_.spawn(refresh_one(domain, run, std::move(permit)));
  co_return true;
}

// Holds its slot until the run is over; a run that fetched nothing (expired, and no record) is put off by a day.
event::Task<void> CachedStsService::refresh_one(DomainPtr domain, std::shared_ptr<StsRun> run,
                                                event::Semaphore::Permit permit) {
  while (!run->done) co_await run->signal.wait();
  permit.release();
  if (!domain->entry || domain->entry->next_refresh > loop_.date()) co_return;
  domain->entry->next_refresh = loop_.date() + settings_.refresh;
  co_await note(*domain->entry);
}

event::Task<std::vector<StsService::Entry>> CachedStsService::entries_here(std::string filter) {
  using Rows = std::vector<StsEntry>;
  const std::function<Expected<Rows>()> work = [&cache = cache_, token = in_cache_.begin(), filter] {
    return cache.list(filter, most_entries);
  };
  auto rows = co_await event::run_blocking<Rows>(pool_, loop_, work);
  std::vector<Entry> entries;
  if (rows) {
    for (const StsEntry& row : *rows) entries.push_back(to_entry(row));
  } else {
    log::error("sts_cache_unreadable", {{"why", rows.error().detail}});
  }
  // Those whose policy could never be fetched stand nowhere else.
  for (const auto& [name, slot] : domains_) {
    const StsDomain& domain = *slot.domain;
    if (domain.entry || domain.failure_type.empty() || !matches(name, filter) ||
        entries.size() >= most_entries)
      continue;
    Entry entry;
    entry.domain = name;
    entry.id = domain.failed_id;
    entry.failure_streak = 1;
    entry.last_failure = domain.failure_reason;
    entries.push_back(std::move(entry));
  }
  co_return entries;
}

}  // namespace sealpost::sts
