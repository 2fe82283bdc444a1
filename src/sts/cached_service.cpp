// SPDX-License-Identifier: Apache-2.0
#include "sts/cached_service.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "base/text.hpp"
#include "dns/name.hpp"
#include "event/ask.hpp"

namespace sealpost::sts {

namespace {

using namespace std::chrono_literals;

// RFC 8461 §3.4: a literal has no policy; and nothing but a domain name can have one (S25).
std::optional<std::string> policy_name(std::string_view domain) {
  auto name = dns::normal_name(domain);
  return name && dns::is_mail_domain(*name) ? std::move(name) : std::nullopt;
}

}  // namespace

CachedStsService::CachedStsService(event::Loop& loop, dns::Resolver& resolver, PolicyFetcher& fetcher,
                                   StsCache& cache, event::BlockingPool& pool, const StsSettings& settings,
                                   Health* health)
    : loop_(loop),
      resolver_(resolver),
      fetcher_(fetcher),
      cache_(cache),
      pool_(pool),
      settings_(settings),
      health_(health),
      states_(settings.in_memory),
      refresh_slots_(loop, settings.refreshes),
      scope_(loop) {}

CachedStsService::~CachedStsService() {
  scope_.cancel();
  in_cache_.wait();
}

void CachedStsService::start() {
  loop_.post([this] { scope_.spawn(refresh_forever()); });
}

// Callers come from any loop; what is known and still holds costs them no change of thread.

event::Task<StsState> CachedStsService::state_for(event::Loop& home, std::string policy_domain,
                                                  Duration hold) {
  const auto name = policy_name(policy_domain);
  if (!name) co_return StsState();
  const auto known = states_.find(*name, home.now());
  if (known) co_return *known;
  const auto make = [this, name = *name, hold] { return state_here(name, hold); };
  auto state = co_await event::ask_task(home, scope_, make);
  co_return state;
}

event::Task<StsState> CachedStsService::recheck(event::Loop& home, std::string policy_domain) {
  const auto name = policy_name(policy_domain);
  if (!name) co_return StsState();
  const auto make = [this, name = *name] { return run_here(name, StsReason::recheck); };
  auto state = co_await event::ask_task(home, scope_, make);
  co_return state;
}

event::Task<StsState> CachedStsService::refresh(event::Loop& home, std::string policy_domain) {
  const auto name = policy_name(policy_domain);
  if (!name) co_return StsState();
  const auto make = [this, name = *name] { return run_here(name, StsReason::operator_); };
  auto state = co_await event::ask_task(home, scope_, make);
  co_return state;
}

event::Task<std::vector<StsService::Entry>> CachedStsService::entries(event::Loop& home,
                                                                      std::string domain_filter) {
  const auto make = [this, filter = text::lower(domain_filter)] { return entries_here(filter); };
  auto list = co_await event::ask_task(home, scope_, make);
  co_return list;
}

// From here on, everything is on the service's own loop.

event::Task<StsState> CachedStsService::state_here(std::string name, Duration hold) {
  const DomainPtr domain = co_await domain_of(std::move(name));
  touch(*domain);
  if (domain->run == nullptr && domain->wants_run(loop_.now(), earliest()))
    begin(domain, StsReason::delivery);
  const auto run = domain->run;
  const bool refetch_first = domain->entry && domain->entry->recovered;  // D-24
  if (run && (refetch_first || domain->may_ask_more(earliest()))) {
    // First contact, or what comes may ask more: worth a wait, counted from when the run began, so that later mail does
    // not wait again (S26).
    const Duration left = run->began + hold - loop_.now();
    if (left > Duration::zero()) {
      const auto waited = co_await event::within(loop_, left, finished(run));
      (void)waited;  // in time or not: what is known now is used
    }
  }
  if (!domain->run) publish(*domain);
  co_return state_now(*domain);
}

event::Task<StsState> CachedStsService::run_here(std::string name, StsReason reason) {
  const DomainPtr domain = co_await domain_of(std::move(name));
  const SteadyTime end = loop_.now() + settings_.patience;
  // A weaker run under way may have read the record before whatever made the caller ask.
  while (domain->run && domain->run->reason < reason && loop_.now() < end) {
    const auto waited = co_await event::within(loop_, end - loop_.now(), finished(domain->run));
    (void)waited;
  }
  if (!domain->run) begin(domain, reason);
  const auto run = domain->run;
  if (run) {
    const auto waited = co_await event::within(loop_, end - loop_.now(), finished(run));
    (void)waited;
  }
  co_return state_now(*domain);
}

event::Task<Expected<void>> CachedStsService::finished(std::shared_ptr<StsRun> run) {
  while (!run->done) co_await run->signal.wait();
  co_return Expected<void>();
}

// Domains in memory.

CachedStsService::DomainPtr CachedStsService::slot_for(const std::string& name) {
  if (const auto found = domains_.find(name); found != domains_.end()) {
    by_use_.splice(by_use_.begin(), by_use_, found->second.place);
    return found->second.domain;
  }
  make_room();
  auto domain = std::make_shared<StsDomain>(name);
  by_use_.push_front(name);
  domains_.emplace(name, Slot{domain, by_use_.begin()});
  return domain;
}

void CachedStsService::make_room() {
  auto place = by_use_.end();
  while (domains_.size() >= settings_.in_memory && place != by_use_.begin()) {
    --place;
    const auto found = domains_.find(*place);
    if (found->second.domain.use_count() > 1) continue;  // someone is at work on it
    domains_.erase(found);
    place = by_use_.erase(place);
  }
}

event::Task<CachedStsService::DomainPtr> CachedStsService::domain_of(std::string name) {
  DomainPtr domain = slot_for(name);
  if (domain->load == StsDomain::Load::not_begun) co_await load(domain);
  while (domain->load == StsDomain::Load::begun) {
    const auto signal = domain->loaded;
    co_await signal->wait();
  }
  co_return domain;
}

event::Task<void> CachedStsService::load(DomainPtr domain) {
  using Row = std::optional<StsEntry>;
  domain->load = StsDomain::Load::begun;
  domain->loaded = std::make_shared<event::Signal>(loop_);
  const std::function<Expected<Row>()> work = [&cache = cache_, token = in_cache_.begin(),
                                               name = domain->name] { return cache.load(name); };
  auto row = co_await event::run_blocking<Row>(pool_, loop_, work);
  if (row) {
    domain->unsure_since.reset();
  } else if (!domain->entry) {
    // Unreadable is not absent (D-24): whether it has a policy is asked of its host, and mail waits for the answer. The
    // cache is asked again each time.
    if (!domain->unsure_since) {
      domain->unsure_since = unsure_since_.value_or(loop_.now());
      log::error("sts_cache_unreadable", {{"domain", domain->name}, {"why", row.error().detail}});
    }
  }
  if (row && *row && !domain->entry) {
    auto policy = parse_sts_policy((*row)->body);
    if (policy) {
      domain->policy = std::make_shared<const MtaStsPolicy>(std::move(*policy));
      domain->entry = std::move(**row);
      // Fetched while the clock stood ahead: nobody knows when, so it is fetched anew before it is used (T-50).
      if (domain->entry->fetched > loop_.believed().latest + clock_play) {
        domain->entry->recovered = true;
        domain->entry->next_refresh = loop_.date();
      }
    } else {
      log::error("sts_cache_row_invalid", {{"domain", domain->name}, {"why", policy.error().detail}});
    }
  }
  const bool known = row || domain->entry;
  domain->load = known ? StsDomain::Load::done : StsDomain::Load::not_begun;
  domain->loaded->notify();
}

// What whoever asked goes by. That a policy has expired is said when mail first goes without it, also when that happened
// while it waited for an answer.
StsState CachedStsService::state_now(StsDomain& domain) {
  const SystemTime at = earliest();
  if (domain.entry && !domain.has_policy(at) && !domain.expiry_logged) {
    domain.expiry_logged = true;
    log::warning("sts_policy_expired", {{"domain", domain.name},
                                        {"mode", name_of(domain.policy->mode)},
                                        {"expired", to_rfc3339(domain.entry->expires)},
                                        {"last_failure", domain.entry->failure_reason}});
  }
  return domain.state(loop_.now(), at, settings_);
}

void CachedStsService::touch(StsDomain& domain) {
  if (!domain.entry) return;
  const SystemTime now = loop_.date();
  if (now - domain.entry->last_used < 24h) return;  // a day is fine enough for the idle limit
  domain.entry->last_used = now;
  scope_.spawn(note(*domain.entry));
}

void CachedStsService::publish(const StsDomain& domain) {
  const SystemTime wall = earliest();
  if (domain.unsure_since && !domain.has_policy(wall))
    return states_.forget(domain.name);  // asked again each time
  SteadyTime until = domain.record_until;
  if (domain.has_policy(wall)) until = std::min(until, loop_.now() + (domain.applies_until(wall) - wall));
  if (domain.backing_off(loop_.now())) until = std::min(until, domain.retry_at);
  states_.put(domain.name, domain.state(loop_.now(), wall, settings_), until);
}

// Its record names another policy than the cached one: who asks from now on waits for it, and who has asked already
// asks again before MAIL (T-15).
void CachedStsService::doubt(const StsDomain& domain) {
  states_.forget(domain.name);
  version_.fetch_add(1, std::memory_order_release);
}

// After publish(): who sees the new number must find the new state.
void CachedStsService::announce(StsDomain& domain) {
  if (!std::exchange(domain.unannounced, false)) return;
  version_.fetch_add(1, std::memory_order_release);
  if (on_change_) on_change_(domain.name);
}

}  // namespace sealpost::sts
