// SPDX-License-Identifier: Apache-2.0
#include "tlsrpt/counting/db_recorder.hpp"

#include "base/log.hpp"
#include "base/planted.hpp"

namespace sealpost::tlsrpt {
namespace {

constexpr std::size_t most_waiting = 200'000;

}  // namespace

DbRecorder::DbRecorder(Store store)
    : store_(std::move(store)),
      thread_(store_, most_waiting,
              {[this](std::vector<SessionRecord>& records) { round(records); }, nullptr,
               [this](std::size_t lost, const char* why) { lose(lost, why); },
               [this] {
                 if (!pending_.empty())
                   lose(pending_.sessions(), "the relay stopped before it could be written");
               }}) {}

// A backup that holds the file must not hold up the end of the relay.
DbRecorder::~DbRecorder() { store_.file().hurry(); }

void DbRecorder::count(SessionRecord record) noexcept {
  if (!thread_.add(std::move(record))) dropped_.fetch_add(1, std::memory_order_relaxed);
}

void DbRecorder::lose(std::size_t sessions, std::string_view why) {
  dropped_.fetch_add(sessions, std::memory_order_relaxed);
  log::error("tlsrpt_not_counted", {{"sessions", sessions}, {"why", why}});
}

void DbRecorder::observe(Observer observer) {
  post([this, observer = std::move(observer)](Store&) { observer_ = observer; });
}

void DbRecorder::round(std::vector<SessionRecord>& records) {
  store_.file().tend();
  const bool counting = counting_.load(std::memory_order_relaxed);
  std::size_t left_out = 0;
  for (const SessionRecord& record : records) {
    if (counting) left_out += pending_.add(record) ? 0u : 1u;
    if (seen_.size() < Pending::most_kinds) note_certificate(seen_, record);
    if (!note_refusal(refused_, record))
      log::warning("refusal_not_counted", {{"domain", record.policy_domain}});
    if (observer_) observer_(record);
  }
  if (left_out > 0) lose(left_out, "tlsrpt.db cannot be written, and memory holds all the kinds it may");
  flush();
}

// What our own demands ended is a matter of lists, not of reports: what the database refuses for itself is given up.
void DbRecorder::flush_refusals() {
  if (refused_.empty()) return;
  const auto kept = Refusals(store_).keep(refused_);
  const bool refused =
      !kept && store_.file().is_open() && store_.file().trouble() <= sqlite::Trouble::refused;
  if (refused) log::error("tlsrpt_refusals_not_kept", {{"why", kept.error().detail}});
  if (kept || refused) refused_.clear();
}

// What cannot be written stays and is tried again each second; only what the database refuses for itself is given up.
void DbRecorder::flush() {
  flush_refusals();
  if (!seen_.empty()) {
    const auto kept = Certificates(store_).keep(seen_);
    const bool refused =
        !kept && store_.file().is_open() && store_.file().trouble() <= sqlite::Trouble::refused;
    if (refused) log::error("tlsrpt_certificates_not_kept", {{"why", kept.error().detail}});
    if (kept || refused) seen_.clear();
  }
  if (pending_.empty()) return;
  auto added = store_.add_folded(pending_.tally());
  if (!added && store_.file().trouble() >= sqlite::Trouble::reopen && store_.file().tend())
    added = store_.add_folded(pending_.tally());  // set aside and begun anew, or opened again
  const std::size_t sessions = pending_.sessions();
  if (added) {
    counted_.fetch_add(sessions, std::memory_order_relaxed);
    pending_.clear();
    return;
  }
  const bool refused = store_.file().is_open() && store_.file().trouble() <= sqlite::Trouble::refused;
  if (!refused && !planted(Plant::drop_when_closed)) return;
  lose(sessions, added.error().detail);
  pending_.clear();
}

}  // namespace sealpost::tlsrpt
