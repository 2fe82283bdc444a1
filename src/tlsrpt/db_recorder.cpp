// SPDX-License-Identifier: Apache-2.0
#include "tlsrpt/db_recorder.hpp"

#include "base/log.hpp"
#include "tlsrpt/certificates.hpp"

namespace sealpost::tlsrpt {
namespace {
using namespace std::chrono_literals;
constexpr std::size_t most_waiting = 200'000;
constexpr std::size_t batch = 1000;
constexpr auto flush_every = 1s;
}  // namespace

DbRecorder::DbRecorder(Store store) : store_(std::move(store)), thread_([this] { run(); }) {}

DbRecorder::~DbRecorder() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void DbRecorder::count(SessionRecord record) noexcept {
  try {
    bool full = false;
    {
      const std::lock_guard lock(mutex_);
      if (waiting_.size() >= most_waiting) {
        dropped_.fetch_add(1, std::memory_order_relaxed);
        return;
      }
      waiting_.push_back(std::move(record));
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

void DbRecorder::observe(Observer observer) {
  post([this, observer = std::move(observer)](Store&) { observer_ = observer; });
}

void DbRecorder::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait_for(lock, flush_every,
                   [this] { return stop_ || !queries_.empty() || waiting_.size() >= batch; });
    std::vector<SessionRecord> records;
    std::vector<std::function<void(Store&)>> queries;
    records.swap(waiting_);
    queries.swap(queries_);
    const bool stop = stop_;
    lock.unlock();
    if (!records.empty()) write(records);
    for (const auto& query : queries) query(store_);
    if (stop) return;
    lock.lock();
  }
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
    dropped_.fetch_add(records.size(), std::memory_order_relaxed);
    log::error("tlsrpt_not_counted", {{"sessions", records.size()}, {"why", added.error().detail}});
    return;
  }
  counted_.fetch_add(records.size(), std::memory_order_relaxed);
}

}  // namespace sealpost::tlsrpt
