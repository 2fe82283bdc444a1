// SPDX-License-Identifier: Apache-2.0
//
// What operators may do with the mail of a shard: retry, hold, release, and its end: bounce, expire, remove.
#include <algorithm>

#include "event/ask.hpp"
#include "queue/filter.hpp"
#include "queue/shard.hpp"

namespace sealpost::queue {

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

std::size_t Shard::retry(const Filter& filter) {
  return retry([&](const Lane& lane, const Job& job) {
    return !LaneFilter(filter, lane, loop_.steady()).matching(job, false).empty();
  });
}

void Shard::set_held(const std::vector<MessageId>& ids, bool held, const std::string& reason) {
  const SystemTime at = now();
  const auto meant = [&](const Job& job) {
    return std::binary_search(ids.begin(), ids.end(), job.message->id);
  };
  for (auto& [key, lane] : lanes_) {
    for (JobPtr& job : lane->pull(meant)) {
      job->held = held;
      if (held) job->reason = reason;
      if (!held) job->next_attempt = std::min(job->next_attempt, at);
      lane->add(std::move(job), at);
    }
    changed(*lane);
  }
  for (const MessageId& id : ids) {
    if (held && attempting(id))
      hold_on_return_[id] = reason;
    else
      hold_on_return_.erase(id);
  }
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
  if (hold_on_return_.empty() || attempting(id)) return;
  hold_on_return_.erase(id);
}

event::Task<std::size_t> Shard::end(Filter filter, LastWord word, std::size_t most) {
  struct Recorded {
    explicit Recorded(event::Loop& loop) : signal(loop) {}
    event::Signal signal;
    bool all = false;
  };
  const bool told = word.kind != LastWord::Kind::remove;
  std::vector<std::pair<Lane*, JobPtr>> jobs;  // a lane with mail in flight stays
  for (auto& keyed : lanes_) {
    Lane& lane = *keyed.second;
    const LaneFilter wanted(filter, lane, loop_.steady());
    if (wanted.none() || (told && !lane.key().returns_to.empty())) continue;
    const auto which = [&](const Job& job) {
      if (told && job.message->envelope.reverse_path.empty()) return std::vector<std::uint32_t>();
      return wanted.matching(job, false);
    };
    for (JobPtr& job : lane.take_for_good(which, most - jobs.size()))
      jobs.emplace_back(&lane, std::move(job));
    if (jobs.size() >= most) break;
  }
  std::size_t recipients = 0;
  const auto recorded = std::make_shared<Recorded>(loop_);
  std::shared_ptr<void> each(recorded.get(), [recorded](void*) {
    recorded->all = true;
    recorded->signal.notify();
  });
  for (auto& [lane, job] : jobs) {
    recipients += job->recipients.size();
    courier_->end(*lane, std::move(job), word, each);
  }
  each.reset();
  while (!recorded->all) co_await recorded->signal.wait();
  co_return recipients;
}

event::Task<std::size_t> Shard::end_from(event::Loop& home, Filter filter, LastWord word, std::size_t most) {
  auto make = [this, filter, word, most] { return end(filter, word, most); };
  co_return co_await event::ask_task(home, scope_, make);
}

}  // namespace sealpost::queue
