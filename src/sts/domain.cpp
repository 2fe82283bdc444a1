// SPDX-License-Identifier: Apache-2.0
#include "sts/domain.hpp"

#include <algorithm>

namespace sealpost::sts {

namespace {

using namespace std::chrono_literals;
constexpr auto attempt = 10s;

}  // namespace

SystemTime StsDomain::applies_until(SystemTime now) const noexcept {
  if (!entry) return SystemTime::min();
  SystemTime end = entry->expires;
  if (policy && end > now + policy->max_age + clock_play)
    end = std::min(entry->fetched, now) + policy->max_age;
  return std::max(end, std::min(entry->fetched, now) + attempt);
}

// S23: per domain and id, so that a new id is fetched at once.
bool StsDomain::backing_off(SteadyTime now) const noexcept {
  return now < retry_at && failed_id == id_to_fetch();
}

// Is there something to find out before mail goes there? A record not seen, or seen too long ago; or one whose policy is
// missing. What failed a moment ago is not waited for again.
bool StsDomain::wants_run(SteadyTime now, SystemTime wall) const noexcept {
  if (now >= record_until) return true;
  if (unsure_since && !has_policy(wall)) return !backing_off(now);
  if (entry && entry->recovered && has_policy(wall)) return !backing_off(now);
  return record == Record::valid && !backing_off(now) && (!has_policy(wall) || entry->id != record_id);
}

bool StsDomain::wants_fetch(StsReason reason, SteadyTime now, SystemTime wall,
                            const StsSettings& settings) const noexcept {
  const bool applies = has_policy(wall);
  const bool published = record == Record::valid;
  const bool unknown =
      unsure_since && !applies;  // fetched whatever the record says, as a cached one would be
  const bool changed = published && (!applies || entry->id != record_id);  // S29; ids are only compared (S6)
  switch (reason) {
    case StsReason::delivery:
      return (changed || unknown || (applies && entry->recovered)) && !backing_off(now);
    // Whatever the record says or whether it is there: only a fetch extends the policy's life (S28, S30).
    case StsReason::refresh: return applies || changed || unknown;
    case StsReason::recheck:
      return ((changed || unknown) && !backing_off(now)) ||
             ((published || applies || unknown) && now >= tried + settings.recheck);
    case StsReason::operator_: return published || applies || unknown;
  }
  return false;
}

// T-12: an unexpired policy is not ended by a record that is gone, so one that may be there is not either, not even when
// DNSSEC vouches that none is published any more (RFC 8461 §5.1: it lives for its max_age). It ends aloud, though: mail must not wait for ever for two broken files.
bool StsDomain::unsure(SteadyTime now, const StsSettings& settings) const noexcept {
  if (!unsure_since) return false;
  return now < *unsure_since +
                   (record == Record::absent ? settings.unsure_without_record : settings.unsure_at_most);
}

StsState StsDomain::state(SteadyTime steady, SystemTime now, const StsSettings& settings) const {
  StsState state;
  if (has_policy(now)) {
    state.id = entry->id;
    state.changing = run != nullptr && id_differs(now);
    if (policy->mode == StsMode::none) return state;  // S40: as if there were none, and nothing to report
    state.kind = StsState::Kind::policy;
    state.policy = *policy;
    state.expires = entry->expires;
    if (entry->failure_streak > 0) {  // S44
      state.failure_streak = entry->failure_streak;
      state.failure_type = entry->failure_type;
      state.failure_reason = entry->failure_reason;
    }
    return state;
  }
  if (record == Record::absent) state.failure_reason = record_problem;
  if (unsure(steady, settings)) {
    state.kind = StsState::Kind::unknown;
    state.id = record == Record::valid ? record_id : std::string();
    return state;
  }
  if (record == Record::valid && starved && failed_id == record_id) {
    state.kind = StsState::Kind::unknown;
    state.id = record_id;
    return state;
  }
  if (record == Record::valid && !failure_type.empty() && failed_id == record_id) {  // S24
    state.kind = StsState::Kind::fetch_failed;
    state.id = record_id;
    state.failure_type = failure_type;
    state.failure_reason = failure_reason;
  }
  return state;
}

std::chrono::seconds refresh_gap(std::chrono::seconds max_age, std::chrono::seconds usual,
                                 std::uint64_t lot) noexcept {
  const auto gap = std::min(usual, max_age / 2);
  const auto spread = gap.count() / 5;
  return gap - gap / 10 + std::chrono::seconds(spread * static_cast<std::int64_t>(lot) / 1000);
}

std::chrono::seconds retry_gap(unsigned failures, std::chrono::seconds first) noexcept {
  const unsigned doublings = std::min(failures > 0 ? failures - 1 : 0, 10u);
  return std::min<std::chrono::seconds>(first * (1u << doublings), std::max<std::chrono::seconds>(first, 1h));
}

}  // namespace sealpost::sts
