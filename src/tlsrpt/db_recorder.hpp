// SPDX-License-Identifier: Apache-2.0
//
// The recorder of the running relay: sessions are handed over in memory and written to tlsrpt.db by a thread
// of its own, every second or every thousand. A bounded backlog; what does not fit is dropped and said
// (D-25).
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "event/wait.hpp"
#include "tlsrpt/store.hpp"

namespace sealpost::tlsrpt {

class DbRecorder final : public Recorder {
 public:
  explicit DbRecorder(Store store);
  ~DbRecorder() override;  // writes what is there
  void count(SessionRecord record) noexcept override;

  // Runs `query` on the recorder's thread, after everything counted before has been written; its result comes
  // back on `home`.
  template <class T>
  event::Task<Expected<T>> ask(event::Loop& home, std::function<Expected<T>(Store&)> query) {
    event::OneShot<Expected<T>> answer(home);
    auto sender = answer.sender();
    post([sender, query = std::move(query)](Store& store) { sender.send(query(store)); });
    co_return co_await answer;
  }

  std::uint64_t counted() const noexcept { return counted_.load(std::memory_order_relaxed); }
  std::uint64_t dropped() const noexcept { return dropped_.load(std::memory_order_relaxed); }

 private:
  void post(std::function<void(Store&)> work);
  void run();
  void write(std::vector<SessionRecord>& records);

  Store store_;
  std::atomic<std::uint64_t> counted_{0}, dropped_{0};
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<SessionRecord> waiting_;
  std::vector<std::function<void(Store&)>> queries_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace sealpost::tlsrpt
