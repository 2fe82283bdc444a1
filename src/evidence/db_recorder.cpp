// SPDX-License-Identifier: Apache-2.0
#include "evidence/db_recorder.hpp"

#include "base/log.hpp"

namespace sealpost::evidence {
namespace {
using namespace std::chrono_literals;
constexpr std::size_t most_waiting = 50'000;
constexpr std::size_t batch = 1000;
constexpr auto flush_every = 1s;
}  // namespace

DbRecorder::DbRecorder(Store store, unsigned keep_days, Clock clock)
    : store_(std::move(store)), clock_(std::move(clock)), keep_days_(keep_days), thread_([this] { run(); }) {}

DbRecorder::~DbRecorder() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void DbRecorder::record(Session session) noexcept {
  try {
    bool full = false;
    {
      const std::lock_guard lock(mutex_);
      if (waiting_.size() >= most_waiting) {
        dropped_.fetch_add(1, std::memory_order_relaxed);
        return;
      }
      waiting_.push_back(std::move(session));
      full = waiting_.size() == batch;
    }
    if (full) wake_.notify_one();
  } catch (...) {
    dropped_.fetch_add(1, std::memory_order_relaxed);
  }
}

void DbRecorder::post(std::function<void(Store&)> work) {
  {
    const std::lock_guard lock(mutex_);
    queries_.push_back(std::move(work));
  }
  wake_.notify_one();
}

// An exception ends neither this thread nor the relay: the batch is lost, the next one is tried.
void DbRecorder::run() noexcept {
  for (bool stop = false; !stop;) {
    std::vector<Session> sessions;
    std::vector<std::function<void(Store&)>> queries;
    {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, flush_every,
                     [this] { return stop_ || !queries_.empty() || waiting_.size() >= batch; });
      sessions.swap(waiting_);
      queries.swap(queries_);
      stop = stop_;
    }
    try {
      if (!sessions.empty()) write(sessions);
      for (const auto& query : queries) query(store_);
      forget_old();
    } catch (const std::exception& error) {
      dropped_.fetch_add(sessions.size(), std::memory_order_relaxed);
      log::error("evidence_not_recorded", {{"sessions", sessions.size()}, {"why", error.what()}});
    }
  }
}

void DbRecorder::write(const std::vector<Session>& sessions) {
  auto added = store_.add(sessions);
  if (!added && store_.damaged()) {  // D-23: what turns out bad while running is set aside as at a start
    const auto fresh = store_.begin_anew(added.error().detail);
    if (fresh) added = store_.add(sessions);
  }
  if (added) {
    recorded_.fetch_add(sessions.size(), std::memory_order_relaxed);
    return;
  }
  dropped_.fetch_add(sessions.size(), std::memory_order_relaxed);
  log::error("evidence_not_recorded", {{"sessions", sessions.size()}, {"why", added.error().detail}});
}

// Once a day, first at the start.
void DbRecorder::forget_old() {
  const SystemTime now = clock_();
  const std::string today = to_utc_day(now);
  if (today == forgotten_day_) return;
  forgotten_day_ = today;
  const SystemTime oldest = now - std::chrono::days(keep_days_.load(std::memory_order_relaxed));
  if (auto done = store_.forget_before(oldest); !done)
    log::error("evidence_not_forgotten", {{"why", done.error().detail}});
}

}  // namespace sealpost::evidence
