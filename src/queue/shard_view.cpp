// SPDX-License-Identifier: Apache-2.0
//
// What operators see of a shard: queue list, show, why, summary. What they may change: shard_work.cpp.
#include <algorithm>
#include <array>
#include <iterator>

#include "base/text.hpp"
#include "mail/address.hpp"
#include "queue/filter.hpp"
#include "queue/probation.hpp"
#include "queue/shard.hpp"

namespace sealpost::queue {
namespace {

std::string why_of(const Shard& shard, const Lane& lane, const Job& job, bool in_flight) {
  const std::string cause = job.reason.empty() ? std::string() : ": " + job.reason;
  const SystemTime at = shard.now();
  if (in_flight)
    return "is being delivered to " + lane.key().next_hop + " now (attempt " + std::to_string(job.attempts) +
           ")";
  if (job.held) return "is held until released" + cause;
  if (job.not_before > at)
    return "waits for the time its sender wants it to be sent, " + to_rfc3339(shard.as_date(job.not_before));
  const bool later = job.next_attempt > std::max(at, lane.blocked_until());
  if (at < lane.blocked_until() && lane.waits_for_turn() && !later)
    return "waits for its turn until " + to_rfc3339(shard.as_date(lane.blocked_until())) + ": " +
           lane.blocked_reason();
  if (at < lane.blocked_until() && !lane.waits_for_turn())
    return "waits until " + to_rfc3339(shard.as_date(std::max(job.next_attempt, lane.blocked_until()))) +
           " because " + lane.key().next_hop + " had trouble: " + lane.blocked_reason();
  if (job.next_attempt > at)
    return "waits for its next attempt at " + to_rfc3339(shard.as_date(job.next_attempt)) + " (" +
           std::to_string(job.attempts) + " so far)" + cause;
  const std::string by = lane.limited_by();
  return "waits for a free connection to " + lane.key().next_hop + " (" +
         std::to_string(lane.places_in_use()) + " of " + std::to_string(lane.concurrency()) + " in use, " +
         std::to_string(lane.waiting()) + " jobs waiting)" + (by.empty() ? "" : ": " + by);
}

// What a partner rule does when its grace is over, and when that is.
void add_refusal(QueueEntry& entry, const Shard& shard, const Job& job) {
  if (job.policy_failing_since != SystemTime{}) entry.refused_since = shard.as_date(job.policy_failing_since);
  if (!job.refused) return;
  entry.policy = job.refused->by;
  if (!job.refused->grace || !entry.refused_since) return;
  entry.grace_ends = *entry.refused_since + *job.refused->grace;
  entry.grace_then = job.refused->then;
  if (job.refused->ends) entry.expires = std::min(entry.expires, *entry.grace_ends);
}

QueueEntry entry_for(const Shard& shard, const Lane& lane, const Job& job, std::uint32_t recipient,
                     bool in_flight, Shard::Why why) {
  QueueEntry entry;
  const Envelope& envelope = job.message->envelope;
  entry.id = job.message->id.to_string();
  entry.sender = envelope.reverse_path;
  entry.recipient = envelope.recipients[recipient].address;
  entry.next_hop = lane.key().next_hop;
  entry.recipient_domain = lane.key().recipient_domain;
  entry.state = state_of(job, in_flight);
  entry.attempts = job.attempts;
  entry.arrival = envelope.arrival;
  entry.next_attempt = shard.as_date(std::max(job.next_attempt, lane.blocked_until()));
  entry.expires = shard.as_date(shard.now()) - job.age(shard.loop().steady()) +
                  shard.schedule().lifetime(envelope.message_class == MessageClass::report);
  entry.reason = reason_of(lane, job);
  entry.last_answer = job.last_answer;
  entry.size = job.message->size;
  entry.message = job.message;
  if (why == Shard::Why::told) entry.why = why_of(shard, lane, job, in_flight);
  add_refusal(entry, shard, job);
  return entry;
}

std::string row_of(SummaryBy by, const Lane& lane, const Job& job) {
  switch (by) {
    case SummaryBy::domain:
      return lane.key().recipient_domain.empty() ? lane.key().next_hop : lane.key().recipient_domain;
    case SummaryBy::sender: {
      const std::string& sender = job.message->envelope.reverse_path;
      return sender.empty() ? "<>" : domain_of(sender);
    }
    case SummaryBy::next_hop: return lane.key().next_hop;
    case SummaryBy::reason: return reason_of(lane, job).empty() ? "(none yet)" : reason_of(lane, job);
  }
  return "";
}

}  // namespace

// What has no date (due at once) stays without one.
SystemTime Shard::as_date(SystemTime time) const noexcept {
  return time == SystemTime{} || time == SystemTime::max() ? time : time - now() + loop_.date();
}

// Every job is looked at; entries are written of the oldest alone.
Listing Shard::list(const Filter& filter, std::size_t most, Why why) const {
  struct Found {
    const Lane* lane;
    const Job* job;
    std::uint32_t recipient;
    bool in_flight;
    bool operator<(const Found& other) const noexcept { return job->message->id < other.job->message->id; }
  };
  Listing listing;
  std::vector<Found> found;
  const auto cut = [&] {
    const auto end = found.begin() + static_cast<std::ptrdiff_t>(most);
    std::nth_element(found.begin(), end, found.end());
    found.erase(end, found.end());
  };
  for (const auto& keyed : lanes_) {
    const Lane& lane = *keyed.second;
    const LaneFilter wanted(filter, lane, loop_.steady());
    if (wanted.none()) continue;
    lane.each_job([&](const Job& job, bool in_flight) {
      for (const std::uint32_t recipient : wanted.matching(job, in_flight)) {
        ++listing.total;
        if (most > 0) found.push_back({&lane, &job, recipient, in_flight});
        if (found.size() / 2 > most) cut();
      }
    });
  }
  if (found.size() > most) cut();
  std::stable_sort(found.begin(), found.end());
  listing.entries.reserve(found.size());
  for (const Found& one : found)
    listing.entries.push_back(entry_for(*this, *one.lane, *one.job, one.recipient, one.in_flight, why));
  return listing;
}

void Shard::list(std::vector<QueueEntry>& into, std::size_t most) const {
  Listing listing = list(Filter(), most);
  std::move(listing.entries.begin(), listing.entries.end(), std::back_inserter(into));
}

std::vector<Match> Shard::matches(const Filter& filter) const {
  std::vector<Match> all;
  for (const auto& keyed : lanes_) {
    const Lane& lane = *keyed.second;
    const LaneFilter wanted(filter, lane, loop_.steady());
    if (wanted.none()) continue;
    lane.each_job([&](const Job& job, bool in_flight) {
      const auto count = wanted.matching(job, in_flight).size();
      if (count == 0) return;
      Match match;
      match.id = job.message->id;
      match.recipients = static_cast<std::uint32_t>(count);
      match.in_job = static_cast<std::uint32_t>(job.recipients.size());
      match.in_flight = in_flight;
      match.held = job.held || (in_flight && hold_on_return_.contains(job.message->id));
      match.early = job.not_before > now();
      match.goes_back = !lane.key().returns_to.empty();
      match.no_sender = job.message->envelope.reverse_path.empty();
      all.push_back(match);
    });
  }
  return all;
}

std::map<std::string, Ages> Shard::summary(const Filter& filter, SummaryBy by,
                                           const std::vector<std::chrono::seconds>& bounds,
                                           std::size_t most) const {
  std::map<std::string, Ages> rows;
  const auto row_named = [&](std::string name) -> Ages& {
    const bool full = rows.size() >= most && !rows.contains(name);
    return rows[full ? std::string(other_rows) : std::move(name)];
  };
  for (const auto& keyed : lanes_) {
    const Lane& lane = *keyed.second;
    const LaneFilter wanted(filter, lane, loop_.steady());
    if (wanted.none()) continue;
    lane.each_job([&](const Job& job, bool in_flight) {
      const auto some = wanted.matching(job, in_flight);
      const auto age = std::max(job.age(loop_.steady()), std::chrono::microseconds(0));
      const auto place = std::upper_bound(bounds.begin(), bounds.end(), age) - bounds.begin();
      const auto add = [&](std::string name, std::size_t count) {
        Ages& row = row_named(std::move(name));
        row.counts.resize(bounds.size() + 1);
        row.counts[static_cast<std::size_t>(place)] += count;
        row.total += count;
        row.oldest = std::min(row.oldest, loop_.date() - age);
      };
      // A lane of failures on their way back is named after a sender; a domain means the recipients', as in a filter.
      if (by == SummaryBy::domain && !lane.key().returns_to.empty())
        for (const std::uint32_t index : some)
          add(text::lower(domain_of(job.message->envelope.recipients[index].address)), 1);
      else if (!some.empty())
        add(row_of(by, lane, job), some.size());
    });
  }
  return rows;
}

Shard::Waiting Shard::waiting() const {
  using State = Tally::State;
  Waiting all;
  all.deferred = tally_.recipients(State::deferred);
  all.held = tally_.recipients(State::held);
  all.active = tally_.recipients(State::active);
  all.recipients = tally_.recipients(State::waiting) + all.deferred + all.held + all.active;
  all.oldest = tally_.oldest(loop_.steady());
  return all;
}

void Shard::waiting_next_hops(std::set<std::string>& into) const {
  for (const auto& [key, lane] : lanes_)
    if (lane->waiting() + lane->taken() > 0) into.insert(key.next_hop);
}

std::size_t Shard::past_lifetime() const {
  std::size_t recipients = 0;
  const SteadyTime now = loop_.steady();
  for (const auto& [key, lane] : lanes_) {
    if (!key.returns_to.empty()) continue;
    lane->each_job([&](const Job& job, bool) {
      const bool report = job.message->envelope.message_class == MessageClass::report;
      if (!job.held && job.age(now) >= schedule_.lifetime(report)) recipients += job.recipients.size();
    });
  }
  return recipients;
}

std::vector<std::string> Shard::why(const MessageId& id) const {
  std::vector<std::string> lines;
  const Listing listing = list(Filter(id), spool::max_recipients);
  for (const QueueEntry& entry : listing.entries) lines.push_back(entry.recipient + " " + entry.why);
  return lines;
}

Shard::HeldMail Shard::held_by_relay() const {
  constexpr std::string_view held = "held: ";
  constexpr std::array own = {held_by_probation, spool::hold_body_damaged, spool::hold_record_damaged,
                              spool::hold_record_newer, spool::hold_record_unknown};
  HeldMail found;
  for (const auto& [key, lane] : lanes_) {
    const auto [begin, end] = lane->waiting_.equal_range(SystemTime::max());  // held ones lie there
    for (auto at = begin; at != end; ++at) {
      const Job& job = *at->second;
      const std::string_view reason = job.reason;
      if (!job.held || job.message->envelope.message_class == MessageClass::dsn || !reason.starts_with(held))
        continue;
      const std::string_view why = reason.substr(held.size());
      if (std::none_of(own.begin(), own.end(),
                       [&](std::string_view words) { return why.starts_with(words); }))
        continue;
      if (found.count++ > 0) continue;
      found.first = job.message->id.to_string();
      found.why = why;
    }
  }
  return found;
}

std::optional<std::string> Shard::hold_of(const MessageId& id) const {
  if (const auto asked = hold_on_return_.find(id); asked != hold_on_return_.end()) return asked->second;
  for (const auto& [key, lane] : lanes_) {
    const auto [begin, end] = lane->waiting_.equal_range(SystemTime::max());  // held ones lie there
    for (auto at = begin; at != end; ++at)
      if (at->second->held && at->second->message->id == id) return at->second->reason;
  }
  return std::nullopt;
}

std::vector<JobPtr> Shard::pull_held_notices(SystemTime before, std::size_t& held) {
  std::vector<JobPtr> jobs;
  for (auto& [key, lane] : lanes_) {
    auto [at, end] = lane->waiting_.equal_range(SystemTime::max());  // held ones lie there, and only they
    while (at != end) {
      const Job& job = *at->second;
      const bool notice = job.held && job.message->envelope.message_class == MessageClass::dsn;
      if (!notice || job.message->envelope.arrival >= before) {
        held += notice ? 1U : 0U;
        ++at;
        continue;
      }
      tally_.out(*at->second);
      jobs.push_back(std::move(at->second));
      at = lane->waiting_.erase(at);
    }
  }
  return jobs;
}

bool Shard::attempting(const MessageId& id) const {
  return std::any_of(lanes_.begin(), lanes_.end(),
                     [&](const auto& entry) { return entry.second->in_flight_.count(id) > 0; });
}

}  // namespace sealpost::queue
