// SPDX-License-Identifier: Apache-2.0
//
// JournalSpool: the spool on a journal. Sessions on any loop leave requests in an inbox; one thread (Driver)
// commits them in batches and posts the answers back, one post per loop and batch.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "event/blocking_pool.hpp"
#include "spool/commit_engine.hpp"
#include "spool/commit_window.hpp"
#include "spool/disk.hpp"
#include "spool/driver.hpp"
#include "spool/following.hpp"
#include "spool/journal_progress.hpp"
#include "spool/options.hpp"
#include "spool/request.hpp"
#include "spool/segment_files.hpp"
#include "spool/spool.hpp"

namespace sealpost::spool {

class JournalSpool final : public Spool {
 public:
  // Recovers, and begins to serve. `pool` does what waits for the disk beside commits (cold bodies, new
  // segments). All three outlive the spool, and the pool ends before the disk.
  // `health`, when not null, is told of damage and of what keeps the journal from working. `followers` read it from where
  // they stand; the drivers are theirs alone.
  static Expected<std::unique_ptr<JournalSpool>> open(Disk& disk, Driver& driver, event::BlockingPool& pool,
                                                      const SpoolOptions& options, Health* health = nullptr,
                                                      const std::vector<FollowerOnDriver>& followers = {});
  ~JournalSpool() override;  // without close(): as a crash would leave it

  // D-28. From here on no attempt counts as cut off, even when the process is killed before close(): the mark is
  // committed at once, and again with all that follows. Any thread.
  void drain();
  // D-28. Refuses new requests, commits those that wait, and notes the orderly stop. Call it when
  // nobody waits for an answer any more, and not from a loop whose answers must still be seen.
  void close();

  Expected<void> room_for(std::uint64_t size) const override;
  bool healthy() const noexcept override { return counters_.healthy.load(std::memory_order_relaxed); }
  event::Task<Expected<Extent>> append_body(event::Loop& home, MessageId id, std::string bytes) override;
  void discard(MessageId id) noexcept override;
  event::Task<Expected<StoredMessagePtr>> store(event::Loop& home, NewMessage message) override;
  // For `spool recover`: durable when it succeeds, and held from the start; recipients with a final state stay there.
  // Errc::exists: it is in the spool.
  event::Task<Expected<StoredMessagePtr>> store_held(event::Loop& home, NewMessage message,
                                                     std::vector<RecipientState> states, std::string reason);
  event::Task<Expected<void>> begin_attempt(event::Loop& home, MessageId id,
                                            std::vector<std::uint32_t> recipients) override;
  event::Task<Expected<std::vector<StoredMessagePtr>>> finish_attempt(event::Loop& home, Outcome outcome,
                                                                      std::vector<NewMessage> dsns) override;
  event::Task<Expected<void>> hold(event::Loop& home, MessageId id, bool held, std::string reason) override;
  event::Task<Expected<void>> reroute(event::Loop& home, MessageId id, std::vector<std::uint32_t> recipients,
                                      std::string next_hop) override;
  std::unique_ptr<BodyReader> open(event::Loop& home, StoredMessagePtr message) override;
  std::vector<StoredMessagePtr> take_recovered() override;
  Counters counters() const override;
  std::vector<FollowerStatus> followers() const;                                // any thread
  const EngineCounters& engine_counters() const noexcept { return counters_; }  // any thread

 private:
  JournalSpool(Disk& disk, Driver& driver, event::BlockingPool& pool, const SpoolOptions& options,
               Health* health);
  std::optional<SteadyTime> turn(SteadyTime now);
  bool submit(RequestPtr request);  // false: closed
  void take_inbox();
  void answer();
  NewRecord message_record(NewMessage message);
  std::shared_ptr<const std::string> keep(std::string body);
  event::Task<Expected<void>> committed(event::Loop& home, RequestPtr request);
  event::Task<Expected<StoredMessagePtr>> stored_by(event::Loop& home, RequestPtr request);
  class StoreGuard;

  Disk& disk_;
  Driver& driver_;
  event::BlockingPool& pool_;
  const SpoolOptions options_;
  const std::shared_ptr<SegmentFiles> files_;  // cold reads in the pool may outlast us
  EngineCounters counters_;
  JournalProgress progress_;
  std::vector<std::unique_ptr<Following>> followings_;
  CommitEngine engine_;
  CommitWindow window_;
  std::deque<RequestPtr> waiting_;  // the driver's
  std::vector<RequestPtr> done_;
  std::vector<StoredMessagePtr> recovered_;
  std::atomic<bool> draining_{false};
  std::shared_ptr<std::atomic<std::uint64_t>> fresh_octets_;

  std::mutex mutex_;  // guards what follows
  std::vector<RequestPtr> inbox_;
  std::size_t wake_at_ = 1;  // so many in the inbox wake the driver
  bool closed_ = false;
};

}  // namespace sealpost::spool
