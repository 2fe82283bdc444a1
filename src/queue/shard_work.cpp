// SPDX-License-Identifier: Apache-2.0
//
// What operators may do with the mail of a shard: retry, hold, release, and its end: bounce, expire, remove.
#include <algorithm>

#include "event/ask.hpp"
#include "queue/filter.hpp"
#include "queue/shard.hpp"

namespace sealpost::queue {

namespace {
constexpr std::size_t ended_together = 1000;  // jobs on their way into the journal
}  // namespace

std::size_t Shard::retry_in(Lane& lane, const std::function<bool(const Job&)>& match) {
  const SystemTime at = now();
  std::vector<JobPtr> jobs = lane.pull([&](const Job& candidate) {
    return !candidate.held && candidate.not_before <= at && match(candidate) ? Lane::Pick::take
                                                                             : Lane::Pick::leave;
  });
  for (JobPtr& job : jobs) {
    job->urgent = true;
    job->next_attempt = at;
    lane.add(std::move(job), at);
  }
  if (!jobs.empty()) changed(lane);
  return jobs.size();
}

std::size_t Shard::retry(const std::function<bool(const Lane&, const Job&)>& match) {
  std::size_t count = 0;
  for (auto& [key, lane] : lanes_)
    count += retry_in(*lane, [&, &lane = *lane](const Job& job) { return match(lane, job); });
  return count;
}

std::size_t Shard::retry(const Filter& filter) {
  std::size_t count = 0;
  for (auto& [key, lane] : lanes_) {
    const LaneFilter wanted(filter, *lane, loop_.steady());
    if (!wanted.none()) count += retry_in(*lane, [&](const Job& job) { return wanted.any(job, false); });
  }
  return count;
}

void Shard::change_waiting(const std::vector<MessageId>& ids, const std::function<bool(const Job&)>& which,
                           const std::function<void(Job&)>& change) {
  const auto pick = [&](const Job& job) {
    const bool meant = which(job) && std::binary_search(ids.begin(), ids.end(), job.message->id);
    return meant ? Lane::Pick::take : Lane::Pick::leave;
  };
  for (auto& [key, lane] : lanes_) {
    std::vector<JobPtr> jobs = lane->pull(pick);
    for (JobPtr& job : jobs) {
      change(*job);
      lane->add(std::move(job), now());
    }
    if (!jobs.empty()) changed(*lane);
  }
  for (const MessageId& id : ids) hold_on_return_.erase(id);
}

void Shard::hold(const std::vector<MessageId>& ids, const std::string& reason) {
  const auto hold_it = [&](Job& job) {
    job.held = true;
    job.reason = reason;
  };
  change_waiting(
      ids, [](const Job& job) { return !job.held; }, hold_it);
  for (const auto& keyed : lanes_)
    for (const auto& [id, job] : keyed.second->in_flight_)
      if (std::binary_search(ids.begin(), ids.end(), id)) hold_on_return_[id] = reason;
}

void Shard::release(const std::vector<MessageId>& ids) {
  const auto let_go = [at = now()](Job& job) {
    job.held = false;
    job.reason.clear();
    job.next_attempt = std::min(job.next_attempt, at);
  };
  change_waiting(
      ids, [](const Job& job) { return job.held; }, let_go);
}

void Shard::undo_hold(const std::vector<MessageId>& ids, const std::string& reason, const std::string& why) {
  const auto as_before = [&](Job& job) {
    job.held = false;
    job.reason = why;
  };
  change_waiting(
      ids, [&](const Job& job) { return job.held && job.reason == reason; }, as_before);
}

// An attempt that was under way when its message was put on hold is the last one.
void Shard::hold_if_asked(Job& job) {
  const auto asked = hold_on_return_.find(job.message->id);
  if (asked == hold_on_return_.end()) return;
  job.held = true;
  job.reason = asked->second;
  forget_hold(job.message->id);
}

void Shard::forget_hold(const MessageId& id) {
  const auto asked = hold_on_return_.find(id);
  if (asked != hold_on_return_.end() && !attempting(id)) hold_on_return_.erase(asked);
}

std::vector<std::pair<Lane*, JobPtr>> Shard::take_for_good(const Filter& filter, const MayTake& may,
                                                           std::size_t most) {
  std::vector<std::pair<Lane*, JobPtr>> jobs;
  for (auto& keyed : lanes_) {
    Lane& lane = *keyed.second;
    const LaneFilter wanted(filter, lane, loop_.steady());
    if (wanted.none()) continue;
    const auto which = [&](const Job& job) {
      return may(lane, job) ? wanted.matching(job, false) : std::vector<std::uint32_t>();
    };
    for (JobPtr& job : lane.take_for_good(which, most - jobs.size()))
      jobs.emplace_back(&lane, std::move(job));
    if (jobs.size() >= most) break;
  }
  return jobs;
}

event::Task<Ended> Shard::end(Filter filter, LastWord word, std::size_t most) {
  struct Recorded {
    explicit Recorded(event::Loop& loop) : signal(loop) {}
    event::Signal signal;
    bool all = false;
  };
  const bool told = word.kind != LastWord::Kind::remove;
  const auto has_whom_to_tell = [told](const Lane& lane, const Job& job) {
    return !told || (lane.key().returns_to.empty() && !job.message->envelope.reverse_path.empty());
  };
  auto jobs = take_for_good(filter, has_whom_to_tell, most);  // a lane with mail in flight stays
  Ended ended;
  ended.more = jobs.size() >= most;
  for (auto next = jobs.begin(); next != jobs.end();) {
    const auto recorded = std::make_shared<Recorded>(loop_);
    std::shared_ptr<void> each(recorded.get(), [recorded](void*) {
      recorded->all = true;
      recorded->signal.notify();
    });
    for (std::size_t i = 0; i < ended_together && next != jobs.end(); ++i, ++next) {
      auto& [lane, job] = *next;
      ended.messages.push_back(job->message->id);
      ended.recipients += job->recipients.size();
      courier_->end(*lane, std::move(job), word, each);
    }
    each.reset();
    while (!recorded->all) co_await recorded->signal.wait();
  }
  co_return ended;
}

event::Task<Ended> Shard::end_from(event::Loop& home, Filter filter, LastWord word, std::size_t most) {
  auto make = [this, filter, word, most] { return end(filter, word, most); };
  co_return co_await event::ask_task(home, scope_, make);
}

event::Task<Ended> Shard::reroute(Filter filter, std::string next_hop, RerouteTarget target,
                                  std::size_t most) {
  const auto goes_elsewhere = [&target](const Lane& lane, const Job& job) {
    return lane.key().returns_to.empty() && target(lane.key(), job) != lane.key();
  };
  auto jobs = take_for_good(filter, goes_elsewhere, most);
  const auto ended = std::make_shared<Ended>();
  ended->more = jobs.size() >= most;
  for (auto next = jobs.begin(); next != jobs.end();) {
    event::TaskScope recording(loop_);  // together: the journal writes them as few groups
    for (std::size_t i = 0; i < ended_together && next != jobs.end(); ++i, ++next) {
      auto& [lane, job] = *next;
      LaneKey to = target(lane->key(), *job);
      recording.spawn(reroute_one(*lane, std::move(job), std::move(to), next_hop, ended));
    }
    co_await recording.join();
  }
  co_return std::move(*ended);
}

event::Task<void> Shard::reroute_one(Lane& lane, JobPtr job, LaneKey to, std::string next_hop,
                                     std::shared_ptr<Ended> into) {
  const MessageId id = job->message->id;
  const std::size_t recipients = job->recipients.size();
  const Expected<void> recorded =
      co_await courier_->reroute(lane, std::move(job), std::move(to), std::move(next_hop));
  if (!recorded) {
    into->failed = recorded.error().detail;
    co_return;
  }
  into->messages.push_back(id);
  into->recipients += recipients;
}

event::Task<Ended> Shard::reroute_from(event::Loop& home, Filter filter, std::string next_hop,
                                       RerouteTarget target, std::size_t most) {
  auto make = [this, filter, next_hop, target, most] { return reroute(filter, next_hop, target, most); };
  co_return co_await event::ask_task(home, scope_, make);
}

}  // namespace sealpost::queue
