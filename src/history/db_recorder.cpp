// SPDX-License-Identifier: Apache-2.0
#include "history/db_recorder.hpp"

#include "base/log.hpp"
#include "base/planted.hpp"

namespace sealpost::history {
namespace {

constexpr std::size_t most_waiting = 50'000;

}  // namespace

DbRecorder::DbRecorder(Store store, unsigned keep_days, Clock clock)
    : store_(std::move(store)),
      clock_(std::move(clock)),
      keep_days_(keep_days),
      thread_(store_, most_waiting,
              {[this](std::vector<Session>& sessions) { round(sessions); }, [this] { forget_old(); },
               [this](std::size_t lost, const char* why) { lose(lost, why); },
               [this] {
                 if (!pending_.empty())
                   lose(pending_.sessions(), "the relay stopped before it could be written");
               }}) {}

// A backup that holds the file must not hold up the end of the relay.
DbRecorder::~DbRecorder() { store_.file().hurry(); }

void DbRecorder::record(Session session) noexcept {
  if (!thread_.add(std::move(session))) dropped_.fetch_add(1, std::memory_order_relaxed);
}

void DbRecorder::lose(std::size_t sessions, std::string_view why) {
  dropped_.fetch_add(sessions, std::memory_order_relaxed);
  log::error("evidence_not_recorded", {{"sessions", sessions}, {"why", why}});
}

// What the database does not take now is kept and tried again each second; only what it refuses for itself is given up.
void DbRecorder::round(const std::vector<Session>& sessions) {
  const bool open = store_.file().tend();
  Expected<void> added = Error(Errc::unavailable, "evidence.db is not open");
  if (open && pending_.empty()) {
    if (sessions.empty()) return;
    added = store_.add(sessions);
    if (added) {
      recorded_.fetch_add(sessions.size(), std::memory_order_relaxed);
      return;
    }
  }
  std::size_t left_out = 0;
  for (const Session& session : sessions) left_out += pending_.add(session) ? 0u : 1u;
  if (left_out > 0) lose(left_out, "evidence.db cannot be written, and memory holds all the kinds it may");
  if (pending_.empty()) return;
  const auto refused = [this] {
    return store_.file().is_open() && store_.file().trouble() == sqlite::Trouble::refused;
  };
  // Opened again, or begun anew, by now?
  if (!refused() && store_.file().tend()) added = store_.add(pending_.all());
  if (added)
    recorded_.fetch_add(pending_.sessions(), std::memory_order_relaxed);
  else if (refused() || planted(Plant::drop_when_closed))
    lose(pending_.sessions(), added.error().detail);
  else
    return;
  pending_.clear();
}

// Once a day, first at the start.
void DbRecorder::forget_old() {
  const std::optional<SystemTime> now = clock_();
  if (!now) return;
  const std::string today = to_utc_day(*now);
  if (today == forgotten_day_ || !store_.file().is_open()) return;
  forgotten_day_ = today;
  const SystemTime oldest = *now - std::chrono::days(keep_days_.load(std::memory_order_relaxed));
  if (auto done = store_.forget_before(oldest); !done)
    log::error("evidence_not_forgotten", {{"why", done.error().detail}});
}

}  // namespace sealpost::history
