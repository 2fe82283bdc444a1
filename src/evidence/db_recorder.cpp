// SPDX-License-Identifier: Apache-2.0
#include "evidence/db_recorder.hpp"

#include "base/log.hpp"

namespace sealpost::evidence {
namespace {

constexpr std::size_t most_waiting = 50'000;

}  // namespace

DbRecorder::DbRecorder(Store store, unsigned keep_days, Clock clock)
    : store_(std::move(store)),
      clock_(std::move(clock)),
      keep_days_(keep_days),
      thread_(store_, most_waiting,
              {[this](std::vector<Session>& sessions) { write(sessions); }, [this] { forget_old(); },
               [this](std::size_t lost, const char* why) { lose(lost, why); }}) {}

void DbRecorder::record(Session session) noexcept {
  if (!thread_.add(std::move(session))) dropped_.fetch_add(1, std::memory_order_relaxed);
}

void DbRecorder::lose(std::size_t sessions, std::string_view why) {
  dropped_.fetch_add(sessions, std::memory_order_relaxed);
  log::error("evidence_not_recorded", {{"sessions", sessions}, {"why", why}});
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
  lose(sessions.size(), added.error().detail);
}

// Once a day, first at the start.
void DbRecorder::forget_old() {
  const std::optional<SystemTime> now = clock_();
  if (!now) return;
  const std::string today = to_utc_day(*now);
  if (today == forgotten_day_) return;
  forgotten_day_ = today;
  const SystemTime oldest = *now - std::chrono::days(keep_days_.load(std::memory_order_relaxed));
  if (auto done = store_.forget_before(oldest); !done)
    log::error("evidence_not_forgotten", {{"why", done.error().detail}});
}

}  // namespace sealpost::evidence
