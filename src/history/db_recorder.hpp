// SPDX-License-Identifier: Apache-2.0
//
// The recorder of the running relay: sessions are handed over in memory and written to evidence.db by a thread
// of its own, every second or every thousand. What the database does not take now is kept, in a bounded
// number of kinds, and written when it does; what does not fit is dropped and said. Whatever
// happens to the database, nobody waits for it and no mail is touched (D-23).
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "event/wait.hpp"
#include "history/pending.hpp"
#include "history/session.hpp"
#include "history/store.hpp"
#include "sqlite/writer_thread.hpp"

namespace sealpost::history {

class DbRecorder final : public Recorder {
 public:
  using Clock = std::function<std::optional<SystemTime>()>;
  // Keeps `keep_days` UTC days before today's. `clock`: for that alone; while it says nothing, nothing is forgotten
  // (T-50). Called on the database's thread.
  DbRecorder(Store store, unsigned keep_days, Clock clock);
  ~DbRecorder() override;  // writes what is there, and waits for nobody's lock
  void record(Session session) noexcept override;
  void set_keep_days(unsigned days) noexcept { keep_days_.store(days, std::memory_order_relaxed); }

  // Runs `query` on the database's thread, after everything recorded before has been written; its result comes
  // back on `home`. One that nobody waits for any more when its turn comes is left out.
  template <class T>
  event::Task<Expected<T>> ask(event::Loop& home, std::function<Expected<T>(Store&)> query) {
    event::OneShot<Expected<T>> answer(home);
    auto sender = answer.sender();
    const auto waiting = std::make_shared<const bool>(true);  // it goes with this frame
    thread_.post(
        [sender, query = std::move(query), asked = std::weak_ptr<const bool>(waiting)](Store& store) {
          if (!asked.expired()) sender.send(guarded<T>(store, query));
        });
    co_return co_await answer;
  }

  std::uint64_t recorded() const noexcept { return recorded_.load(std::memory_order_relaxed); }
  std::uint64_t dropped() const noexcept { return dropped_.load(std::memory_order_relaxed); }

 private:
  template <class T>
  static Expected<T> guarded(Store& store, const std::function<Expected<T>(Store&)>& query) {
    try {
      return query(store);
    } catch (const std::exception& error) {
      return Error(Errc::unavailable, std::string("evidence.db: ") + error.what());
    }
  }
  void round(const std::vector<Session>& sessions);
  void forget_old();
  void lose(std::size_t sessions, std::string_view why);

  Store store_;
  Clock clock_;
  std::atomic<unsigned> keep_days_;
  std::atomic<std::uint64_t> recorded_{0}, dropped_{0};
  std::string forgotten_day_;
  Pending pending_;                              // of thread_
  sqlite::WriterThread<Session, Store> thread_;  // last: uses the rest
};

}  // namespace sealpost::history
