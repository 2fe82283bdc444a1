// SPDX-License-Identifier: Apache-2.0
//
// The recorder of the running relay: sessions are handed over in memory and written to tlsrpt.db by a thread
// of its own, every second or every thousand. What the database does not take now is kept, in a bounded
// number of kinds, and written when it does; what does not fit is dropped and said
// (D-25).
#pragma once

#include <atomic>
#include <functional>
#include <string_view>
#include <vector>

#include "sqlite/writer_thread.hpp"
#include "tlsrpt/counting/certificates.hpp"
#include "tlsrpt/counting/pending.hpp"
#include "tlsrpt/counting/recorder.hpp"
#include "tlsrpt/counting/refusals.hpp"
#include "tlsrpt/counting/store_access.hpp"

namespace sealpost::tlsrpt {

class DbRecorder final : public Recorder, public StoreAccess {
 public:
  explicit DbRecorder(Store store);
  ~DbRecorder() override;  // writes what is there, and waits for nobody's lock
  void count(SessionRecord record) noexcept override;
  // [tls_rpt] enabled: without, sessions are only looked at (certificates, the observer).
  void set_counting(bool on) noexcept { counting_.store(on, std::memory_order_relaxed); }
  // Sees every session, on the database's thread, from now on.
  using Observer = std::function<void(const SessionRecord&)>;
  void observe(Observer observer);

  std::uint64_t counted() const noexcept { return counted_.load(std::memory_order_relaxed); }
  std::uint64_t dropped() const noexcept { return dropped_.load(std::memory_order_relaxed); }

 private:
  void post(std::function<void(Store&)> work) override { thread_.post(std::move(work)); }
  void round(std::vector<SessionRecord>& records);
  void flush();
  void flush_refusals();
  void lose(std::size_t sessions, std::string_view why);

  Store store_;
  std::atomic<std::uint64_t> counted_{0}, dropped_{0};
  std::atomic<bool> counting_{true};
  // Of thread_:
  Observer observer_;
  Pending pending_;
  SeenCertificates seen_;
  SeenRefusals refused_;
  sqlite::WriterThread<SessionRecord, Store> thread_;  // last: uses the rest
};

}  // namespace sealpost::tlsrpt
