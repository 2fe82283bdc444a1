// SPDX-License-Identifier: Apache-2.0
//
// What operators see of a shard and may change: queue list, show, why, retry, hold, remove.
#include <algorithm>
#include <array>

#include "queue/probation.hpp"
#include "queue/shard.hpp"

namespace sealpost::queue {
namespace {

std::string_view state_of(const Job& job, bool in_flight) noexcept {
  if (in_flight) return "active";
  if (job.held) return "held";
  return job.attempts == 0 ? "waiting" : "deferred";
}

QueueEntry entry_for(const Shard& shard, const Lane& lane, const Job& job, std::uint32_t recipient,
                     bool in_flight) {
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
  entry.reason = job.reason.empty() ? lane.blocked_reason() : job.reason;
  entry.size = job.message->size;
  return entry;
}

}  // namespace

// What has no date (due at once) stays without one.
SystemTime Shard::as_date(SystemTime time) const noexcept {
  return time == SystemTime{} || time == SystemTime::max() ? time : time - now() + loop_.date();
}

void Shard::list(std::vector<QueueEntry>& into, std::size_t most) const {
  for (const auto& keyed : lanes_) {
    const Lane& lane = *keyed.second;
    lane.each_job([&](const Job& job, bool in_flight) {
      if (into.size() >= most) return;  // not even looked at: a million of them would take a while
      for (const std::uint32_t recipient : job.recipients) {
        if (into.size() >= most) return;
        into.push_back(entry_for(*this, lane, job, recipient, in_flight));
      }
    });
  }
}

void Shard::waiting_next_hops(std::set<std::string>& into) const {
  for (const auto& [key, lane] : lanes_)
    if (lane->waiting() + lane->taken() > 0) into.insert(key.next_hop);
}

void Shard::find(const MessageId& id, std::vector<QueueEntry>& into) const {
  for (const auto& keyed : lanes_) {
    const Lane& lane = *keyed.second;
    lane.each_job([&](const Job& job, bool in_flight) {
      if (job.message->id != id) return;
      for (const std::uint32_t recipient : job.recipients)
        into.push_back(entry_for(*this, lane, job, recipient, in_flight));
    });
  }
}

std::vector<std::string> Shard::why(const MessageId& id) const {
  std::vector<std::string> lines;
  const SystemTime at = now();
  for (const auto& keyed : lanes_) {
    const Lane& lane = *keyed.second;
    lane.each_job([&](const Job& job, bool in_flight) {
      if (job.message->id != id) return;
      const std::string cause = job.reason.empty() ? std::string() : ": " + job.reason;
      for (const std::uint32_t recipient : job.recipients) {
        std::string line = job.message->envelope.recipients[recipient].address + " ";
        if (in_flight) {
          line += "is being delivered to " + lane.key().next_hop + " now (attempt " +
                  std::to_string(job.attempts) + ")";
        } else if (job.held) {
          line += "is held until released" + cause;
        } else if (lane.blocked(at)) {
          line += "waits until " + to_rfc3339(as_date(std::max(job.next_attempt, lane.blocked_until()))) +
                  " because " + lane.key().next_hop + " had trouble: " + lane.blocked_reason();
        } else if (job.next_attempt > at) {
          line += "waits for its next attempt at " + to_rfc3339(as_date(job.next_attempt)) + " (" +
                  std::to_string(job.attempts) + " so far)" + cause;
        } else {
          line += "waits for a free connection to " + lane.key().next_hop + " (" +
                  std::to_string(lane.couriers()) + " of " + std::to_string(lane.concurrency()) +
                  " in use, " + std::to_string(lane.waiting()) + " jobs waiting)";
        }
        lines.push_back(std::move(line));
      }
    });
  }
  return lines;
}

std::size_t Shard::retry(const std::function<bool(const Lane&, const Job&)>& match) {
  std::size_t count = 0;
  const SystemTime at = now();
  for (auto& keyed : lanes_) {
    Lane& lane = *keyed.second;
    for (JobPtr& job :
         lane.pull([&](const Job& candidate) { return !candidate.held && match(lane, candidate); })) {
      job->urgent = true;
      job->next_attempt = at;
      lane.add(std::move(job), at);
      ++count;
    }
    changed(lane);
  }
  return count;
}

void Shard::set_held(const MessageId& id, bool held, const std::string& reason) {
  const SystemTime at = now();
  for (auto& [key, lane] : lanes_) {
    for (JobPtr& job : lane->pull([&](const Job& candidate) { return candidate.message->id == id; })) {
      job->held = held;
      if (held) job->reason = reason;
      if (!held) job->next_attempt = std::min(job->next_attempt, at);
      lane->add(std::move(job), at);
    }
    changed(*lane);
  }
}

std::vector<JobPtr> Shard::extract(const MessageId& id, bool& busy) {
  std::vector<JobPtr> jobs;
  for (auto& [key, lane] : lanes_) {
    for (JobPtr& job : lane->pull([&](const Job& candidate) { return candidate.message->id == id; }))
      jobs.push_back(std::move(job));
    busy = busy || lane->in_flight_.count(id) > 0;
  }
  return jobs;
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
