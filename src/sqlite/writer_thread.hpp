// SPDX-License-Identifier: Apache-2.0
//
// A database's own thread: items are handed over in memory from any thread and given to the writer together, every second
// or every thousand; queries run between. Nobody waits for the disk, and the backlog is bounded.
// What the writer cannot write it keeps itself, and is called every second to try again.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace sealpost::sqlite {

template <class Item, class Store>
class WriterThread {
 public:
  using Query = std::function<void(Store&)>;
  struct Handlers {
    std::function<void(std::vector<Item>&)> round;  // on the thread, once a second and before queries
    std::function<void()> after;                    // on the thread, after each round
    std::function<void(std::size_t lost, const char* why)> failed;  // a round threw; its items are lost
    std::function<void()> ended;                                    // on the thread, after the last round
  };

  // `store` and what the handlers use live longer. Starts at once.
  WriterThread(Store& store, std::size_t most_waiting, Handlers handlers)
      : store_(store),
        most_waiting_(most_waiting),
        handlers_(std::move(handlers)),
        thread_([this] { run(); }) {}
  // Writes what is there.
  ~WriterThread() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }
  WriterThread(const WriterThread&) = delete;
  WriterThread& operator=(const WriterThread&) = delete;

  // False: the backlog is full, or there is no memory; the item is dropped.
  bool add(Item item) noexcept {
    try {
      bool full = false;
      {
        const std::lock_guard lock(mutex_);
        if (waiting_.size() >= most_waiting_) return false;
        waiting_.push_back(std::move(item));
        full = waiting_.size() == batch;
      }
      if (full) wake_.notify_one();
      return true;
    } catch (...) {
      return false;
    }
  }

  // Runs after everything added before has been written, or was tried to.
  void post(Query query) {
    {
      const std::lock_guard lock(mutex_);
      queries_.push_back(std::move(query));
    }
    wake_.notify_one();
  }

 private:
  static constexpr std::size_t batch = 1000;
  static constexpr std::chrono::seconds flush_every{1};
  using Clock = std::chrono::steady_clock;

  bool items_wait() {
    const std::lock_guard lock(mutex_);
    return !waiting_.empty();
  }

  // An exception ends neither this thread nor the relay: the round is lost, the next one is tried.
  void run() noexcept {
    std::deque<Query> asked;  // all that was added before them has been written
    for (bool stop = false; !stop;) {
      std::vector<Item> items;
      {
        std::unique_lock lock(mutex_);
        wake_.wait_for(lock, flush_every, [&] {
          return stop_ || !asked.empty() || !queries_.empty() || waiting_.size() >= batch;
        });
        items.swap(waiting_);
        if (asked.empty()) asked.swap(queries_);
      }
      try {
        const auto begun = Clock::now();
        handlers_.round(items);
        items.clear();
        // What was added meanwhile is written before the next question, however many ask. But where somebody's lock makes
        // each writing take seconds, all that ask are answered before another one is tried.
        const bool slow = Clock::now() - begun >= flush_every;
        while (!asked.empty()) {
          const Query query = std::move(asked.front());
          asked.pop_front();
          query(store_);
          if (!slow && items_wait()) break;
        }
        if (handlers_.after) handlers_.after();
      } catch (const std::exception& error) {
        handlers_.failed(items.size(), error.what());
      }
      const std::lock_guard lock(mutex_);
      stop = stop_ && asked.empty() && queries_.empty() && waiting_.empty();
    }
    if (handlers_.ended) handlers_.ended();
  }

  Store& store_;
  const std::size_t most_waiting_;
  Handlers handlers_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Item> waiting_;
  std::deque<Query> queries_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace sealpost::sqlite
