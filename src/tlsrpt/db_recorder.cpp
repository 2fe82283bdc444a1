// SPDX-License-Identifier: Apache-2.0
#include "tlsrpt/db_recorder.hpp"

#include "base/log.hpp"
#include "tlsrpt/certificates.hpp"

namespace sealpost::tlsrpt {
namespace {

constexpr std::size_t most_waiting = 200'000;

}  // namespace

DbRecorder::DbRecorder(Store store)
    : store_(std::move(store)),
      thread_(store_, most_waiting,
              {[this](std::vector<SessionRecord>& records) { write(records); }, nullptr,
               [this](std::size_t lost, const char* why) { lose(lost, why); }}) {}

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

void DbRecorder::write(std::vector<SessionRecord>& records) {
  const bool counting = counting_.load(std::memory_order_relaxed);
  Tally tally;
  SeenCertificates seen;
  for (const SessionRecord& record : records) {
    if (counting)
      for (CountedEntry& entry : count_session(record)) fold(tally, std::move(entry));
    note_certificate(seen, record);
    if (observer_) observer_(record);
  }
  if (const auto kept = Certificates(store_).keep(seen); !kept)
    log::error("tlsrpt_certificates_not_kept", {{"why", kept.error().detail}});
  if (!counting) return;
  if (const auto added = store_.add_folded(tally); !added) {
    lose(records.size(), added.error().detail);
    return;
  }
  counted_.fetch_add(records.size(), std::memory_order_relaxed);
}

}  // namespace sealpost::tlsrpt
