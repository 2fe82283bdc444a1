// SPDX-License-Identifier: Apache-2.0
#include "queue/filter.hpp"

#include <algorithm>

#include "base/words.hpp"
#include "mail/address.hpp"

namespace sealpost::queue {
namespace {

bool address_matches(const std::string& pattern, const std::string& address) {
  if (pattern == "<>") return address.empty();
  if (pattern.find('@') == std::string::npos)
    return !address.empty() && text::like(pattern, domain_of(address));
  return text::like(pattern.front() == '@' ? "*" + pattern : pattern, address);
}

// "partner:Noord" by itself, by its kind and by its name.
bool policy_matches(const std::string& pattern, const Job& job) {
  if (!job.refused) return false;
  const std::string_view by = job.refused->by;
  const auto colon = by.find(':');
  return text::like(pattern, by) || text::like(pattern, by.substr(0, colon)) ||
         (colon != by.npos && text::like(pattern, by.substr(colon + 1)));
}

}  // namespace

bool Filter::all() const noexcept {
  return ids.empty() && sender.empty() && recipient.empty() && domain.empty() && next_hop.empty() &&
         reason.empty() && policy.empty() && state.empty() && older == std::chrono::seconds(0);
}

std::string_view state_of(const Job& job, bool in_flight) noexcept {
  if (in_flight) return "active";
  if (job.held) return "held";
  return job.attempts == 0 ? "waiting" : "deferred";
}

const std::string& reason_of(const Lane& lane, const Job& job) noexcept {
  return job.reason.empty() ? lane.blocked_reason() : job.reason;
}

LaneFilter::LaneFilter(const Filter& filter, const Lane& lane, SteadyTime now)
    : filter_(filter), lane_(lane), now_(now) {
  const LaneKey& key = lane.key();
  if (!key.returns_to.empty()) {  // it is named after a sender; its recipients are of many domains
    domain_by_recipient_ = !filter.domain.empty();
    none_ = !filter.next_hop.empty();
    return;
  }
  const bool domain = filter.domain.empty() || text::like(filter.domain, key.recipient_domain) ||
                      text::like(filter.domain, key.next_hop);
  none_ = !domain || (!filter.next_hop.empty() && !text::like(filter.next_hop, key.next_hop));
}

bool LaneFilter::job_matches(const Job& job, bool in_flight) const {
  const auto& ids = filter_.ids;
  if (!ids.empty() && !std::binary_search(ids.begin(), ids.end(), job.message->id)) return false;
  if (filter_.as_of && *filter_.as_of < job.since) return false;
  if (!filter_.state.empty() && state_of(job, in_flight) != filter_.state) return false;
  if (filter_.older > std::chrono::seconds(0) && job.age(filter_.as_of.value_or(now_)) < filter_.older)
    return false;
  if (!filter_.sender.empty() && !address_matches(filter_.sender, job.message->envelope.reverse_path))
    return false;
  if (!filter_.policy.empty() && !policy_matches(filter_.policy, job)) return false;
  return filter_.reason.empty() || text::like("*" + filter_.reason + "*", reason_of(lane_, job));
}

bool LaneFilter::every_recipient() const noexcept {
  return filter_.recipient.empty() && !domain_by_recipient_;
}

bool LaneFilter::recipient_matches(const std::string& address) const {
  if (!filter_.recipient.empty() && !address_matches(filter_.recipient, address)) return false;
  return !domain_by_recipient_ || text::like(filter_.domain, domain_of(address));
}

bool LaneFilter::any(const Job& job, bool in_flight) const {
  if (none_ || !job_matches(job, in_flight)) return false;
  return every_recipient() ||
         std::any_of(job.recipients.begin(), job.recipients.end(), [&](std::uint32_t index) {
           return recipient_matches(job.message->envelope.recipients[index].address);
         });
}

std::vector<std::uint32_t> LaneFilter::matching(const Job& job, bool in_flight) const {
  std::vector<std::uint32_t> some;
  if (none_ || !job_matches(job, in_flight)) return some;
  if (every_recipient()) return job.recipients;
  for (const std::uint32_t index : job.recipients)
    if (recipient_matches(job.message->envelope.recipients[index].address)) some.push_back(index);
  return some;
}

}  // namespace sealpost::queue
